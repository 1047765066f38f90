//! `verify` sees whatever is in a schema, and says what of it is another.

use crate::place::Place;

/// Who makes a change.
#[derive(Clone, Copy)]
enum By {
    Application,
    Superuser,
}
use By::{Application, Superuser};

const STEP: &str = "
    CREATE TABLE person (id integer PRIMARY KEY, name text DEFAULT 'nobody', mother integer REFERENCES person);
    CREATE TABLE pet (id serial, owner integer, kind text COLLATE \"C\", born date, CHECK (id > 0)) ;
    CREATE INDEX by_kind ON pet (kind);
    CREATE TABLE event (at date) PARTITION BY RANGE (at);
    CREATE TABLE early PARTITION OF event FOR VALUES FROM ('2000-01-01') TO ('2010-01-01');
    CREATE TABLE late PARTITION OF event FOR VALUES FROM ('2010-01-01') TO ('2020-01-01');
    CREATE VIEW named AS SELECT name FROM person;
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM person;
    CREATE SEQUENCE number;
    CREATE TYPE mood AS ENUM ('sad', 'fine');
    CREATE TYPE pair AS (a integer, b text);
    CREATE TYPE span AS RANGE (SUBTYPE = float8);
    CREATE DOMAIN size AS integer CHECK (VALUE > 0);
    CREATE FUNCTION f(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1';
    CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE PROCEDURE p(a text) LANGUAGE sql AS 'SELECT 1';
    CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer);
    CREATE TRIGGER touch BEFORE UPDATE ON person FOR EACH ROW EXECUTE FUNCTION touched();
    CREATE RULE kept AS ON DELETE TO pet DO INSTEAD NOTHING;
    CREATE POLICY own ON pet USING (owner = 1);
    CREATE STATISTICS both_of_pet ON owner, kind FROM pet;
    CREATE OPERATOR === (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq);
    COMMENT ON COLUMN person.name IS 'as it is said';";

/// A change, its undoing, and what is said of it.
const CHANGES: &[(By, &str, &str, &str)] = &[
    (
        Application,
        "CREATE OR REPLACE FUNCTION f(integer) RETURNS integer LANGUAGE sql AS 'SELECT 2'",
        "CREATE OR REPLACE FUNCTION f(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1'",
        "function f(integer): it is now CREATE OR REPLACE FUNCTION public.f(integer)",
    ),
    (
        Application,
        "ALTER FUNCTION f SECURITY DEFINER",
        "ALTER FUNCTION f SECURITY INVOKER",
        "SECURITY DEFINER",
    ),
    (
        Application,
        "CREATE FUNCTION f(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
        "DROP FUNCTION f(text)",
        "function f(text) is new",
    ),
    (
        Application,
        "CREATE PROCEDURE q() LANGUAGE sql AS 'SELECT 1'",
        "DROP PROCEDURE q",
        "procedure q() is new",
    ),
    (
        Application,
        "DROP AGGREGATE total(integer); CREATE AGGREGATE total(integer) (SFUNC = int4mul, STYPE = integer)",
        "DROP AGGREGATE total(integer); CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer)",
        "aggregate total(integer): it is now",
    ),
    (
        Application,
        "CREATE TYPE other AS ENUM ('a')",
        "DROP TYPE other",
        "type other is new",
    ),
    (
        Application,
        "ALTER TYPE mood RENAME VALUE 'sad' TO 'low'",
        "ALTER TYPE mood RENAME VALUE 'low' TO 'sad'",
        "type mood: values sad, fine is gone; values low, fine is new",
    ),
    (
        Application,
        "ALTER TYPE pair ADD ATTRIBUTE c date",
        "ALTER TYPE pair DROP ATTRIBUTE c",
        "type pair: attribute c date is new",
    ),
    (
        Application,
        "ALTER DOMAIN size SET NOT NULL",
        "ALTER DOMAIN size DROP NOT NULL",
        "domain over integer not null is new",
    ),
    (
        Application,
        "ALTER DOMAIN size ADD CONSTRAINT small CHECK (VALUE < 9)",
        "ALTER DOMAIN size DROP CONSTRAINT small",
        "type size: constraint small CHECK ((VALUE < 9)) is new",
    ),
    (
        Application,
        "CREATE SEQUENCE other",
        "DROP SEQUENCE other",
        "sequence other is new",
    ),
    (
        Application,
        "ALTER SEQUENCE number INCREMENT 5 CYCLE",
        "ALTER SEQUENCE number INCREMENT 1 NO CYCLE",
        "sequence number: start 1",
    ),
    (
        Application,
        "ALTER SEQUENCE number OWNED BY person.id",
        "ALTER SEQUENCE number OWNED BY NONE",
        "sequence number: owned by public.person, column 1 is new",
    ),
    (
        Application,
        "ALTER TABLE pet ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE pet DISABLE ROW LEVEL SECURITY",
        "table pet: row security is on is new",
    ),
    (
        Application,
        "ALTER TABLE pet FORCE ROW LEVEL SECURITY",
        "ALTER TABLE pet NO FORCE ROW LEVEL SECURITY",
        "table pet: row security is forced is new",
    ),
    (
        Application,
        "CREATE POLICY all_of_it ON pet FOR SELECT USING (true)",
        "DROP POLICY all_of_it ON pet",
        "table pet: policy all_of_it for select to public using true is new",
    ),
    (
        Application,
        "ALTER POLICY own ON pet USING (true)",
        "ALTER POLICY own ON pet USING (owner = 1)",
        "table pet: policy own for all to public using (owner = 1) is gone",
    ),
    (
        Application,
        "CREATE POLICY first ON person USING (true)",
        "DROP POLICY first ON person",
        "table person: policy first",
    ),
    (
        Application,
        "ALTER TABLE pet DISABLE RULE kept",
        "ALTER TABLE pet ENABLE RULE kept",
        "(disabled) is new",
    ),
    (
        Application,
        "CREATE RULE more AS ON DELETE TO person DO INSTEAD NOTHING",
        "DROP RULE more ON person",
        "table person: rule CREATE RULE more",
    ),
    (
        Application,
        "CREATE RULE more AS ON DELETE TO named DO INSTEAD NOTHING",
        "DROP RULE more ON named",
        "view named: rule CREATE RULE more",
    ),
    (
        Application,
        "GRANT SELECT ON person TO PUBLIC",
        "REVOKE SELECT ON person FROM PUBLIC",
        "table person: grants: =r/app",
    ),
    (
        Application,
        "GRANT SELECT (name) ON person TO PUBLIC",
        "REVOKE SELECT (name) ON person FROM PUBLIC",
        "grants: =r/app is new",
    ),
    (
        Application,
        "REVOKE EXECUTE ON FUNCTION f(integer) FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION f(integer) TO PUBLIC",
        "function f(integer): grants: app=X/app is new",
    ),
    (
        Application,
        "GRANT USAGE ON SEQUENCE number TO PUBLIC",
        "REVOKE USAGE ON SEQUENCE number FROM PUBLIC",
        "sequence number: grants: =U/app",
    ),
    (
        Application,
        "REVOKE USAGE ON TYPE mood FROM PUBLIC",
        "GRANT USAGE ON TYPE mood TO PUBLIC",
        "type mood: grants: app=U/app is new",
    ),
    (
        Superuser,
        "ALTER TABLE pet OWNER TO postgres",
        "ALTER TABLE pet OWNER TO app",
        "table pet: owner app is gone; owner postgres is new",
    ),
    (
        Superuser,
        "ALTER FUNCTION f OWNER TO postgres",
        "ALTER FUNCTION f OWNER TO app",
        "function f(integer): owner app is gone",
    ),
    (
        Superuser,
        "GRANT CREATE ON SCHEMA public TO pg_monitor",
        "REVOKE CREATE ON SCHEMA public FROM pg_monitor",
        "schema: grants: ",
    ),
    (
        Application,
        "COMMENT ON TABLE pet IS 'beloved'",
        "COMMENT ON TABLE pet IS NULL",
        "table pet: comment 'beloved' is new",
    ),
    (
        Application,
        "COMMENT ON COLUMN person.name IS 'other'",
        "COMMENT ON COLUMN person.name IS 'as it is said'",
        "comment on the column name 'as it is said' is gone",
    ),
    (
        Application,
        "COMMENT ON FUNCTION f(integer) IS 'x'",
        "COMMENT ON FUNCTION f(integer) IS NULL",
        "function f(integer): comment 'x' is new",
    ),
    (
        Application,
        "COMMENT ON INDEX by_kind IS 'x'",
        "COMMENT ON INDEX by_kind IS NULL",
        "by_kind ON public.pet USING btree (kind) comment 'x' is new",
    ),
    (
        Application,
        "ALTER TABLE person DISABLE TRIGGER touch",
        "ALTER TABLE person ENABLE TRIGGER touch",
        "(disabled) is new",
    ),
    (
        Superuser,
        "ALTER TABLE person DISABLE TRIGGER ALL",
        "ALTER TABLE person ENABLE TRIGGER ALL",
        "RI_ConstraintTrigger",
    ),
    (
        Application,
        "ALTER TABLE pet ALTER owner SET NOT NULL, ALTER owner ADD GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE pet ALTER owner DROP IDENTITY, ALTER owner DROP NOT NULL",
        "column owner integer not null generated always as identity is new",
    ),
    (
        Application,
        "ALTER TABLE pet ADD twice integer GENERATED ALWAYS AS (id * 2) STORED",
        "ALTER TABLE pet DROP twice",
        "column twice integer generated always as ((id * 2)) stored is new",
    ),
    (
        Application,
        "ALTER TABLE pet ALTER kind TYPE text COLLATE \"POSIX\"",
        "ALTER TABLE pet ALTER kind TYPE text COLLATE \"C\"",
        "column kind text collate \"POSIX\" is new",
    ),
    (
        Application,
        "ALTER TABLE person ALTER name SET STORAGE EXTERNAL",
        "ALTER TABLE person ALTER name SET STORAGE EXTENDED",
        "storage external is new",
    ),
    (
        Application,
        "ALTER TABLE person ALTER name SET STATISTICS 7",
        "ALTER TABLE person ALTER name SET STATISTICS -1",
        "statistics 7 is new",
    ),
    (
        Application,
        "ALTER TABLE event DETACH PARTITION late; ALTER TABLE event ATTACH PARTITION late FOR VALUES FROM ('2010-01-01') TO ('2015-01-01')",
        "ALTER TABLE event DETACH PARTITION late; ALTER TABLE event ATTACH PARTITION late FOR VALUES FROM ('2010-01-01') TO ('2020-01-01')",
        "table late: child of public.event FOR VALUES FROM ('2010-01-01') TO ('2020-01-01') is gone",
    ),
    (
        Superuser,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_kind'::regclass",
        "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'by_kind'::regclass",
        "(kind) invalid is new",
    ),
    (
        Application,
        "ALTER TABLE pet ADD CONSTRAINT born_late CHECK (born > '1900-01-01') NOT VALID",
        "ALTER TABLE pet DROP CONSTRAINT born_late",
        "NOT VALID is new",
    ),
    (
        Application,
        "ALTER TABLE pet SET UNLOGGED",
        "ALTER TABLE pet SET LOGGED",
        "table pet: unlogged is new",
    ),
    (
        Application,
        "ALTER TABLE pet SET (fillfactor = 70)",
        "ALTER TABLE pet RESET (fillfactor)",
        "table pet: options fillfactor=70 is new",
    ),
    (
        Application,
        "ALTER TABLE pet REPLICA IDENTITY FULL",
        "ALTER TABLE pet REPLICA IDENTITY DEFAULT",
        "table pet: replica identity full is new",
    ),
    (
        Application,
        "ALTER TABLE person CLUSTER ON person_pkey",
        "ALTER TABLE person SET WITHOUT CLUSTER",
        "clustered is new",
    ),
    (
        Application,
        "CREATE MATERIALIZED VIEW more AS SELECT 1 AS one",
        "DROP MATERIALIZED VIEW more",
        "materialized view more is new",
    ),
    (
        Application,
        "DROP STATISTICS both_of_pet",
        "CREATE STATISTICS both_of_pet ON owner, kind FROM pet",
        "statistics object public.both_of_pet is gone",
    ),
    (
        Application,
        "DROP OPERATOR === (integer, integer)",
        "CREATE OPERATOR === (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq)",
        "operator public.===(integer,integer) is gone",
    ),
    (
        Application,
        "CREATE TEXT SEARCH CONFIGURATION words (COPY = simple)",
        "DROP TEXT SEARCH CONFIGURATION words",
        "text search configuration public.words is new",
    ),
    (
        Application,
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM PUBLIC",
        "default privileges for role app in schema public on tables is new",
    ),
    (
        Superuser,
        "CREATE PUBLICATION told FOR TABLE pet WITH (publish = 'insert')",
        "DROP PUBLICATION told",
        "table pet: published by told: insert is new",
    ),
    (
        Superuser,
        "CREATE PUBLICATION told FOR ALL TABLES",
        "DROP PUBLICATION told",
        "publication told is new",
    ),
    (
        Superuser,
        "CREATE FUNCTION heard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER hears ON ddl_command_end EXECUTE FUNCTION heard()",
        "DROP EVENT TRIGGER hears; DROP FUNCTION heard",
        "event trigger hears is new",
    ),
    (
        Superuser,
        "ALTER FOREIGN TABLE far OPTIONS (SET place 'there')",
        "ALTER FOREIGN TABLE far OPTIONS (SET place 'here')",
        "foreign table far: server away options place=here is gone",
    ),
];

#[test]
fn whatever_somebody_changes_is_named() {
    let place = Place::new().with_sql("0001_a.sql", STEP);
    place.connect_as_superuser().run(
        "CREATE FOREIGN DATA WRAPPER none; CREATE SERVER away FOREIGN DATA WRAPPER none;
         CREATE FOREIGN TABLE far (a integer) SERVER away OPTIONS (place 'here')",
    );
    place.run(&["finalize"]).ends_with(0);
    place.run(&["verify"]).ends_with(0);
    for (by, change, undo, words) in CHANGES {
        let mut connection = match by {
            Application => place.connect(),
            Superuser => place.connect_as_superuser(),
        };
        connection.run(change);
        let said = place.run(&["verify"]);
        assert_eq!(said.status, Some(2), "{change}: {said:#?}");
        assert!(said.stderr.contains(words), "{change}: {said:#?}");
        connection.run(undo);
    }
    place
        .run(&["verify"])
        .ends_with(0)
        .and_says("the schema is what run 1 left");
}

/// What an extension has made is its own, and changes with its version.
#[test]
fn of_extensions_only_the_version_counts() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b integer);");
    place.run(&["finalize"]).ends_with(0);
    let mut superuser = place.connect_as_superuser();
    superuser.run("CREATE EXTENSION pg_trgm SCHEMA public");
    let said = place.run(&["schema", "diff"]).ends_with(2);
    assert_eq!(said.stdout.matches("\n+ ").count(), 3, "{said:#?}");
    let said = said
        .and_says("+ extension pg_trgm")
        .and_says("+     version ");
    assert!(!said.stdout.contains("function"), "{said:#?}");
    superuser.run("DROP EXTENSION pg_trgm");
    place.run(&["verify"]).ends_with(0);
}

