//! Texts of steps, fixtures and settings that repeat what has to be looked for: reading them takes no longer than their length
//! says, and what is within itself too deep is an error.

use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::hosts::host::signal;
use crate::place::{Place, Said};
use crate::service::client::{Request, exchange};
use crate::service::process::Service;

/// How long a command may take on some hundred kilobytes, on a machine that has much else to do.
const LONGEST: Duration = Duration::from_secs(30);

/// Runs a command that ends in time.
#[track_caller]
pub fn ends_in_time(place: &Place, arguments: &[&str], what: &str) -> Said {
    let mut command = place.command(arguments);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let process = command.spawn().unwrap();
    let id = process.id();
    let (said, hears) = mpsc::channel();
    std::thread::spawn(move || said.send(process.wait_with_output()));
    match hears.recv_timeout(LONGEST) {
        Ok(output) => Said::from(output.unwrap()),
        Err(_) => {
            signal(id, "KILL");
            panic!("{what} takes more than {LONGEST:?}");
        }
    }
}

#[test]
fn a_script_is_read_once() {
    for text in [
        "1;\nPRAGMA foreign_keys = on; PRAGMA foreign_keys = off; SELECT 1;\n",
        "[",
        "/* to undo */ -- how to undo\n",
        "-- how to undo\n",
        "a/* b: c */\n",
        "';\n'",
        "+/**/",
        "SELECT 1 AS a, ",
        "$a$",
        "EXISTS ",
        "wasmigrate, ",
        "dblink . ",
        "(",
        "\\\n",
        "''--\n",
    ] {
        let place = Place::new();
        let text = format!("UPDATE t SET a = {}", text.repeat(400_000 / text.len()));
        place.write_step("0001_long.sql", text.as_bytes());
        ends_in_time(&place, &["plan"], &text[..40]);
    }
}

/// Probes wait neither for texts to be judged nor for those who ask what is wrong with them.
#[test]
fn probes_are_answered_while_long_texts_are_judged() {
    let place = Place::new();
    let text = "SELECT 1 AS a;\n".repeat(500_000);
    place.write_step("0001_long.sql", text.as_bytes());
    let service = Service::start(&place);
    let address = service.address();
    let asking: Vec<_> = (0..10)
        .map(|_| {
            let advice = Request::get("/api/v1/advice").bytes();
            std::thread::spawn(move || exchange(address, &advice))
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    for path in ["/healthz", "/readyz"] {
        let began = Instant::now();
        assert_eq!(service.get(path).status, 200);
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{path}: {:?}",
            began.elapsed()
        );
    }
    let still_ask = asking.iter().any(|asks| !asks.is_finished());
    assert!(still_ask, "the texts are too short for this test");
}

/// Their ends are looked for, one within the other.
#[test]
fn texts_in_dollar_quotes_are_not_within_one_another_without_end() {
    let quotes: String = (0..60_000).map(|number| format!("$a{number}$ ")).collect();
    let place = Place::new().with_sql(
        "0001_deep.sql",
        &format!("-- wasmigrate:placeholders\nSELECT 1;\nSELECT '${{a}}' {quotes};\n"),
    );
    ends_in_time(&place, &["plan", "--set", "a=b"], "dollar quotes")
        .ends_with(2)
        .and_says("line 3")
        .and_says("texts in dollar quotes are within one another more than 16 deep");
}

#[test]
fn names_of_modules_have_an_end() {
    let deep = format!("import re\nimport lib{}\n", ".a".repeat(20_000));
    let place = Place::new();
    let file = place.step("0001_deep.py");
    let inspect = ["inspect", file.to_str().unwrap()];
    place.write_step("0001_deep.py", deep.as_bytes());
    ends_in_time(&place, &inspect, "a deep import")
        .ends_with(2)
        .and_says("line 2: the name of what it imports has more than 64 parts");
    for text in [
        "from lib import (\n",
        "from ",
        "from lib import (#",
        "import ",
        "import.lib ",
    ] {
        place.write_step("0001_deep.py", text.repeat(400_000 / text.len()).as_bytes());
        ends_in_time(&place, &inspect, text);
    }
}

#[test]
fn settings_are_read_once() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);");
    let variables = format!("A=\"{}", "x\n".repeat(150_000));
    std::fs::write(place.path().join(".env"), variables).unwrap();
    ends_in_time(&place, &["status"], "quotes that never end");
    std::fs::remove_file(place.path().join(".env")).unwrap();
    let deep = format!("{}{}", "${NONE:-".repeat(50_000), "}".repeat(50_000));
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        format!("[settings]\na = \"{deep}\"\n"),
    )
    .unwrap();
    ends_in_time(&place, &["status"], "references within one another")
        .ends_with(2)
        .and_says("references are in one another more than 16 deep");
}

#[test]
fn rows_of_a_fixture_have_no_more_columns_than_tables() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);");
    let rows: Vec<String> = (0..20_000)
        .map(|row| format!("{{\"c{row}\": 1}}"))
        .collect();
    std::fs::create_dir(place.step("fixtures")).unwrap();
    std::fs::write(
        place.step("fixtures/a.json"),
        format!("[{}]", rows.join(",")),
    )
    .unwrap();
    ends_in_time(&place, &["test", "--on", "sqlite"], "many columns")
        .ends_with(2)
        .and_says("up to row 2001 the rows of a name more than 2000 columns");
}
