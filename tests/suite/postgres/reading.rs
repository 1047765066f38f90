//! Scripts are read as the server reads them: the same statements, with the same text.
//!
//! Each statement writes down its own text, as the server got it, and its number. The scripts are made of all that a
//! reader may take for something else.

use std::fmt::Write as _;
use std::process::Command;

use crate::place::Place;

/// How many scripts are tried at once.
const SCRIPTS: usize = 2_000;

/// A generator of numbers that is the same in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.throw(all.len())]
    }

    /// What ends statements, quotes and comments, in any order.
    fn nasty(&mut self, kinds: &[&str]) -> String {
        (0..self.throw(6)).map(|_| self.one_of(kinds)).collect()
    }

    fn space(&mut self) -> String {
        let mut space = String::from(self.one_of(&[" ", "\n", "\t", "\r", "\r\n", "\x0c"]));
        for _ in 0..self.throw(3) {
            let text = self.nasty(&[
                ";", "'", "\"", "$$", "$a$", "*", "/", "--", "\x0b", "\u{a0}", "\u{feff}", "(",
                "\\", "x",
            ]);
            let _ = match self.throw(3) {
                0 => write!(space, "--{text}{}", self.one_of(&["\n", "\r", "\r\n"])),
                1 => {
                    let inner = text.replace("*/", "* /").replace("/*", "/ *");
                    write!(space, "/*{inner} /*/ {inner} */ */")
                }
                _ => write!(space, "{}", self.one_of(&[" ", "\n", "\r", "\t"])),
            };
        }
        space
    }

    /// A condition that is true, or unknown to nobody.
    fn condition(&mut self) -> String {
        let text = self.nasty(&[
            ";", "''", "\"", "$$", "$a$", "*/", "/*", "--", "\x0b", "\r", "\n", "\u{a0}", "ß", "(",
            "x",
        ]);
        let in_dollars = text.replace('$', "d");
        let space = self.space();
        match self.throw(16) {
            0 => format!("'{text}\\'IS NOT NULL"),
            1 => format!("E'{text}\\'\\\\'IS NOT NULL"),
            2 => format!("$${in_dollars} $1 $b $$ IS NOT NULL"),
            3 => format!("$a${in_dollars}$a $ $b$ $ä$a$ IS NOT NULL"),
            4 => format!("$ä1_${in_dollars}$a$ $ä1_$ IS NOT NULL"),
            5 => format!("U&'{text}'IS NOT NULL"),
            6 => "B'01'IS NOT NULL AND X'1F'=x'1f'".to_owned(),
            7 => format!("n'{text}'IS NOT NULL"),
            8 => format!(
                "'{text}' -- {}\r\n'{text}'IS NOT NULL",
                text.replace(['\r', '\n'], "")
            ),
            9 => format!("1<--{}\n2", text.replace(['\r', '\n'], "")),
            10 => format!(
                "2*/* {} */3 >-1 AND 1.5e-3<.5 AND 1<2.",
                space.replace('*', "")
            ),
            11 => format!("EXISTS (SELECT 1 AS \"{}\\\")", text.replace('"', "\"\"")),
            12 => "EXISTS (SELECT 1 AS a\u{a0}b\u{feff}$a$)".to_owned(),
            13 => "EXISTS (SELECT 1 AS u$$, 2 AS _$a$)".to_owned(),
            14 => format!("({space}ARRAY[1{space}]::int[]{space})[1]=1"),
            _ => format!("E'\\''{space}IS NOT NULL AND e'x\\\\'<>''"),
        }
    }

    fn statement(&mut self, number: usize) -> String {
        let conditions: Vec<String> = (0..1 + self.throw(3)).map(|_| self.condition()).collect();
        let space: Vec<String> = (0..4).map(|_| self.space()).collect();
        let [a, b, c, d] = &space[..] else {
            unreachable!()
        };
        let conditions = conditions.join(&format!("{d}AND{d}"));
        let insert = format!(
            "INSERT{a}INTO{b}seen SELECT{c}{number}, current_query(){d}WHERE{a}{conditions}"
        );
        match self.throw(10) {
            0 => format!(
                "DO{a}$do${a}BEGIN INSERT INTO seen SELECT {number}, current_query();{b}END{c}$do$"
            ),
            1 => format!(
                "CREATE{a}OR REPLACE{b}FUNCTION begin_(begin int, \"end\" int) RETURNS int LANGUAGE sql{c}BEGIN{d}ATOMIC{a}\
                 SELECT CASE{b}WHEN $1 > 1 THEN (SELECT CASE 1 WHEN 1 THEN 2 END){c}END;{d}SELECT 2{a};{b}END{c};{insert}"
            ),
            2 => format!(
                "CREATE OR REPLACE FUNCTION days(begin date, case_ date) RETURNS int LANGUAGE sql AS{a}$q${b};{c}SELECT 1{d}\n;$q$;{insert}"
            ),
            3 => format!(
                "CREATE OR REPLACE RULE r AS ON DELETE TO seen DO ALSO ({a}SELECT 1;{b}SELECT ';'{c};{d});{insert}"
            ),
            _ => insert,
        }
    }

    fn script(&mut self, number: usize) -> String {
        let mut script = String::from(self.one_of(&["", "", "\u{feff}", "\r\n"]));
        for statement in 0..1 + self.throw(3) {
            script += &self.space();
            script += &self.statement(number * 10 + statement);
            script += &self.space();
            script += self.one_of(&[";", ";", ";;", "; ;"]);
        }
        script + self.one_of(&["", "\n", "-- end", "/* ;\nend */ ;"])
    }
}