/// An earlier version kept tables and views alone. What it kept is compared in the same form until a run keeps another.
#[test]
fn what_an_earlier_version_kept_is_compared_as_it_was() {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "CREATE TABLE person (id integer, name text DEFAULT 'nobody'); CREATE INDEX by_name ON person (name);
         CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1';",
    );
    place.run(&["finalize"]).ends_with(0);
    let kept = serde_json::json!({ "person": [
        "column id integer",
        "column name text default 'nobody'::text",
        "index CREATE INDEX by_name ON public.person USING btree (name)",
    ] });
    place.connect().run(&format!(
        "UPDATE wasmigrate.wasmigrate_schema SET definition = $kept${kept}$kept$"
    ));
    for command in [&["verify"][..], &["schema", "diff"]] {
        place
            .run(command)
            .ends_with(0)
            .and_says("the schema is what run 1 left");
    }
    place.connect().run(
        "CREATE VIEW named AS SELECT name FROM person; ALTER TABLE person ADD age integer; CREATE SEQUENCE s",
    );
    let said = place.run(&["verify"]).ends_with(2);
    assert!(!said.stderr.contains("sequence"), "{said:#?}");
    said.and_says("table person: column age integer is new")
        .and_says("view named is new");
    place
        .run(&["schema", "diff"])
        .ends_with(2)
        .and_says("+ view named");
    place
        .connect()
        .run("DROP VIEW named; ALTER TABLE person DROP age; DROP SEQUENCE s");
    place.run(&["verify"]).ends_with(0);
    place.write_step("0002_b.sql", b"CREATE TABLE b (c integer);");
    place.run(&["finalize"]).ends_with(0);
    place.connect().run("DROP FUNCTION f");
    place
        .run(&["verify"])
        .ends_with(2)
        .and_says("function f() is gone");
}
