//! `migrator.yaml` as settings, on any database: what is wrong in it, and where it is found.

use crate::place::{Place, Said};

fn file(more: &str) -> String {
    format!(
        "baseLocation: base\ndriver: postgres\ndataSource: user=app host=127.0.0.1 port=1 dbname=x connect_timeout=1\n\
         singleMigrations: [ref]\n{more}"
    )
}

/// Runs a command with a file that no other setting is laid over.
fn say(place: &Place, arguments: &[&str], text: &str) -> Said {
    std::fs::create_dir_all(place.path().join("base/ref")).unwrap();
    std::fs::write(place.path().join("migrator.yaml"), text).unwrap();
    let mut command = place.command(arguments);
    command.env_remove("WASMIGRATE_DATABASE");
    Said::from(command.output().unwrap())
}

#[test]
fn what_is_wrong_is_told_with_its_key_and_without_secrets() {
    let place = Place::new();
    let arguments = ["serve", "--config", "migrator.yaml"];
    for (text, message) in [
        (
            file("").replace("postgres\n", "mysql\n"),
            "`driver` is `mysql`",
        ),
        (
            file("").replace("singleMigrations: [ref]", ""),
            "names no directory",
        ),
        (
            file("").replace("baseLocation: base\n", ""),
            "`baseLocation` is missing",
        ),
        (file("port: 99999\n"), "`port` is `99999`"),
        (
            file("pathPrefix: '/{a}'\n"),
            "cannot be the prefix of a path",
        ),
        (file("logLevel: LOUD\n"), "`logLevel` is `LOUD`"),
        (
            file("webHookURL: ftp://127.0.0.1/\n"),
            "must with `http:` or `https:`",
        ),
        (
            file("webHookURL: http://127.0.0.1:1/\nwebHookTemplate: '${summary.nothing}'\n"),
            "there is no `${summary.nothing}`",
        ),
        (
            file("webHookURL: http://127.0.0.1:1/\nwebHookHeaders: ['X Y: secret']\n"),
            "no header can be called `X Y`",
        ),
        (
            file("").replace("dbname=x", "dbname='x password=secret"),
            "the quotes of `dbname` do not end",
        ),
        (
            file("").replace("dbname=x", "password=secret: {"),
            "migrator.yaml",
        ),
    ] {
        let said = say(&place, &arguments, &text)
            .ends_with(2)
            .and_says(message);
        assert!(!format!("{said:?}").contains("secret"), "{said:?}");
    }
}

#[test]
fn it_is_found_where_there_is_no_file_of_our_own() {
    let place = Place::new();
    let wrong = file("").replace("postgres\n", "mysql\n");
    say(&place, &["status"], &wrong)
        .ends_with(2)
        .and_says("`driver` is `mysql`");
    std::fs::write(place.path().join("wasmigrate.toml"), "attempts = 0\n").unwrap();
    say(&place, &["status"], &wrong)
        .ends_with(2)
        .and_says("`attempts` is 0");
}

#[test]
fn a_key_that_means_nothing_is_warned_of() {
    let place = Place::new();
    let text = file("novelty: 1\n");
    for command in ["status", "plan"] {
        say(&place, &[command], &text).and_says("`novelty`");
    }
}

#[test]
fn a_file_that_was_found_is_named_with_the_variables_that_it_reads() {
    let place = Place::new().with_variable("CLOUD_PASSWORD", "hunter2");
    let text = file("").replace("user=app", "user=app password=${CLOUD_PASSWORD}");
    let found = "the settings are those of `migrator.yaml` in this directory, which reads the variables CLOUD_PASSWORD";
    let said = say(&place, &["plan"], &text).and_says(found);
    assert!(!format!("{said:?}").contains("hunter2"), "{said:?}");
    // Whoever names it knows.
    let said = say(&place, &["plan", "--config", "migrator.yaml"], &text);
    assert!(
        !format!("{said:?}").contains("in this directory"),
        "{said:?}"
    );
}
