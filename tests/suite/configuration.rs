//! Where settings and arguments are taken from, and what is said of those that mean nothing.

use crate::application::{self, Kind};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use crate::place::{Place, Said};
use crate::service::process::Service;

/// A place whose own file names everything from where it stands.
fn elsewhere() -> (Place, Place) {
    let there = Place::new().with_sql("0001_made.sql", "CREATE TABLE made (id BIGINT);");
    let database = match application::kind() {
        Kind::Sqlite => "sqlite:the.db?mode=rwc".to_owned(),
        Kind::Postgres => there.url(),
    };
    std::fs::rename(there.path().join("migrations"), there.path().join("steps")).unwrap();
    std::fs::write(
        there.path().join("wasmigrate.toml"),
        format!(
            "database = \"{database}\"\nmigrations = \"steps\"\n[settings]\nname_file = \"kept\"\n"
        ),
    )
    .unwrap();
    (Place::new(), there)
}

#[test]
fn relative_paths_in_a_file_begin_where_the_file_is() {
    let (here, there) = elsewhere();
    let file = there.path().join("wasmigrate.toml");
    let run = |arguments: &[&str]| {
        let mut command = here.command(arguments);
        command.env_remove("WASMIGRATE_DATABASE");
        command.args(["--config", file.to_str().unwrap()]);
        crate::place::Said::from(command.output().unwrap())
    };
    run(&["migrate"])
        .ends_with(0)
        .and_says("0001_made migrated");
    if application::kind() == Kind::Sqlite {
        assert!(there.path().join("the.db").exists());
        assert!(!here.path().join("the.db").exists());
    }
    // What the command itself says begins where the command is.
    std::fs::create_dir(here.path().join("own")).unwrap();
    std::fs::write(here.path().join("own/0001_own.sql"), "SELECT 1;").unwrap();
    run(&["plan", "--migrations", "own"]).and_says("0001");
}

#[test]
fn an_argument_that_means_nothing_to_a_command_is_refused() {
    let place = Place::new();
    for (arguments, said) in [
        (
            &["serve", "--host", "http://127.0.0.1:1"][..],
            "leave out `--host`",
        ),
        (&["serve", "--json"], "`--log-format json`"),
        (&["serve", "--listen", "9010"], "write 127.0.0.1:9010 for"),
        (&["serve", "--listen", "here"], "write it as 127.0.0.1:9002"),
        (&["completions", "bash", "--json"], "leave out `--json`"),
    ] {
        place.run(arguments).ends_with(2).and_says(said);
    }
}

#[test]
fn whoever_has_no_token_or_a_wrong_one_is_told_how_to_name_it() {
    let place = Place::new().with_sql("0001_made.sql", "CREATE TABLE made (id BIGINT);");
    let service = Service::start(&place);
    let desk = Place::new();
    let address = service.address().to_string();
    desk.run(&["status", "--host", &address])
        .ends_with(2)
        .and_says("name the file with `--token-file`");
    std::fs::write(desk.path().join("wrong"), "wrong").unwrap();
    desk.run(&["status", "--host", &address, "--token-file", "wrong"])
        .ends_with(2)
        .and_says("it does not accept this token");
}

#[test]
fn the_status_of_a_target_without_tenants_does_not_count_them() {
    let place = Place::new().with_variable("WASMIGRATE_SOURCES_SINGLE_MIGRATIONS", "single");
    std::fs::create_dir_all(place.path().join("migrations/single")).unwrap();
    place.write_step("single/0001_made.sql", b"CREATE TABLE made (id BIGINT);");
    let status = place.run(&["status"]).ends_with(0);
    assert!(!status.stdout.contains("tenants"), "{status:#?}");
    place.run(&["migrate"]).ends_with(0);
    let status = place.run(&["status"]).ends_with(0);
    assert!(!status.stdout.contains("tenants"), "{status:#?}");
}

