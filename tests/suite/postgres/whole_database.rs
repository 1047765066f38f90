//! What a database has besides its schemas is a part of what `verify` compares.

use crate::place::Place;

#[test]
fn what_changes_the_whole_database_is_named() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TYPE mood AS ENUM ('sad');");
    place.connect_as_superuser().run(
        "CREATE FOREIGN DATA WRAPPER w;
         CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'a');
         GRANT USAGE ON FOREIGN SERVER s TO app;
         CREATE USER MAPPING FOR app SERVER s OPTIONS (user 'u', password 'geheim')",
    );
    place.run(&["migrate"]).ends_with(0);
    place.run(&["verify"]).ends_with(0);
    for (is_superuser, change, undo, said) in [
        (
            true,
            "ALTER SERVER s OPTIONS (SET host 'b')",
            "ALTER SERVER s OPTIONS (SET host 'a')",
            "server s: option host: a is gone; option host: b is new",
        ),
        (
            true,
            "ALTER USER MAPPING FOR app SERVER s OPTIONS (SET user 'v')",
            "ALTER USER MAPPING FOR app SERVER s OPTIONS (SET user 'u')",
            "user mapping of app for s: ",
        ),
        (
            true,
            "ALTER FOREIGN DATA WRAPPER w OPTIONS (ADD a 'b')",
            "ALTER FOREIGN DATA WRAPPER w OPTIONS (DROP a)",
            "foreign-data wrapper w: ",
        ),
        (
            false,
            "CREATE CAST (integer AS mood) WITH INOUT",
            "DROP CAST (integer AS mood)",
            "cast integer as ",
        ),
        (
            false,
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
            "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC",
            "default privileges of app in every schema on ",
        ),
    ] {
        let mut session = match is_superuser {
            false => place.connect(),
            true => place.connect_as_superuser(),
        };
        session.run(change);
        let ended = place.run(&["verify"]).ends_with(2).and_says(said);
        assert!(!format!("{ended:?}").contains("geheim"), "{ended:#?}");
        session.run(undo);
        place.run(&["verify"]).ends_with(0);
    }
    let kept = place.texts("SELECT CAST(kept AS text) FROM wasmigrate_schema AS kept");
    assert!(!kept.concat().contains("geheim"), "{kept:?}");
}
