//! The right database: how it is named, what is refused, and that no secret leaves.

use std::path::Path;
use std::process::Command;

use crate::place::{Place, Said, binary};

const STEP: &str = "CREATE TABLE made (a INTEGER);";

/// A command in the place that knows nothing of its database.
pub fn bare(place: &Place, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .current_dir(place.path())
        .env_clear()
        .env("HOME", place.path())
        .envs(variables.iter().copied());
    Said::from(command.output().unwrap())
}

fn place() -> Place {
    Place::new().with_sql("0001_made.sql", STEP)
}

fn is_made(place: &Place, file: &str) -> bool {
    let path = place.path().join(file);
    path.exists()
        && rusqlite::Connection::open(path)
            .unwrap()
            .prepare("SELECT a FROM made")
            .is_ok()
}

#[test]
fn without_a_target_nothing_is_done_and_no_file_appears() {
    let place = place();
    for command in [
        "migrate", "finalize", "reset", "plan", "status", "history", "verify",
    ] {
        bare(&place, &[command], &[])
            .ends_with(2)
            .and_says("no target is named")
            .and_says("DATABASE_URL");
    }
    let files: Vec<_> = std::fs::read_dir(place.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
}

#[test]
fn the_target_is_taken_from_the_nearest_place_that_names_one() {
    let place = place();
    let url = |name: &str| format!("sqlite:{name}.db?mode=rwc");
    let run = |arguments: &[&str], variables: &[(&str, &str)], file: &str| {
        let arguments = [&["migrate"], arguments].concat();
        bare(&place, &arguments, variables)
            .ends_with(0)
            .and_says(&format!("target  sqlite:{file}.db"));
        assert!(is_made(&place, &format!("{file}.db")), "{file}");
    };
    std::fs::write(
        place.path().join(".env"),
        "# ours\nNAME=e\nexport DATABASE_URL=\"sqlite:${NAME}.db?mode=rwc\" # theirs\n",
    )
    .unwrap();
    run(&[], &[], "e");
    run(&[], &[("DATABASE_URL", &url("d"))], "d");
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        format!("database = \"{}\"\n", url("c")),
    )
    .unwrap();
    run(&[], &[("DATABASE_URL", &url("d"))], "c");
    run(
        &[],
        &[
            ("DATABASE_URL", &url("d")),
            ("WASMIGRATE_DATABASE", &url("b")),
        ],
        "b",
    );
    run(
        &["--database", &url("a")],
        &[
            ("DATABASE_URL", &url("d")),
            ("WASMIGRATE_DATABASE", &url("b")),
        ],
        "a",
    );
}

#[test]
fn a_file_that_is_not_there_is_made_only_when_that_is_asked_for() {
    let place = place();
    let words = "sqlite:ap.db: there is no such file; check the path, or pass `--create`";
    for command in ["reset", "plan", "status", "baseline"] {
        bare(&place, &[command, "--database", "sqlite:ap.db"], &[])
            .ends_with(2)
            .and_says(words);
    }
    for command in ["migrate", "finalize", "plan", "status"] {
        bare(&place, &[command], &[("DATABASE_URL", "sqlite:ap.db")])
            .ends_with(2)
            .and_says(words);
    }
    let named = ["--database", "sqlite:ap.db"];
    bare(&place, &["status", "--create", named[0], named[1]], &[])
        .ends_with(0)
        .and_says("1 pending");
    assert!(!place.path().join("ap.db").exists());
    bare(&place, &["migrate", named[0], named[1]], &[])
        .ends_with(0)
        .and_says("target  sqlite:ap.db (a new database: there is no such file)");
    let said = bare(&place, &["finalize", named[0], named[1]], &[]).ends_with(0);
    assert!(!said.stdout.contains("new database"), "{said:#?}");
    let created = ("DATABASE_URL", "sqlite:other.db");
    bare(&place, &["migrate", "--create"], &[created]).ends_with(0);
}

