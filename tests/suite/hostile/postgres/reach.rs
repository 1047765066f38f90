//! Reaching for files, programs, other sessions and the server itself.

use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator as _;

use super::{SCRIPT, Target, hidden};

#[test]
fn files_and_programs_in_plain_words() {
    let target = Target::new();
    for (statement, words) in [
        (
            "COPY account TO '/tmp/loot'",
            "a step cannot reach the server's files",
        ),
        (
            "COPY account FROM '/etc/passwd'",
            "a step cannot reach the server's files",
        ),
        (
            "COPY (SELECT 1) TO E'/tmp/loot'",
            "a step cannot reach the server's files",
        ),
        (
            "COPY account FROM PROGRAM 'id'",
            "a step cannot start programs on the server",
        ),
        (
            "copy (SELECT ')') to program 'id'",
            "a step cannot start programs on the server",
        ),
        ("COPY account TO STDOUT", "read with a cursor"),
        ("COPY account FROM STDIN", "COPY account FROM STDIN"),
        (
            "SELECT pg_read_file('/etc/passwd')",
            "a step cannot reach outside the target",
        ),
        (
            "SELECT pg_catalog.PG_READ_FILE('/etc/passwd')",
            "a step cannot reach outside the target",
        ),
        (
            "SELECT \"pg_read_binary_file\"('/etc/passwd')",
            "a step cannot reach outside the target",
        ),
        (
            "SELECT * FROM pg_ls_dir('.')",
            "a step cannot reach outside the target",
        ),
        (
            "SELECT lo_import('/etc/passwd')",
            "a step cannot reach outside the target",
        ),
        (
            "SELECT lo_export(1, '/tmp/loot')",
            "a step cannot reach outside the target",
        ),
        (
            "DO $$ BEGIN PERFORM pg_read_file('/etc/passwd'); END $$",
            "a step cannot reach outside the target",
        ),
        (
            "LOAD 'auto_explain'",
            "a step cannot load code into the server",
        ),
    ] {
        target.repels(&[statement], words);
    }
    target.and_works_on();
}

#[test]
fn files_and_programs_in_hidden_words() {
    let target = Target::new();
    for (statement, words) in [
        ("COPY account TO '/tmp/loot'", "to COPY to a file"),
        (
            "COPY account FROM PROGRAM 'id'",
            "to COPY to or from an external program",
        ),
        ("COPY account FROM STDIN", "cannot COPY to/from client"),
        ("COPY account TO STDOUT", "cannot COPY to/from client"),
        (
            "SELECT pg_read_file('/etc/passwd')",
            "permission denied for function pg_read_file",
        ),
        (
            "SELECT pg_ls_dir('.')",
            "permission denied for function pg_ls_dir",
        ),
        (
            "SELECT lo_import('/etc/passwd')",
            "permission denied for function lo_import",
        ),
        (
            "CREATE FUNCTION evil() RETURNS int LANGUAGE c AS 'evil.so'",
            "permission denied for language c",
        ),
        (
            "LOAD '/tmp/evil.so'",
            "access to library \"/tmp/evil.so\" is not allowed",
        ),
    ] {
        target.repels(&[&hidden(statement)], words);
    }
    target.and_works_on();
}

#[test]
fn other_sessions() {
    let target = Target::new();
    for statement in [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
        "SELECT pg_cancel_backend(1)",
        "SELECT * FROM dblink('dbname=postgres', 'COMMIT') AS t(a text)",
        "SELECT dblink_exec('dbname=postgres', 'COMMIT')",
    ] {
        target.repels(&[statement], "a step cannot reach outside the target");
    }
    for statement in [
        "LISTEN mine",
        "UNLISTEN *",
        "DISCARD ALL",
        "DISCARD TEMP",
        "PREPARE mine AS SELECT 1",
        "EXECUTE mine",
        "DEALLOCATE ALL",
        "RESET ALL",
    ] {
        target.repels(
            &[statement],
            "the connection belongs to the host, and outlives the step",
        );
    }
    for statement in [
        "DECLARE mine CURSOR FOR SELECT 1",
        "FETCH mine",
        "MOVE mine",
        "CLOSE ALL",
    ] {
        target.repels(&[statement], "read results through a cursor of the host");
    }
    // The host's own session is one of those that it may end.
    target.repels(
        &[&hidden("SELECT pg_terminate_backend(pg_backend_pid())")],
        "the connection to",
    );
    target.and_works_on();
}

#[test]
fn another_role() {
    let target = Target::new();
    for statement in [
        "SET ROLE postgres",
        "set local role none",
        "SET SESSION ROLE postgres",
        "SET role = 'postgres'",
        "SET \"role\" TO postgres",
        "RESET ROLE",
        "SET SESSION AUTHORIZATION postgres",
        "SET LOCAL SESSION AUTHORIZATION DEFAULT",
        "SET session_authorization = 'postgres'",
        "RESET SESSION AUTHORIZATION",
        "SELECT set_config('role', 'postgres', false)",
        "SELECT pg_catalog.set_config ( 'session_authorization', 'postgres', true)",
    ] {
        target.repels(&[statement], "the host decides in whose name a step works");
    }
    for statement in [
        "SET ROLE postgres",
        "SELECT set_config('role', 'postgres', false)",
    ] {
        target.repels(
            &[&hidden(statement)],
            "permission denied to set role \"postgres\"",
        );
    }
    target.repels(
        &[&hidden("SET SESSION AUTHORIZATION postgres")],
        "permission denied to set session authorization",
    );
    target.and_works_on();
}