#[test]
fn a_secret_that_is_open_to_everybody_is_warned_of() {
    let place = Place::new();
    let file = place.path().join("secret");
    std::fs::write(&file, "let-me-in").unwrap();
    let say = |mode| {
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let mut command = place.command(&["status"]);
        command.env("WASMIGRATE_SERVE_TOKEN_FILE", "secret");
        let said = Said::from(command.output().unwrap()).ends_with(0);
        said.stdout + &said.stderr
    };
    for mode in [0o644, 0o602] {
        let said = say(mode);
        assert!(
            said.contains("`secret` holds a secret and is open to every user"),
            "{said}"
        );
        assert!(!said.contains("let-me-in"), "{said}");
    }
    for mode in [0o600, 0o440] {
        assert!(!say(mode).contains("holds a secret"));
    }
}

/// Each list has its own place in the journal: a flag that is passed over would run the other one.
#[test]
fn a_directory_beside_sources_is_refused_wherever_either_is_named() {
    let place = Place::new().with_sql("0001_made.sql", "CREATE TABLE made (id BIGINT);");
    let directory = place.path().join("files/single");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("0001_x.sql"), "CREATE TABLE x (id BIGINT);").unwrap();
    let sources = "[sources]\nbase = \"files\"\nsingle_migrations = [\"single\"]\n";
    let write = |text: &str| std::fs::write(place.path().join("wasmigrate.toml"), text).unwrap();
    write(sources);
    for command in [
        "migrate", "finalize", "reset", "plan", "status", "verify", "baseline", "test",
    ] {
        place
            .run(&[command, "--migrations", "migrations"])
            .ends_with(2)
            .and_says("`--migrations` and `[sources]` both say where the steps are");
    }
    let with_variable = |name: &str, value: &str| {
        let mut command = place.command(&["migrate"]);
        command.env(name, value);
        Said::from(command.output().unwrap())
    };
    with_variable("WASMIGRATE_MIGRATIONS", "migrations")
        .ends_with(2)
        .and_says("WASMIGRATE_MIGRATIONS and `[sources]`");
    write(&format!("migrations = \"migrations\"\n{sources}"));
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`migrations` and `[sources]`");
    write("migrations = \"migrations\"\n");
    with_variable("WASMIGRATE_SOURCES_SINGLE_MIGRATIONS", "single")
        .ends_with(2)
        .and_says("`migrations` and `[sources]`");
    assert!(!place.has_table("made") && !place.has_table("x"));
    // One of them alone counts; an empty name is none.
    with_variable("WASMIGRATE_MIGRATIONS", "migrations").ends_with(0);
    assert!(place.has_table("made"));
    let place = Place::new();
    std::fs::create_dir_all(place.path().join("files/single")).unwrap();
    let config = format!("migrations = \"\"\n{sources}");
    std::fs::write(place.path().join("wasmigrate.toml"), config).unwrap();
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn settings_for_tenants_without_files_are_warned_of() {
    let place = Place::new();
    let config = "[tenants]\nparallel = 4\n";
    std::fs::write(place.path().join("wasmigrate.toml"), config).unwrap();
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("`[tenants]` has no effect");
}

#[test]
fn flags_that_would_have_no_effect_are_refused() {
    let place = Place::new().with_sql("0001_made.sql", "CREATE TABLE made (id BIGINT);");
    let file = place.step("0001_made.sql").display().to_string();
    for (arguments, said) in [
        (
            &["migrate", "--token-file", "token"][..],
            "name it with `--host`",
        ),
        (&["status", "--password-file", "p"], "name it with `--host`"),
        (
            &["inspect", &file, "--host", "127.0.0.1:1"],
            "leave out `--host`",
        ),
        (&["test", "--host", "127.0.0.1:1"], "leave out `--host`"),
        (
            &["completions", "bash", "--host", "127.0.0.1:1"],
            "leave out `--host`",
        ),
        (
            &["migrate", "--cache", "c", "--host", "127.0.0.1:1"],
            "`--cache` is for runs in this process",
        ),
        (&["reset", "--strict"], "have no effect on `reset`"),
        (&["reset", "--workers", "2"], "have no effect on `reset`"),
    ] {
        place.run(arguments).ends_with(2).and_says(said);
    }
    if application::kind() == Kind::Postgres {
        place
            .run(&["migrate", "--create"])
            .ends_with(2)
            .and_says("`--create` makes a SQLite file");
    }
    assert!(!place.has_table("made"));
}