#[test]
fn urls_of_sqlite_name_the_file_that_their_other_users_mean() {
    let place = place();
    std::fs::create_dir(place.path().join("my db")).unwrap();
    let absolute = place.path().join("abs.db");
    for (url, file) in [
        ("sqlite:one.db?mode=rwc", Path::new("one.db")),
        (
            "sqlite://two.db?mode=rwc&cache=private",
            Path::new("two.db"),
        ),
        (
            &format!("sqlite://{}?mode=rwc", absolute.display()),
            &absolute,
        ),
        (
            "sqlite3:my%20db/three.db?mode=rwc&_fk=1",
            Path::new("my db/three.db"),
        ),
    ] {
        bare(&place, &["migrate", "--database", url], &[]).ends_with(0);
        assert!(is_made(&place, file.to_str().unwrap()), "{url}");
    }
    for (url, said) in [
        (
            "sqlite::memory:",
            "a database in memory is gone when the command ends",
        ),
        ("sqlite://:memory:", "a database in memory"),
        ("sqlite:x.db?mode=memory", "a database in memory"),
        ("sqlite:x.db?mode=rwx", "ro, rw or rwc"),
        (
            "sqlite:x.db?key=geheim",
            "`key` of the SQLite URL is not known",
        ),
        (
            "sqlite:x.db?mode=rw",
            "there is no such file, and none is made: its URL says mode=rw",
        ),
        ("sqlite:one.db?mode=ro", "its URL says mode=ro"),
        ("file:./one.db", "its scheme is `file`"),
        ("mysql://app:geheim@h/d", "its scheme is `mysql`"),
    ] {
        let step = place.step("0002_more.sql");
        std::fs::write(&step, "CREATE TABLE more (a INTEGER);").unwrap();
        let said = bare(&place, &["migrate", "--database", url], &[])
            .ends_with(2)
            .and_says(said);
        assert!(!format!("{said:?}").contains("geheim"), "{said:#?}");
        std::fs::remove_file(step).unwrap();
    }
    assert!(!place.path().join("x.db").exists());
}

#[test]
fn a_file_that_is_only_to_be_read_can_be_looked_at() {
    let place = place();
    bare(
        &place,
        &["migrate", "--database", "sqlite:a.db?mode=rwc"],
        &[],
    )
    .ends_with(0);
    bare(
        &place,
        &["status", "--database", "sqlite:a.db?mode=ro"],
        &[],
    )
    .ends_with(0)
    .and_says("1 migrated");
    bare(
        &place,
        &["finalize", "--database", "sqlite:a.db?mode=ro"],
        &[],
    )
    .ends_with(2);
}

#[test]
fn whoever_changes_something_says_where_first() {
    let place = place();
    let target = Place::in_sql_of("target  sqlite:wasmigrate.db", "target  postgres://");
    for arguments in [&["migrate"][..], &["reset"], &["baseline"], &["finalize"]] {
        let said = place.run(arguments);
        let first = said.stdout.lines().next().unwrap_or_default();
        assert!(first.starts_with(target), "{arguments:?}: {said:#?}");
    }
    let said = place.run(&["migrate", "--json"]).ends_with(0);
    let first: serde_json::Value =
        serde_json::from_str(said.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["event"], "target");
    assert!(
        first["target"]
            .as_str()
            .unwrap()
            .contains(Place::in_sql_of("sqlite:", "postgres://"))
    );
}

#[test]
fn a_password_is_in_no_message_however_badly_it_is_written() {
    let place = place();
    let config = place.path().join("bad.toml");
    for url in [
        "postgres://app:geheim@sesam/oeffnedich@127.0.0.1:1/t",
        "postgres://app:geheim@sesam@127.0.0.1:1/t",
        "postgres://app:geheim#sesam@127.0.0.1:1/t",
        "postgres://app:geheim?sesam@127.0.0.1:1/t",
        "postgres://app:geheim?sesam=geheim@127.0.0.1:1/t",
        "postgres://app:geheim%@127.0.0.1:1/t",
        "postgres://app:geheim",
        "postgres://app:geheim@127.0.0.1:1/t?sslmode=geheim",
        "postgres://app@127.0.0.1:1/t?password=geheim&more=geheim",
        "postgres://app@127.0.0.1:1/t?password=a&sesam=geheim",
        "postgres://app@127.0.0.1:1/t?password=a&geheim=",
        "postgres://app:geheim@127.0.0.1:1/t",
        "postgres:/app:geheim@127.0.0.1:1/t",
        "postgres:app:geheim@127.0.0.1:1/t",
        "postgresql+psycopg://app:geheim@127.0.0.1:1/t",
        "host=127.0.0.1 port=1 user=app password=a geheim dbname=t",
        "host=127.0.0.1 port=1 user=app password='geheim",
        "host=127.0.0.1 port=1 user=app dbname=t password=geheim",
        "sqlite:postgres://app:geheim@127.0.0.1:1/t",
    ] {
        std::fs::write(&config, format!("database = \"{url}\nattempts = 3\n")).unwrap();
        for (arguments, variables) in [
            (&["migrate", "--database", url][..], &[][..]),
            (&["status", "--json"], &[("DATABASE_URL", url)]),
            (&["migrate"], &[("WASMIGRATE_DATABASE", url)]),
            (&["migrate"], &[("WASMIGRATE_ATTEMPTS", url)]),
            (&["migrate", "--config", "bad.toml"], &[]),
            (&["migrate", "--host", url], &[]),
        ] {
            let said = bare(&place, arguments, variables).ends_with(2);
            for secret in ["geheim", "sesam", "oeffnedich"] {
                assert!(!format!("{said:?}").contains(secret), "{url}: {said:#?}");
            }
        }
        // An option that was forgotten.
        if url.contains("://") && url.matches('@').count() > 0 {
            let said = bare(&place, &["migrate", url], &[]).ends_with(2);
            assert!(!format!("{said:?}").contains("geheim"), "{url}: {said:#?}");
        }
        let words: Vec<&str> = url.split(' ').collect();
        if words.len() > 4 && !url.contains("a geheim") {
            // Quotes that were forgotten.
            let arguments = [&["migrate", "--database"], &words[..]].concat();
            let said = bare(&place, &arguments, &[]).ends_with(2);
            assert!(!format!("{said:?}").contains("geheim"), "{url}: {said:#?}");
        }
    }
    std::fs::write(
        place.path().join("bad.toml"),
        "[postgres]\nlock_timeout_milliseconds = \"geheim\"\n",
    )
    .unwrap();
    let said = bare(&place, &["migrate", "--config", "bad.toml"], &[]).ends_with(2);
    assert!(!format!("{said:?}").contains("geheim"), "{said:#?}");
}

