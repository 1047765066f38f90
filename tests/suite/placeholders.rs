//! `${name}` in SQL: the operator's values.

use crate::place::Place;

fn place() -> Place {
    Place::new().with_variable("WASMIGRATE_PLACEHOLDERS", "true")
}

#[test]
fn values_are_put_in_and_written_down_unless_they_are_secret() {
    let place = place()
        .with_sql(
            "0001_a.sql",
            "CREATE TABLE ${table} (a TEXT);\nINSERT INTO ${table} VALUES ('${who}'), ('${password}'), ('\\${who}');\n-- ${nobody}\n",
        )
        .with_variable("WASMIGRATE_SETTINGS_TABLE", "person");
    place
        .run(&[
            "finalize",
            "--set",
            "who=O'Hara ${table}",
            "--set",
            "password=very-1-secret",
        ])
        .ends_with(0);
    assert_eq!(
        place.texts("SELECT a FROM person ORDER BY a"),
        ["${who}", "O'Hara ${table}", "very-1-secret"]
    );
    let said = place
        .run(&["history", "--output"])
        .ends_with(0)
        .and_says("${who} is O'Hara ${table}")
        .and_says("${table} is person")
        .and_says("${password} is a value that is not written down");
    assert!(!said.stdout.contains("very-1-secret"), "{said:#?}");
    // The digest is that of the file as it is written.
    place
        .run(&["migrate", "--set", "who=somebody else"])
        .ends_with(0)
        .and_says("nothing to do");
}

#[test]
fn a_value_whose_name_tells_of_a_secret_is_not_written_down() {
    let names = [
        "app_pwd",
        "db_auth",
        "DSN",
        "smtp_login",
        "api_key",
        "cookie",
        "bearer",
    ];
    let uses: Vec<String> = names
        .iter()
        .map(|name| format!("('${{{name}}}')"))
        .collect();
    let place = place().with_sql(
        "0001_a.sql",
        &format!(
            "CREATE TABLE a (b TEXT);\nINSERT INTO a VALUES {};\n",
            uses.join(", ")
        ),
    );
    let mut arguments = vec!["migrate".to_owned()];
    for name in names {
        arguments.extend(["--set".to_owned(), format!("{name}=hunter-of-secrets")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = place.run(&arguments).ends_with(0);
    let history = place.run(&["history", "--output"]).ends_with(0);
    for said in [said, history] {
        assert!(
            !format!("{said:?}").contains("hunter-of-secrets"),
            "{said:#?}"
        );
    }
}

#[test]
fn what_has_no_value_is_an_error_with_file_and_line() {
    let place = place().with_sql(
        "0001_a.sql",
        "-- wasmigrate:migrate\nCREATE TABLE a (b TEXT);\n-- wasmigrate:finalize\n\nINSERT INTO a VALUES ('${who}');\n",
    );
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`0001_a.sql`, line 5: there is no value for `${who}`")
        .and_says("--set who=");
    assert!(!place.has_table("a"));
    place.run(&["migrate", "--set", "who=x"]).ends_with(0);
    place.run(&["finalize", "--set", "who=y"]).ends_with(0);
    assert_eq!(place.one::<String>("SELECT b FROM a"), "y");
}

#[test]
fn without_being_asked_for_nothing_is_replaced() {
    let step = "CREATE TABLE a (b TEXT);\nINSERT INTO a VALUES ('${who}');\n";
    let place = Place::new().with_sql("0001_a.sql", step);
    let warning = "`--set` has no effect: all steps are SQL";
    place
        .run(&["migrate", "--set", "who=x"])
        .ends_with(0)
        .and_says(warning);
    assert_eq!(place.one::<String>("SELECT b FROM a"), "${who}");
    place.write_step(
        "0002_b.sql",
        b"-- wasmigrate:placeholders\nINSERT INTO a VALUES ('2 ${who}');\n",
    );
    let said = place.run(&["migrate", "--set", "who=x"]).ends_with(0);
    assert!(!said.stderr.contains(warning), "{said:#?}");
    assert_eq!(place.texts("SELECT b FROM a ORDER BY b"), ["${who}", "2 x"]);
}

#[test]
fn a_value_goes_through_the_guard_as_all_sql_does() {
    let place = place().with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER); ${more}\n");
    place
        .run(&["migrate", "--set", "more=COMMIT; DROP TABLE a"])
        .ends_with(2)
        .and_says("COMMIT");
    assert!(!place.has_table("a"));
}

mod postgres {
    use super::place;

    #[test]
    fn rows_of_a_copy_are_data() {
        let place = place().with_sql(
            "0001_a.sql",
            "CREATE TABLE ${table} (b TEXT);\nCOPY ${table} (b) FROM stdin;\n${who}\n\\.\nINSERT INTO ${table} VALUES ('${table}');\n",
        );
        place.run(&["migrate", "--set", "table=a"]).ends_with(0);
        assert_eq!(place.texts("SELECT b FROM a ORDER BY b"), ["${who}", "a"]);
    }

    #[test]
    fn bodies_in_dollar_quotes_are_sql() {
        let place = place().with_sql(
            "0001_a.sql",
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $body$ SELECT '${who}' || ${number} $body$;\n",
        );
        place
            .run(&["migrate", "--set", "who=it's ", "--set", "number=7"])
            .ends_with(0);
        assert_eq!(place.one::<String>("SELECT f()"), "it's 7");
    }

    #[test]
    fn a_backslash_is_refused_where_it_may_be_an_escape() {
        for text in [
            "SET LOCAL standard_conforming_strings = off;\nSELECT '${bs}';",
            "SELECT U&'${bs}';",
        ] {
            place()
                .with_sql("0001_a.sql", text)
                .run(&["migrate", "--set", "bs=a\\b"])
                .ends_with(2)
                .and_says("has a backslash, which may be an escape where it stands");
        }
        let old = place().with_sql("0001_a.sql", "SELECT '${bs}';");
        old.connect().run(&format!(
            "ALTER DATABASE \"{}\" SET standard_conforming_strings = off",
            old.server_database()
        ));
        old.run(&["migrate", "--set", "bs=a\\b"])
            .ends_with(2)
            .and_says("has a backslash");
    }
}

#[test]
fn what_is_no_name_is_shown_as_it_stands() {
    for (text, words) in [
        ("${a b}", "`${a b}` names no value"),
        ("${}", "`${}` names no value"),
        ("${who", "`${who', 1);` has no `}` on its line"),
    ] {
        let text =
            format!("CREATE TABLE a (b TEXT, c INTEGER);\nINSERT INTO a VALUES ('{text}', 1);\n");
        place()
            .with_sql("0001_a.sql", &text)
            .run(&["migrate", "--set", "who=x"])
            .ends_with(2)
            .and_says("line 2")
            .and_says(words);
    }
}

#[test]
fn a_backslash_in_a_value_is_one_in_the_string_that_it_stands_in() {
    let texts = Place::in_sql_of(
        "('${bs}')",
        "('${bs}'), (E'${bs}'), (E''\n'${bs}'), ($$${bs}$$)",
    )
    .replace("$$${bs}$$", "'${bs}'");
    let place = place().with_sql(
        "0001_a.sql",
        &format!("CREATE TABLE a (v TEXT);\nINSERT INTO a VALUES {texts};\n"),
    );
    place.run(&["migrate", "--set", "bs=a\\b'c"]).ends_with(0);
    let found = place.texts("SELECT DISTINCT v FROM a");
    assert_eq!(found, ["a\\b'c"]);
}
