//! What another user of the database has made, under a name that the host or another tool would use: nothing of it runs in
//! the name of the host's role.

use std::process;

use serde_json::json;

use crate::application::{self, Application};
use crate::place::{Place, Said};
use crate::service::process::Service;

/// A target with data, and another user, who is dropped with this.
pub(super) struct Guest {
    pub(super) name: String,
    pub(super) place: Place,
}

/// Raises a salary in the name of whoever runs it.
pub(super) const RAISE: &str = "CREATE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
     UPDATE public.salary SET amount = 1000000; RETURN NEW; END $$;
     CREATE FUNCTION raised() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN
     EXECUTE 'RESET transaction_read_only'; UPDATE public.salary SET amount = 1000000; RETURN 1; END $$;";

impl Guest {
    /// The user may make tables and schemas.
    pub(super) fn called(name: &str) -> Self {
        let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);");
        Self::at(name, place)
    }

    /// The same at another place.
    pub(super) fn at(name: &str, place: Place) -> Self {
        let name = format!("{name}_{}", process::id());
        let place = place
            .with_data("CREATE TABLE salary (amount INTEGER); INSERT INTO salary VALUES (100)");
        let database = place.server_database();
        application::superuser(database).run(&format!(
            "CREATE ROLE {name} LOGIN; GRANT CREATE ON DATABASE {database} TO {name}; GRANT ALL ON SCHEMA public TO {name}"
        ));
        Self { name, place }
    }

    pub(super) fn url(&self) -> String {
        self.place.url().replace("app@", &format!("{}@", self.name))
    }

    pub(super) fn runs(&self, sql: &str) {
        Application::open_url(&self.url()).run(sql);
    }

    /// A journal of a new target that belongs to the user, as one from a dump would.
    fn has_journal_in(&self, schema: &str) {
        self.place.run(&["migrate"]).ends_with(0);
        let name = &self.name;
        application::superuser(self.place.server_database()).run(&format!(
            "CREATE SCHEMA IF NOT EXISTS {schema};
             DO $$ DECLARE one regclass; BEGIN
             FOR one IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relname LIKE 'wasmigrate\\_%' LOOP
                 EXECUTE format('ALTER TABLE %s OWNER TO {name}', one);
                 EXECUTE format('GRANT ALL ON %s TO PUBLIC', one);
                 IF '{schema}' <> 'wasmigrate' THEN EXECUTE format('ALTER TABLE %s SET SCHEMA {schema}', one); END IF;
             END LOOP; END $$;
             DROP TABLE a; DELETE FROM {schema}.wasmigrate_step"
        ));
    }

    /// No command does anything, and each says whose and what it is.
    #[track_caller]
    pub(super) fn is_refused(&self, commands: &[&str], words: &[&str]) {
        for command in commands {
            let said = self.place.run(&[command]);
            assert_ne!(said.status, Some(0), "{command}: {said:#?}");
            let said = words.iter().fold(said, |said, words| said.and_says(words));
            said.and_says(&self.name);
        }
        self.has_gained_nothing();
    }

    #[track_caller]
    pub(super) fn has_gained_nothing(&self) {
        assert_eq!(self.place.one::<i64>("SELECT amount FROM salary"), 100);
    }

    /// What was there is dropped, and the target is migrated.
    #[track_caller]
    pub(super) fn is_got_rid_of_by(&self, sql: &str) -> Said {
        application::superuser(self.place.server_database()).run(sql);
        self.place.run(&["status"]).ends_with(0);
        let said = self.place.run(&["migrate"]).ends_with(0);
        self.has_gained_nothing();
        said
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut superuser = application::superuser(self.place.server_database());
        let dropped = superuser.try_run(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name));
        if let Err(error) = dropped {
            println!("{error}");
        }
    }
}

const COMMANDS: [&str; 5] = ["status", "plan", "history", "verify", "migrate"];