#[test]
fn our_own_file_may_name_variables() {
    let place = place();
    let config = place.path().join("wasmigrate.toml");
    std::fs::write(
        &config,
        "database = \"sqlite:${DB_FILE}?mode=${DB_MODE:-rwc}\"\n[settings]\nliteral = \"$${DB_FILE}\"\nother = \"${a.b}\"\n",
    )
    .unwrap();
    bare(&place, &["migrate"], &[("DB_FILE", "x.db")])
        .ends_with(0)
        .and_says("target  sqlite:x.db");
    bare(&place, &["migrate"], &[])
        .ends_with(2)
        .and_says("`database`: the variable DB_FILE is not set");
}

#[test]
fn variables_of_a_kubernetes_service_are_passed_over_with_a_note() {
    let place = place();
    let links = [
        ("WASMIGRATE_SERVICE_HOST", "10.96.0.12"),
        ("WASMIGRATE_SERVICE_PORT", "9002"),
        ("WASMIGRATE_SERVICE_PORT_HTTP", "9002"),
        ("WASMIGRATE_PORT", "tcp://10.96.0.12:9002"),
        ("WASMIGRATE_PORT_9002_TCP", "tcp://10.96.0.12:9002"),
        ("WASMIGRATE_PORT_9002_TCP_PORT", "9002"),
        ("WASMIGRATE_UI_SERVICE_HOST", "10.96.0.13"),
        ("WASMIGRATE_SERVE_PORT", "tcp://10.96.0.14:80"),
        ("DATABASE_URL", "sqlite:x.db?mode=rwc"),
    ];
    bare(&place, &["migrate"], &links).ends_with(0).and_says(
        "variables of a Kubernetes service are no settings and are passed over: WASMIGRATE_PORT, ",
    );
    // The note is no part of an answer for machines.
    let said = bare(&place, &["status", "--json"], &links).ends_with(0);
    assert_eq!(said.stdout.lines().count(), 1, "{said:#?}");
    assert_eq!(said.json()["state"], "finalization_required");
    bare(&place, &["migrate"], &[("WASMIGRATE_ATTEMTPS", "3")])
        .ends_with(2)
        .and_says("the variable WASMIGRATE_ATTEMTPS: there is no such setting");
}

#[test]
fn sql_needs_no_cache_and_no_home() {
    let place = place();
    let mut command = Command::new(binary());
    command
        .args(["migrate", "--database", "sqlite:x.db?mode=rwc"])
        .current_dir(place.path())
        .env_clear();
    Said::from(command.output().unwrap()).ends_with(0);
    assert!(is_made(&place, "x.db"));
    let mut names: Vec<_> = std::fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !name.starts_with("x.db"));
    assert_eq!(names, ["migrations"]);
}

#[test]
fn a_cache_that_cannot_be_written_is_a_warning() {
    let place = Place::new().with_guest("0001_one.wasm", "one");
    std::fs::write(place.path().join("occupied"), "").unwrap();
    for cache in ["occupied/cache", ""] {
        let place = place.copy();
        std::fs::write(place.path().join("occupied"), "").unwrap();
        let mut command = place.command(&[
            "migrate",
            "--set",
            "one.statement=CREATE TABLE made (a INTEGER)",
        ]);
        command.env("WASMIGRATE_CACHE", cache).env_remove("HOME");
        Said::from(command.output().unwrap())
            .ends_with(0)
            .and_says("compiled components are not kept");
    }
}

