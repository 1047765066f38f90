//! Steps that work in the name of another role than the host's connection.

use std::process;

use crate::application;
use crate::hostile::component::{Component, must, sql};
use crate::place::Place;

/// A role of its own, which may do what the statements grant it; dropped with this.
struct Role {
    name: String,
    place: Place,
}

impl Role {
    fn with(name: &str, grants: &[&str]) -> Self {
        let name = format!("{name}_{}", process::id());
        let place = Place::new()
            .with_data(
                "CREATE TABLE account (id INTEGER PRIMARY KEY); INSERT INTO account VALUES (1)",
            )
            .with_variable("WASMIGRATE_POSTGRES_ROLE", &name);
        let mut superuser = application::superuser(place.server_database());
        superuser.run(&format!("CREATE ROLE {name}; GRANT {name} TO app"));
        for grant in grants {
            superuser.run(&format!("GRANT {grant} TO {name}"));
        }
        Self { name, place }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let mut superuser = application::superuser(self.place.server_database());
        let dropped = superuser.try_run(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name));
        if let Err(error) = dropped {
            println!("{error}");
        }
    }
}

#[test]
fn a_step_has_the_rights_of_its_role() {
    let role = Role::with(
        "writes",
        &[
            "USAGE, CREATE ON SCHEMA public",
            "SELECT, INSERT ON account",
        ],
    );
    let place = &role.place;
    let works = sql("INSERT INTO account VALUES (2)")
        + &sql("CREATE TABLE made (by_whom name DEFAULT current_user)")
        + &must("$checkpoint")
        + &sql("INSERT INTO made DEFAULT VALUES");
    place.write_step("0001_works.wasm", &Component::migrating(works).build());
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(
        place.one::<String>("SELECT tableowner FROM pg_tables WHERE tablename = 'made'"),
        role.name
    );
    // Whoever owns the journal is the host.
    assert_eq!(
        place.texts(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE tablename LIKE 'wasmigrate\\_%'"
        ),
        ["app"]
    );
}

#[test]
fn a_step_has_no_more_rights_than_its_role() {
    let role = Role::with("reads", &["USAGE ON SCHEMA public", "SELECT ON account"]);
    for (statement, words) in [
        (
            "UPDATE account SET id = 7",
            "permission denied for table account",
        ),
        (
            "CREATE TABLE made (id INTEGER)",
            "permission denied for schema public",
        ),
        (
            "DO $$ BEGIN EXECUTE 'SELECT * FROM wasmi' || 'grate.wasmi' || 'grate_lease'; END $$",
            "permission denied for schema wasmigrate",
        ),
    ] {
        let place = &role.place;
        place.write_step(
            "0001_tries.wasm",
            &Component::migrating(sql(statement)).build(),
        );
        place.run(&["migrate"]).ends_with(1).and_says(words);
        place.write_step("0001_tries.wasm", &Component::new().build());
    }
    role.place.run(&["migrate"]).ends_with(0);
}