#[test]
fn a_journal_that_another_user_has_made_is_not_used() {
    let guest = Guest::called("forges");
    guest.has_journal_in("public");
    guest.runs(&format!(
        "{RAISE} CREATE TRIGGER raise BEFORE INSERT OR UPDATE ON wasmigrate_run FOR EACH ROW EXECUTE FUNCTION raise()"
    ));
    guest.is_refused(
        &COMMANDS,
        &["public.wasmigrate_", "belongs to the role", "drop it"],
    );
    guest
        .is_got_rid_of_by("DO $$ DECLARE one regclass; BEGIN FOR one IN SELECT oid FROM pg_class WHERE relkind = 'r'
             AND relname LIKE 'wasmigrate\\_%' LOOP EXECUTE format('DROP TABLE %s', one); END LOOP; END $$")
        .and_says("0001_a migrated");
}

#[test]
fn a_lone_table_of_another_user_is_named() {
    let guest = Guest::called("blocks");
    guest.runs("CREATE TABLE wasmigrate_journal (version BIGINT)");
    guest.is_refused(&COMMANDS, &["public.wasmigrate_journal, which is called"]);
    guest.is_got_rid_of_by("DROP TABLE public.wasmigrate_journal");
}

#[test]
fn the_journal_is_not_made_in_a_schema_of_another_user() {
    let guest = Guest::called("waits");
    guest.runs("CREATE SCHEMA wasmigrate; GRANT ALL ON SCHEMA wasmigrate TO PUBLIC");
    guest.is_refused(
        &["status", "migrate"],
        &["the schema wasmigrate", "belongs to the role"],
    );
    assert!(!guest.place.has_table("wasmigrate_run"));
    // Another one will do, and the user's is not looked at any more.
    let variable = "WASMIGRATE_POSTGRES_JOURNAL_SCHEMA";
    let url = guest.place.url();
    let mut migrate = guest.place.command(&["migrate", "--database", &url]);
    let migrated = Said::from(migrate.env(variable, "kept").output().unwrap());
    migrated.ends_with(0);
    guest.place.run(&["status"]).ends_with(0);
}

/// A role whose journal it is, or that it is a member of, is as good as the connection's own.
#[test]
fn a_journal_of_a_role_that_the_connections_role_is_a_member_of_is_used() {
    let guest = Guest::called("group");
    guest.has_journal_in("wasmigrate");
    guest.is_refused(&["migrate"], &["wasmigrate.wasmigrate_"]);
    guest.is_got_rid_of_by(&format!(
        "GRANT {} TO app; REVOKE ALL ON ALL TABLES IN SCHEMA wasmigrate FROM PUBLIC",
        guest.name
    ));
}

#[test]
fn what_is_hung_onto_the_journal_stops_every_command() {
    let guest = Guest::called("hangs");
    guest.place.run(&["migrate"]).ends_with(0);
    let mut owner = guest.place.connect();
    owner.run(&format!(
        "{RAISE} GRANT ALL ON wasmigrate.wasmigrate_run TO PUBLIC"
    ));
    for (hang, take_away, words) in [
        (
            "CREATE TRIGGER mine BEFORE INSERT ON wasmigrate.wasmigrate_run FOR EACH ROW EXECUTE FUNCTION raise()",
            "DROP TRIGGER mine ON wasmigrate.wasmigrate_run",
            "has a trigger",
        ),
        (
            "CREATE RULE mine AS ON INSERT TO wasmigrate.wasmigrate_run DO ALSO SELECT raised()",
            "DROP RULE mine ON wasmigrate.wasmigrate_run",
            "has a rule",
        ),
        (
            "CREATE POLICY mine ON wasmigrate.wasmigrate_run USING (raised() = 1)",
            "DROP POLICY mine ON wasmigrate.wasmigrate_run",
            "has a row-level security policy",
        ),
        (
            "ALTER TABLE wasmigrate.wasmigrate_run ALTER error SET DEFAULT raised()::text",
            "ALTER TABLE wasmigrate.wasmigrate_run ALTER error DROP DEFAULT",
            "has a default or computed column",
        ),
        (
            "ALTER TABLE wasmigrate.wasmigrate_run ADD CONSTRAINT mine CHECK (raised() = 1) NOT VALID",
            "ALTER TABLE wasmigrate.wasmigrate_run DROP CONSTRAINT mine",
            "has a check",
        ),
        (
            "CREATE TABLE mine () INHERITS (wasmigrate.wasmigrate_run)",
            "DROP TABLE mine",
            "has a table that inherits from it",
        ),
        (
            "SELECT",
            "REVOKE ALL ON wasmigrate.wasmigrate_run FROM PUBLIC",
            "IN SCHEMA wasmigrate FROM PUBLIC",
        ),
    ] {
        owner.run(hang);
        for command in ["status", "migrate"] {
            let said = guest.place.run(&[command]);
            assert_ne!(said.status, Some(0), "{hang}: {said:#?}");
            said.and_says("wasmigrate.wasmigrate_run").and_says(words);
        }
        owner.run(take_away);
    }
    guest.place.run(&["migrate"]).ends_with(0);
    guest.has_gained_nothing();
}

/// Neither a part of an extension, which takes it along, nor in a schema in which others make tables.
#[test]
fn what_becomes_of_the_journal_is_no_affair_of_others() {
    let guest = Guest::called("takes_along");
    guest.place.run(&["migrate"]).ends_with(0);
    let mut owner = guest.place.connect();
    owner.run("CREATE EXTENSION pg_trgm");
    for (change, back, words) in [
        (
            "ALTER EXTENSION pg_trgm ADD TABLE wasmigrate.wasmigrate_run",
            "ALTER EXTENSION pg_trgm DROP TABLE wasmigrate.wasmigrate_run",
            "wasmigrate.wasmigrate_run of the journal is a part of the extension pg_trgm",
        ),
        (
            "ALTER EXTENSION pg_trgm ADD TYPE wasmigrate.wasmigrate_run",
            "ALTER EXTENSION pg_trgm DROP TYPE wasmigrate.wasmigrate_run",
            "wasmigrate.wasmigrate_run of the journal is a part of the extension pg_trgm",
        ),
        (
            "ALTER INDEX wasmigrate.wasmigrate_run_pkey DEPENDS ON EXTENSION pg_trgm",
            "ALTER INDEX wasmigrate.wasmigrate_run_pkey NO DEPENDS ON EXTENSION pg_trgm",
            "wasmigrate.wasmigrate_run_pkey of the journal is a part of the extension pg_trgm",
        ),
        (
            "ALTER EXTENSION pg_trgm ADD SCHEMA wasmigrate",
            "ALTER EXTENSION pg_trgm DROP SCHEMA wasmigrate",
            "the schema wasmigrate of the journal is a part of the extension pg_trgm",
        ),
        (
            "GRANT ALL ON SCHEMA wasmigrate TO PUBLIC",
            "REVOKE CREATE ON SCHEMA wasmigrate FROM PUBLIC",
            "REVOKE CREATE ON SCHEMA wasmigrate FROM PUBLIC",
        ),
    ] {
        owner.run(change);
        for command in ["status", "migrate"] {
            let said = guest.place.run(&[command]);
            assert_ne!(said.status, Some(0), "{change}: {said:#?}");
            said.and_says(words);
        }
        owner.run(back);
        guest.place.run(&["status"]).ends_with(0);
    }
}

/// A service that has looked at the journal a moment ago looks again before each run.
#[test]
fn what_is_hung_onto_the_journal_stops_the_next_run_of_a_service() {
    let guest = Guest::called("hangs_later");
    let service = Service::start(&guest.place);
    service.does("migrate");
    guest.place.connect().run(&format!(
        "{RAISE} CREATE TRIGGER mine BEFORE INSERT ON wasmigrate.wasmigrate_run FOR EACH ROW EXECUTE FUNCTION raise()"
    ));
    guest
        .place
        .write_step("0002_b.sql", b"CREATE TABLE b (c INTEGER);");
    let answer = service.post("/api/v1/runs", &json!({ "command": "migrate" }));
    assert_eq!(answer.status, 503, "{answer:?}");
    guest.has_gained_nothing();
}

/// Rights that a role gives away by default are not given on the journal.
#[test]
fn default_rights_are_taken_from_the_journals_tables() {
    let guest = Guest::called("defaults");
    guest
        .place
        .connect()
        .run("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC");
    guest.place.run(&["migrate"]).ends_with(0);
    let rights = "SELECT DISTINCT privilege_type FROM pg_class, aclexplode(relacl)
                  WHERE relname LIKE 'wasmigrate\\_%' AND grantee = 0";
    assert_eq!(guest.place.texts(rights), ["SELECT"]);
    guest.place.run(&["finalize"]).ends_with(0);
}

#[test]
fn default_rights_are_taken_from_the_journals_schema() {
    let guest = Guest::called("makes");
    guest
        .place
        .connect()
        .run("ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC");
    guest.place.run(&["migrate"]).ends_with(0);
    let rights = "SELECT DISTINCT privilege_type FROM pg_namespace, aclexplode(nspacl)
                  WHERE nspname = 'wasmigrate' AND grantee = 0";
    assert_eq!(guest.place.texts(rights), ["USAGE"]);
    guest.place.run(&["finalize"]).ends_with(0);
}