mod postgres {
    use super::{STEP, bare};
    use crate::place::{Place, Said};

    #[test]
    fn a_database_that_is_set_to_read_only_stays_so() {
        let place = Place::new().with_sql("0001_made.sql", STEP);
        let database = place.server_database().to_owned();
        place.connect_as_superuser().run(&format!(
            "ALTER DATABASE \"{database}\" SET default_transaction_read_only = on"
        ));
        for arguments in [
            &["migrate"][..],
            &["finalize"],
            &["baseline"],
            &["plan", "--dry-run"],
        ] {
            place
                .run(arguments)
                .ends_with(2)
                .and_says("the database is set to read-only (default_transaction_read_only)");
        }
        place.run(&["status"]).ends_with(0).and_says("1 pending");
        assert!(!place.has_table("made"));
    }

    /// User, host and port, and database of the place's URL.
    fn parts(place: &Place) -> (String, String, String, String) {
        let url = place.url();
        let rest = url.split_once("://").unwrap().1;
        let (authority, database) = rest.split_once('/').unwrap();
        let (user, server) = authority.split_once('@').unwrap();
        let (host, port) = server.rsplit_once(':').unwrap();
        let database = database.split('?').next().unwrap();
        (
            user.to_owned(),
            host.to_owned(),
            port.to_owned(),
            database.to_owned(),
        )
    }

    fn status(place: &Place, url: &str) -> Said {
        bare(place, &["status", "--database", url], &[])
    }

    #[test]
    fn connection_strings_are_understood_as_by_libpq() {
        let place = Place::new().with_sql("0001_made.sql", STEP);
        let (user, host, port, database) = parts(&place);
        for url in [
            format!("postgres://{user}@{host}:{port}/{database}"),
            format!("postgresql:///{database}?host={host}&port={port}&user={user}"),
            format!("host={host} port={port} user={user} dbname='{database}' connect_timeout = 5"),
            format!("postgres://{user}@127.0.0.1:1,{host}:{port}/{database}"),
            format!(
                "postgres://{user}@127.0.0.1:1,{host}:{port}/{database}?target_session_attrs=read-write"
            ),
            format!(
                "host=127.0.0.1,{host} port=1,{port} user={user} dbname={database} target_session_attrs=primary"
            ),
            format!(
                "postgres://{user}@{host}:{port}/{database}?channel_binding=prefer&gssencmode=disable&client_encoding=UTF8"
            ),
        ] {
            let said = status(&place, &url).ends_with(0).and_says("1 pending");
            // What is shown can be given again.
            let shown = said
                .stdout
                .lines()
                .next()
                .unwrap()
                .trim_start_matches("target")
                .trim()
                .to_owned();
            status(&place, &shown).ends_with(0).and_says(&shown);
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_and_never_ignored() {
        let place = Place::new().with_sql("0001_made.sql", STEP);
        let url = place.url();
        for (parameter, said) in [
            (
                "channel_binding=require",
                "which `channel_binding=require` asks for",
            ),
            (
                "target_session_attrs=standby",
                "target_session_attrs can be any, primary or read-write",
            ),
            ("krbsrvname=a", "`krbsrvname` is not possible here"),
            ("sslcert=a.pem", "`sslcert` is not possible here"),
            ("gssencmode=require", "`gssencmode` can only be"),
            ("schema=app", "`options=-csearch_path%3DNAME`"),
            ("pgbouncer=true", "`pgbouncer` is not known"),
            ("sslmod=require", "is `sslmode` meant?"),
            ("channelbinding=require", "is `channel_binding` meant?"),
            ("sslmode=strict", "sslmode is not known"),
        ] {
            let sign = if url.contains('?') { '&' } else { '?' };
            status(&place, &format!("{url}{sign}{parameter}"))
                .ends_with(2)
                .and_says(said);
        }
        status(&place, "postgres://app@127.0.0.1:1,127.0.0.1:2/t")
            .ends_with(2)
            .and_says("127.0.0.1:1")
            .and_says("127.0.0.1:2");
        status(&place, "host=a,b port=1,2,3 user=app")
            .ends_with(2)
            .and_says("2 hosts and 3 ports");
    }

    #[test]
    fn of_several_servers_the_one_that_can_be_written_is_taken() {
        let place = Place::new().with_sql("0001_made.sql", STEP);
        let database = place.server_database().to_owned();
        place.connect_as_superuser().run(&format!(
            "ALTER DATABASE \"{database}\" SET default_transaction_read_only = on"
        ));
        status(
            &place,
            &format!("{}?target_session_attrs=read-write", place.url()),
        )
        .ends_with(2)
        .and_says("can only be read, and `target_session_attrs` asks for another");
    }
}
