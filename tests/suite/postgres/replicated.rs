//! A database all of whose tables are replicated: rows without an identity cannot be changed there.

use crate::application;
use crate::place::Place;

#[test]
fn the_journal_can_be_replicated() {
    let place = Place::new().with_sql(
        "0001_create.sql",
        "-- wasmigrate:migrate\nCREATE TABLE account (id INTEGER PRIMARY KEY);\n-- wasmigrate:reset\nDROP TABLE account;",
    );
    application::superuser(place.server_database())
        .run("CREATE PUBLICATION everything FOR ALL TABLES");
    for command in ["migrate", "reset", "migrate", "finalize"] {
        place.run(&[command]).ends_with(0);
    }
}