fn seen() -> Place {
    Place::new().with_data("CREATE TABLE seen (number int, statement text, place serial)")
}

fn rows(place: &Place) -> Vec<(String, String)> {
    let rows = place
        .connect()
        .rows("SELECT number, statement FROM seen ORDER BY place");
    rows.into_iter()
        .map(|mut row| (row.remove(0).unwrap(), row.remove(0).unwrap()))
        .collect()
}

fn psql(place: &Place) -> Command {
    let psql = wasmigrate_test_server::binaries().unwrap().join("psql");
    let mut command = Command::new(psql);
    command.args([
        "--no-psqlrc",
        "--quiet",
        "--set",
        "ON_ERROR_STOP=1",
        "--dbname",
    ]);
    command.arg(place.url()).current_dir(place.path());
    command
}

/// A statement without the space and the line comments that psql leaves out before it.
fn as_sent_by_psql(mut statement: &str) -> &str {
    loop {
        statement = statement.trim_start_matches([' ', '\n', '\t', '\r', '\x0c', ';']);
        match statement.strip_prefix("--") {
            Some(comment) => statement = &comment[comment.find(['\n', '\r']).unwrap()..],
            None => return statement,
        }
    }
}

/// psql leaves out empty lines, too, where they are in no quotes.
fn without_empty_lines(statement: &str) -> String {
    let mut lines = String::with_capacity(statement.len());
    for letter in statement.chars() {
        if letter != '\n' || !lines.ends_with('\n') {
            lines.push(letter);
        }
    }
    lines
}

