//! What the host has prepared in the session: a step that puts its own statements in the place of these.

use super::Target;

const NAMED: &str = "it removed or replaced statements that the host had prepared in the session";

/// What the host has prepared stays in the session, where a block can put its own under the same names.
#[test]
fn what_the_host_has_prepared_is_not_replaced() {
    let forge = "DO $$ DECLARE one record; forged integer := 0; BEGIN
         FOR one IN SELECT * FROM pg_prepared_statements WHERE NOT from_sql LOOP
             EXECUTE 'DEALLOCATE ' || one.name;
             EXECUTE format('PREPARE %I%s AS SELECT 0, 0', one.name,
                 replace(replace(nullif(one.parameter_types::text, '{}'), '{', '('), '}', ')'));
             forged := forged + 1;
         END LOOP;
         IF forged = 0 THEN RAISE 'the host has prepared nothing'; END IF;
         EXECUTE 'UPDATE wasmi' || 'grate.wasmi' || 'grate_step SET name = ''forged''';
         END $$";
    let forget = "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; EXECUTE 'DELETE FROM wasmi' || 'grate.wasmi' || 'grate_step'; END $$";
    for hostile in [forge, forget] {
        let target = Target::new();
        target
            .place
            .write_step("0002_before.sql", b"CREATE TABLE before (id INTEGER)");
        target
            .place
            .write_step("0003_hostile.sql", hostile.as_bytes());
        target
            .place
            .run(&["migrate"])
            .ends_with(1)
            .and_says("0002_before migrated")
            .and_says(NAMED);
        assert_eq!(
            target
                .place
                .texts("SELECT name FROM wasmigrate_step ORDER BY step_index"),
            ["first", "before"]
        );
    }
}

/// Makes `replace()`, which puts a statement of its own in the place of each that the host has prepared: it takes itself away again,
/// changes the journal and a role, and makes names mean what the step likes.
const REPLACING: &str = "
    CREATE FUNCTION pg_lock_status(OUT locktype text, OUT relation oid, OUT classid oid, OUT objid oid, OUT pid int, OUT mode text)
        RETURNS SETOF record LANGUAGE plpgsql AS $f$ BEGIN RETURN; END $f$;
    CREATE FUNCTION hide() RETURNS text LANGUAGE plpgsql AS $f$ DECLARE one record; BEGIN
        FOR one IN SELECT name FROM pg_prepared_statements WHERE from_sql LOOP EXECUTE 'DEALLOCATE ' || one.name; END LOOP;
        EXECUTE 'UPDATE wasmi' || 'grate.wasmi' || 'grate_step SET name = ''forged''';
        EXECUTE 'ALTER RO' || 'LE CURRENT_USER PASSWORD ''forged''';
        PERFORM set_config('search_path', 'public, pg_catalog, pg_temp', true);
        RETURN NULL; END $f$;
    CREATE FUNCTION replace() RETURNS integer LANGUAGE plpgsql AS $f$ DECLARE one record; replaced integer := 0; BEGIN
        FOR one IN SELECT * FROM pg_prepared_statements WHERE NOT from_sql LOOP
            EXECUTE 'DEALLOCATE ' || one.name;
            EXECUTE format('PREPARE %I%s AS SELECT public.hide(), NULL::text, ''MAY_WAIT''::text', one.name,
                pg_catalog.replace(pg_catalog.replace(nullif(one.parameter_types::text, '{}'), '{', '('), '}', ')'));
            replaced := replaced + 1;
        END LOOP;
        RETURN replaced; END $f$;";

/// The host asks on its own between the end of a step and the look, by a statement that it keeps: that is the step's no more than
/// any other.
#[test]
fn a_statement_that_takes_itself_away_before_the_look_does_not_run() {
    let replacing = REPLACING.replace("MAY_WAIT", "t");
    let demand =
        "DO $$ BEGIN IF replace() = 0 THEN RAISE 'the host has prepared nothing'; END IF; END $$";
    let scripts = [
        format!("{replacing} {demand};"),
        format!(
            "{replacing} CREATE TABLE loaded (t text); {demand};\nCOPY loaded FROM stdin;\n1\n\\.\n"
        ),
        // A trigger that puts itself off, of which nobody is to hear.
        format!(
            "{} CREATE TABLE bomb (i int);
             CREATE FUNCTION boom() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN
                 IF NEW.i = 1 THEN SET CONSTRAINTS ALL DEFERRED; INSERT INTO bomb VALUES (2);
                 ELSE RESET transaction_read_only; EXECUTE 'UPDATE wasmi' || 'grate.wasmi' || 'grate_step SET name = ''forged''';
                 END IF; RETURN NULL; END $f$;
             CREATE CONSTRAINT TRIGGER late AFTER INSERT ON bomb DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION boom();
             INSERT INTO bomb VALUES (1); {demand};",
            REPLACING.replace("MAY_WAIT", "f")
        ),
    ];
    for script in &scripts {
        repels("0003_hostile.sql", script);
    }
    let statements: Vec<String> = replacing
        .split("$f$;")
        .filter(|statement| !statement.trim().is_empty())
        .map(|statement| format!("  db.execute(`{statement}$f$`);\n"))
        .collect();
    repels(
        "0003_hostile.js",
        &format!(
            "export function migrate(db) {{\n{}  for (let i = 0; i < 4; i++) {{ db.checkpoint(i); }}
  if (db.query('SELECT replace() AS replaced')[0].replaced == 0) throw new Error('nothing');\n}}\n",
            statements.concat()
        ),
    );
}

/// Runs a step after another one, and finds nothing of what it tried.
fn repels(file_name: &str, text: &str) {
    let target = Target::new();
    let place = &target.place;
    place.write_step("0002_before.sql", b"CREATE TABLE before (id INTEGER)");
    place.write_step(file_name, text.as_bytes());
    let password = "SELECT coalesce(rolpassword, 'none') FROM pg_authid WHERE rolname = 'app'";
    let mut server = place.connect_as_superuser();
    let before = server.rows(password);
    place.run(&["migrate"]).ends_with(1).and_says(NAMED);
    assert_eq!(server.rows(password), before, "{text}");
    assert_eq!(
        place
            .texts("SELECT name FROM wasmigrate_step WHERE state = 'migrated' ORDER BY step_index"),
        ["first", "before"],
        "{text}"
    );
}
