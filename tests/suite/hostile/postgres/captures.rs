//! The capture of a transformation, to which rights are given by default, or by its owner.

use super::others::Guest;
use crate::place::{Place, built_guest};
use crate::transform::{COLUMNS, customers, expected, insert, normalized};

/// Everything that others than its owner may do with the capture.
const RIGHTS: &str = "SELECT concat(relname, ' ', privilege_type) FROM pg_class, aclexplode(relacl)
     WHERE relname LIKE 'capture\\_of%' AND grantee <> relowner
     UNION ALL SELECT concat(proname, '()') FROM pg_proc, aclexplode(proacl)
     WHERE proname LIKE 'capture\\_of%' AND grantee <> proowner";

/// A target with customers, before which this was run.
fn transformed(name: &str, before: &str) -> Guest {
    let guest = Guest::called(name);
    let step = std::fs::read(built_guest("normalize")).unwrap();
    guest.place.write_step("0002_normalize.wasm", &step);
    let mut application = guest.place.connect();
    application.run(&format!(
        "CREATE TABLE customer (id BIGINT PRIMARY KEY NOT NULL, {COLUMNS})"
    ));
    insert(&mut application, 1, &customers(10));
    application.run(before);
    guest
}

#[track_caller]
fn is_finalized_by(place: &Place, command: &[&str]) {
    place.run(command).ends_with(0);
    let mut all = customers(10);
    all[6].credit = 3;
    assert_eq!(normalized(place, "id"), expected(&all));
}

#[test]
fn default_rights_are_taken_from_the_capture() {
    let guest = transformed(
        "defaultcapture",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC;",
    );
    let name = &guest.name;
    guest.place.connect().run(&format!(
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {name};
         ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO {name};
         ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO {name}"
    ));
    guest.place.run(&["migrate"]).ends_with(0);
    assert_eq!(guest.place.texts(RIGHTS), Vec::<String>::new());
    let mut application = guest.place.connect();
    application.run("UPDATE customer SET credit = 3 WHERE id = 7");
    is_finalized_by(&guest.place, &["finalize"]);
}

/// A superuser replaces what others own, and they could put something else in its place again.
#[test]
fn a_function_that_another_user_has_made_under_the_captures_name_is_not_used() {
    let guest = transformed("prepared", "");
    guest.runs(
        "CREATE FUNCTION capture_of_step_2() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
    );
    let url = guest.place.url().replace("app@", "postgres@");
    let migrate = ["migrate", "--database", &url];
    let said = guest.place.run(&migrate);
    assert_ne!(said.status, Some(0), "{said:#?}");
    said.and_says("capture_of_step_2()").and_says(&guest.name);
    guest.runs("DROP FUNCTION capture_of_step_2()");
    guest.place.run(&migrate).ends_with(0);
}

#[test]
fn a_capture_that_others_can_change_is_not_relied_on() {
    let guest = transformed("hangscapture", "");
    let name = &guest.name;
    guest.place.run(&["migrate"]).ends_with(0);
    let mut application = guest.place.connect();
    application.run("UPDATE customer SET credit = 3 WHERE id = 7");
    for (give, take, words) in [
        (
            format!("GRANT DELETE ON capture_of_step_2 TO {name}"),
            format!("REVOKE DELETE ON capture_of_step_2 FROM {name}"),
            "`finalize --restart`",
        ),
        (
            format!("GRANT UPDATE (key_0) ON capture_of_step_2 TO {name}"),
            format!("REVOKE UPDATE (key_0) ON capture_of_step_2 FROM {name}"),
            "`finalize --restart`",
        ),
        (
            "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
             CREATE TRIGGER mine BEFORE INSERT ON capture_of_step_2 FOR EACH ROW EXECUTE FUNCTION mine()"
                .to_owned(),
            "DROP TRIGGER mine ON capture_of_step_2".to_owned(),
            "has a trigger",
        ),
    ] {
        application.run(&give);
        if give.starts_with("GRANT DELETE") {
            guest.runs("DELETE FROM capture_of_step_2");
        }
        let said = guest.place.run(&["finalize"]);
        assert_ne!(said.status, Some(0), "{give}: {said:#?}");
        said.and_says("capture_of_step_2").and_says(words);
        assert_eq!(
            guest.place.one::<i64>("SELECT count(*) FROM customer WHERE debit IS NOT NULL"),
            10
        );
        application.run(&take);
    }
    is_finalized_by(&guest.place, &["finalize", "--restart"]);
}