#[test]
fn thousands_of_scripts_are_read_as_psql_and_the_server_read_them() {
    let mut dice = Dice(0x5eed);
    let (host, peer) = (seen(), seen());
    let mut command = psql(&peer);
    for number in 1..=SCRIPTS {
        let name = format!("{number:04}_script.sql");
        let script = dice.script(number);
        host.write_step(&name, script.as_bytes());
        peer.write_step(&name, script.as_bytes());
        command.arg("--file").arg(format!("migrations/{name}"));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    host.run(&["migrate"]).ends_with(0);
    let (host, peer) = (rows(&host), rows(&peer));
    assert!(peer.len() > SCRIPTS);
    for ((number, ours), (its_number, theirs)) in host.iter().zip(&peer) {
        assert_eq!(number, its_number);
        let (ours, theirs) = (without_empty_lines(ours), without_empty_lines(theirs));
        let rest = as_sent_by_psql(&ours).strip_prefix(&*theirs);
        // What follows the last statement goes with it.
        let is_same = rest.is_some_and(|rest| !rest.contains("INSERT"));
        assert!(is_same, "ours:   {ours:?}\ntheirs: {theirs:?}");
    }
    assert_eq!(host.len(), peer.len());
}

#[test]
fn what_the_server_reads_otherwise_than_psql_is_read_as_by_the_server() {
    for parts in [
        // psql forgets how a string began that goes on in another line.
        &["INSERT INTO seen VALUES (1, E'a'\n'\\';b'); INSERT INTO seen VALUES (2, 'c')"][..],
        &[
            "SET standard_conforming_strings = off;",
            "INSERT INTO seen VALUES (1, 'a\\';b'); INSERT INTO seen VALUES (2, 'c')",
        ],
        &[
            "SELECT set_config('standard_conforming_strings', 'off', false);",
            "INSERT INTO seen VALUES (1, 'a\\';b'); RESET standard_conforming_strings;",
            "INSERT INTO seen VALUES (2, 'c\\');",
        ],
        &[
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end; SELECT 2; END;
             INSERT INTO seen VALUES (1, 'a')",
        ],
    ] {
        let script = parts.join("\n");
        let (host, peer) = (seen().with_sql("0001_a.sql", &script), seen());
        host.run(&["migrate"]).ends_with(0);
        let mut application = peer.connect();
        for part in parts {
            application.run(part);
        }
        assert_eq!(rows(&host), rows(&peer), "{script}");
    }
}

#[test]
fn the_database_may_read_strings_in_the_old_way() {
    let place = seen().with_sql("0001_a.sql", "INSERT INTO seen VALUES (1, 'a\\'; --')");
    let database = place.server_database();
    place.connect_as_superuser().run(&format!(
        "ALTER DATABASE \"{database}\" SET standard_conforming_strings = off"
    ));
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT statement FROM seen"), ["a'; --"]);
}

#[test]
fn what_never_ends_is_told_with_its_line_and_nothing_runs() {
    for (opened, words) in [
        (
            "/* outer /* inner */",
            "a comment `/*` begins here and never ends",
        ),
        ("SELECT 'a;", "a string begins here and never ends"),
        ("SELECT E'a\\';", "a string begins here and never ends"),
        (
            "SELECT \"a;",
            "a name in double quotes begins here and never ends",
        ),
        (
            "SELECT $a$ $b$ $A$;",
            "a string in dollar quotes begins here and never ends",
        ),
        (
            "COPY seen FROM stdin;\n1\ta\n",
            "the rows of this COPY … FROM stdin never end",
        ),
    ] {
        let script = format!("INSERT INTO seen VALUES (1, 'a');\n\n{opened}\nDROP TABLE seen;\n");
        for transaction in ["", "-- wasmigrate:no-transaction\n"] {
            let place = seen().with_sql("0001_a.sql", &format!("{transaction}{script}"));
            let line = if transaction.is_empty() {
                "line 3"
            } else {
                "line 4"
            };
            place
                .run(&["migrate"])
                .ends_with(2)
                .and_says(words)
                .and_says(line);
            assert_eq!(rows(&place), []);
        }
    }
}

#[test]
fn a_carriage_return_ends_a_comment() {
    let place = Place::new()
        .with_data("CREATE TABLE people (id int); INSERT INTO people VALUES (1), (2)")
        .with_sql(
            "0001_a.sql",
            "DELETE FROM people -- the test account\r WHERE id = 1;\n",
        );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT id FROM people"), ["2"]);
}

#[test]
fn commands_of_psql_are_refused_with_their_line() {
    for command in [
        "\\echo done",
        "\\connect other",
        "  \\i other.sql",
        "SELECT 1 \\g",
    ] {
        let place = seen().with_sql("0001_a.sql", &format!("SELECT 1;\n{command}\n"));
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("is a command of psql, not SQL")
            .and_says("line 2");
    }
}

#[test]
fn names_and_texts_that_only_look_like_calls_are_none() {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "CREATE TABLE dblink (dblink text, pg_read_file text);
         CREATE INDEX ON dblink (pg_read_file);
         INSERT INTO public.dblink (dblink, pg_read_file) VALUES ($$SELECT pg_read_file('a')$$, 'dblink()');
         COMMENT ON COLUMN dblink.dblink IS $a$as for dblink() and wasmigrate_step$a$;",
    );
    place.run(&["migrate"]).ends_with(0);
    for call in [
        "SELECT pg_read_file('a')",
        "SELECT * FROM pg_catalog . pg_read_file /* a */ ('a')",
        "DO $$ BEGIN PERFORM pg_read_file('a'); END $$",
        "DO 'BEGIN PERFORM pg_read_file(''a''); END'",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT pg_read_file('a') $$",
        "CREATE AGGREGATE a (text) (SFUNC = pg_read_file, STYPE = text)",
    ] {
        let place = Place::new().with_sql("0001_a.sql", call);
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("not permitted: pg_read_file()");
    }
}

/// What sets everything back sets back how strings are read, too: the statement is refused, and not taken for half of a string.
#[test]
fn what_sets_all_settings_back_does_so_to_strings() {
    for reset in ["RESET ALL", "DISCARD ALL"] {
        let script = format!(
            "SET standard_conforming_strings = off;\n{reset};\nCREATE TABLE t (a text);\nINSERT INTO t VALUES ('a\\');\n"
        );
        Place::new()
            .with_sql("0001_a.sql", &script)
            .run(&["migrate"])
            .ends_with(2)
            .and_says(reset)
            .and_says("statement (line 2)");
    }
}