#[test]
fn the_server_itself() {
    let target = Target::new();
    for statement in [
        "ALTER SYSTEM SET fsync = off",
        "CREATE DATABASE mine",
        "DROP DATABASE postgres",
    ] {
        target.repels(&[statement], "a step works on the target alone");
    }
    for (statement, words) in [
        (
            "SET session_replication_role = replica",
            "permission denied to set parameter",
        ),
        (
            "SET log_statement = 'none'",
            "permission denied to set parameter",
        ),
        (
            "CREATE SUBSCRIPTION mine CONNECTION 'dbname=postgres' PUBLICATION mine",
            "it works on another server",
        ),
    ] {
        target.repels(&[statement], words);
    }
    target.repels(
        &[
            "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$",
            "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION watch()",
        ],
        "permission denied to create event trigger",
    );
    target.and_works_on();
}

#[test]
fn the_settings_of_later_sessions() {
    let target = Target::with("CREATE SCHEMA elsewhere;");
    for statement in [
        "ALTER ROLE nobody SET search_path = elsewhere",
        "ALTER USER nobody SET search_path = elsewhere",
        "ALTER ROLE nobody RESET ALL",
        "ALTER ROLE ALL SET search_path = elsewhere",
    ] {
        target.repels(
            &[statement],
            "the settings with which sessions begin are the operator's",
        );
    }
    // Of this database alone: the role is that of other tests, too.
    for alter in [
        "ALTER DATABASE %I",
        "ALTER ROLE CURRENT_USER IN DATABASE %I",
    ] {
        let block = format!(
            "DO $$ BEGIN EXECUTE format('{alter} SET search_path = elsewhere', current_database()); END $$"
        );
        target.repels(
            &[&block],
            "it changed the settings with which sessions begin",
        );
    }
    target.and_works_on();
}

#[test]
fn roles_and_databases() {
    let target = Target::new();
    for statement in [
        "ALTER USER CURRENT_USER PASSWORD 'known'",
        "ALTER ROLE CURRENT_USER PASSWORD 'known'",
        "ALTER ROLE nobody CONNECTION LIMIT 0",
        "CREATE ROLE mine LOGIN",
        "CREATE USER mine",
        "DROP ROLE IF EXISTS mine",
        "GRANT pg_read_all_data TO PUBLIC",
        "REVOKE nobody FROM CURRENT_USER",
        "ALTER DATABASE mine CONNECTION LIMIT 0",
        "ALTER DATABASE mine RENAME TO yours",
        "REVOKE CONNECT ON DATABASE mine FROM PUBLIC, app",
        "GRANT ALL ON DATABASE mine TO PUBLIC",
        "GRANT CREATE ON TABLESPACE pg_default TO PUBLIC",
    ] {
        target.repels(&[statement], "are the operator's and of the whole server");
    }
    let block = |statement: &str| {
        format!("DO $$ BEGIN EXECUTE format('{statement}', current_database()); END $$")
    };
    target.repels(
        &[&block("ALTER USER CURRENT_USER PASSWORD ''known''")],
        "it changed roles",
    );
    for statement in [
        "ALTER DATABASE %I CONNECTION LIMIT 100",
        "REVOKE CONNECT ON DATABASE %I FROM PUBLIC, app",
        "GRANT ALL ON DATABASE %I TO PUBLIC",
    ] {
        target.repels(&[&block(statement)], "it changed a database as a whole");
    }
    // A table may be called so.
    let target = Target::with("CREATE TABLE database (id INTEGER);");
    target
        .place
        .write_step(SCRIPT, b"GRANT SELECT ON database TO PUBLIC;");
    target.place.run(&["migrate"]).ends_with(0);
    std::fs::remove_file(target.place.step(SCRIPT)).unwrap();
    let target = Target::new();
    target.and_works_on();
}

#[test]
fn a_superuser_is_warned_of() {
    let target = Target::new();
    let superuser = target.place.url().replace("//app@", "//postgres@");
    let place = target
        .place
        .with_variable("WASMIGRATE_DATABASE", &superuser)
        .with_sql("0002_next.sql", "INSERT INTO audit VALUES ('kept');");
    place.run(&["migrate"]).ends_with(0).and_says("superuser");
}

#[test]
fn a_message_to_others_is_sent_with_the_commit() {
    let target = Target::new();
    let mut listener = postgres::Client::connect(&target.place.url(), postgres::NoTls).unwrap();
    listener.batch_execute("LISTEN news").unwrap();
    let place = target.permits(&["NOTIFY news, 'done'", "INSERT INTO audit VALUES ('kept')"]);
    assert_eq!(place.texts("SELECT note FROM audit"), ["kept", "kept"]);
    let mut notifications = listener.notifications();
    let mut heard = notifications.timeout_iter(Duration::from_secs(5));
    assert_eq!(heard.next().unwrap().unwrap().payload(), "done");
}