#[test]
fn arguments_that_are_wrong_are_told_to_programs_in_json() {
    let said = Place::new().run(&["status", "--json", "--nonsense"]);
    assert_eq!(said.status, Some(2), "{said:#?}");
    let document: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(document["event"], "error", "{said:#?}");
    let message = document["message"].as_str().unwrap();
    assert!(message.contains("--nonsense"), "{said:#?}");
}

#[test]
fn a_file_without_a_statement_is_warned_of() {
    let place = Place::new()
        .with_sql("0001_empty.sql", "")
        .with_sql("0002_planned.sql", "-- to be written\n")
        .with_sql("0003_made.sql", "CREATE TABLE made (id BIGINT);");
    for command in ["plan", "migrate"] {
        let said = place.run(&[command]).ends_with(0);
        let both = said.stdout + &said.stderr;
        for (step, count) in [("0001_empty", 1), ("0002_planned", 1), ("0003_made", 0)] {
            let warning = format!("{step} does nothing");
            assert_eq!(both.matches(&warning).count(), count, "{both}");
        }
    }
}

#[test]
fn a_configuration_elsewhere_takes_the_steps_beside_it() {
    let place = Place::new();
    let there = place.path().join("there");
    std::fs::create_dir_all(there.join("migrations")).unwrap();
    std::fs::write(there.join("wasmigrate.toml"), "").unwrap();
    std::fs::write(
        there.join("migrations/0001_there.sql"),
        "CREATE TABLE there (a INTEGER);",
    )
    .unwrap();
    for named in ["there", "there/"] {
        place
            .run(&["migrate", "--config", named])
            .ends_with(2)
            .and_says("is a directory: name the file in it, `there/wasmigrate.toml`");
    }
    let place = place.with_sql("0001_here.sql", "CREATE TABLE here (a INTEGER);");
    place
        .run(&["migrate", "--config", "there/wasmigrate.toml"])
        .ends_with(0)
        .and_says(
            "they are taken from `there/migrations`, beside it, and not from `migrations` here",
        )
        .and_says("0001_there migrated");
    assert!(place.has_table("there") && !place.has_table("here"));
    std::fs::write(
        there.join("wasmigrate.toml"),
        "migrations = \"../migrations\"\n",
    )
    .unwrap();
    place
        .run(&["plan", "--config", "there/wasmigrate.toml"])
        .and_says("0001_here");
}

/// A compose file writes `NAME: ${OTHER:-}` for what nobody has set.
#[test]
fn an_empty_variable_names_nothing() {
    let place = Place::new().with_sql("0001_made.sql", "CREATE TABLE made (id BIGINT);");
    let url = match application::kind() {
        Kind::Sqlite => "sqlite:wasmigrate.db".to_owned(),
        Kind::Postgres => place.url(),
    };
    let run = |arguments: &[&str], url: Option<&str>| {
        let mut command = place.command(arguments);
        command
            .env("WASMIGRATE_DATABASE", "")
            .env("WASMIGRATE_CONFIG", "")
            .env("WASMIGRATE_STRICT", "")
            .env("WASMIGRATE_LIMITS_MEMORY_MIB", "")
            .env_remove("DATABASE_URL");
        if let Some(url) = url {
            command.env("DATABASE_URL", url);
        }
        Said::from(command.output().unwrap())
    };
    run(&["migrate"], Some(&url))
        .ends_with(0)
        .and_says("0001_made migrated");
    run(&["status"], None)
        .ends_with(2)
        .and_says("no target is named");
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        format!("database = \"{url}\"\n"),
    )
    .unwrap();
    run(&["status"], None).ends_with(0).and_says("0001_made");
}
