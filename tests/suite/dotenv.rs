//! `.env`: nothing in it is lost without a word, and nothing in it that is somebody else's stops a command.

use crate::place::{Place, Said};
use crate::target::bare;

fn place(dotenv: &[u8]) -> Place {
    let place = Place::new().with_sql("0001_made.sql", "CREATE TABLE made (a INTEGER);");
    std::fs::write(place.path().join(".env"), dotenv).unwrap();
    place
}

fn migrate(place: &Place, variables: &[(&str, &str)]) -> Said {
    bare(place, &["migrate"], variables)
}

#[test]
fn a_byte_order_mark_does_not_hide_the_first_variable() {
    let text = "WASMIGRATE_DATABASE=sqlite:a.db?mode=rwc\r\nDATABASE_URL=sqlite:b.db?mode=rwc\r\n";
    let place = place([b"\xef\xbb\xbf", text.as_bytes()].concat().as_slice());
    migrate(&place, &[])
        .ends_with(0)
        .and_says("target  sqlite:a.db");
    assert!(!place.path().join("b.db").exists());
}

#[test]
fn a_byte_that_is_no_text_costs_only_its_own_variable() {
    let file = b"# f\xfcr uns\nTHEIRS=\xfc\nDATABASE_URL=sqlite:a.db?mode=rwc\n";
    migrate(&place(file), &[])
        .ends_with(0)
        .and_says("target  sqlite:a.db");
    let broken = place(b"OURS=1\nDATABASE_URL=sqlite:\xfc.db?mode=rwc\n");
    migrate(&broken, &[])
        .ends_with(2)
        .and_says("`.env`: line 2, `DATABASE_URL`: it is not UTF-8");
    migrate(&broken, &[("DATABASE_URL", "sqlite:b.db?mode=rwc")]).ends_with(0);
    let broken = place(b"DATABASE_URL=sqlite:a.db?mode=rwc\nWASMIGRATE_MIGRATIONS=\xfc\n");
    migrate(&broken, &[])
        .ends_with(2)
        .and_says("line 2, `WASMIGRATE_MIGRATIONS`");
    migrate(&broken, &[("WASMIGRATE_MIGRATIONS", "migrations")]).ends_with(0);
}

#[test]
fn a_file_in_utf_16_is_refused() {
    let text = "DATABASE_URL=sqlite:a.db?mode=rwc\r\n";
    let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for file in [text.clone(), [b"\xff\xfe".to_vec(), text].concat()] {
        migrate(&place(&file), &[])
            .ends_with(2)
            .and_says("cannot read the configuration `.env`: it is not UTF-8 but UTF-16")
            .and_says("save it as UTF-8\n");
    }
}

#[test]
fn a_directory_of_that_name_is_warned_of() {
    let place = place(b"");
    std::fs::remove_file(place.path().join(".env")).unwrap();
    std::fs::create_dir(place.path().join(".env")).unwrap();
    migrate(&place, &[("DATABASE_URL", "sqlite:a.db?mode=rwc")])
        .ends_with(0)
        .and_says("`.env` is a directory: no variables are read from it");
}

#[test]
fn a_reference_has_a_default_or_is_an_error_where_it_is_used() {
    let file = b"THEIRS=$NOWHERE\nNAME=${NOPE:-a}\nDATABASE_URL=sqlite:${NAME}.db?mode=rwc\n";
    let place_with_default = place(file);
    migrate(&place_with_default, &[])
        .ends_with(0)
        .and_says("target  sqlite:a.db");
    migrate(&place_with_default, &[("NOPE", "b")])
        .ends_with(0)
        .and_says("target  sqlite:b.db");
    let unset = place(b"NAME=${NOPE}\nDATABASE_URL=sqlite:x${NAME}.db?mode=rwc\n");
    migrate(&unset, &[])
        .ends_with(2)
        .and_says("`.env`: line 2, `DATABASE_URL`: the variable NAME is not set");
    // What our own file asks for is as good as used.
    std::fs::write(
        unset.path().join("wasmigrate.toml"),
        "database = \"sqlite:${NAME:-y}.db?mode=rwc\"\n",
    )
    .unwrap();
    migrate(&unset, &[])
        .ends_with(2)
        .and_says("`.env`: line 1, `NAME`: the variable NOPE is not set");
    migrate(&unset, &[("NAME", "z")])
        .ends_with(0)
        .and_says("target  sqlite:z.db");
}

#[test]
fn references_may_stand_in_each_other_and_other_forms_are_named() {
    let whole = place(b"DATABASE_URL=sqlite:${NO:-${B:-a}}.db?mode=rwc\n");
    migrate(&whole, &[])
        .ends_with(0)
        .and_says("target  sqlite:a.db");
    migrate(&whole, &[("B", "b")])
        .ends_with(0)
        .and_says("target  sqlite:b.db");
    for (url, said) in [
        ("sqlite:${A-x}.db", "`${A-x}` is not understood"),
        ("sqlite:${A:?x}.db", "`${A:?x}` is not understood"),
        ("sqlite:${A:-${B}", "`${A` is never closed"),
        ("\"sqlite:a.db", "its quotes are never closed"),
        ("'sqlite:a.db", "its quotes are never closed"),
    ] {
        let broken = place(format!("OURS=1\nDATABASE_URL={url}\n").as_bytes());
        let said_all = migrate(&broken, &[]).ends_with(2).and_says(said);
        said_all.and_says("`.env`: line 2, `DATABASE_URL`");
        // Nobody asks for it.
        migrate(&broken, &[("DATABASE_URL", "sqlite:c.db?mode=rwc")]).ends_with(0);
    }
    for url in ["sqlite:${A:-${B}}?mode=rwc", "sqlite:${A.b}?mode=rwc"] {
        let place = place(b"");
        migrate(&place, &[("DATABASE_URL", url)])
            .ends_with(2)
            .and_says("for which nobody has put in a value");
        assert!(!place.path().join(&url[7..]).exists(), "{url}");
    }
    migrate(
        &place(b""),
        &[("DATABASE_URL", "postgres://${USER}@localhost/a")],
    )
    .ends_with(2)
    .and_says("the database's `user` holds `${`");
    for (value, said) in [
        ("sqlite:${A-x}.db", "`${A-x}` is not understood"),
        ("sqlite:${A", "`${A` is never closed"),
    ] {
        let place = place(b"");
        let settings = format!("database = \"{value}\"\n");
        std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
        migrate(&place, &[]).ends_with(2).and_says(said);
    }
}

#[test]
fn a_value_in_quotes_may_have_lines() {
    let file = b"KEY=\"-----BEGIN\nDATABASE_URL=sqlite:no.db?mode=rwc\n-----END\"\nDATABASE_URL=sqlite:a.db?mode=rwc\n";
    migrate(&place(file), &[])
        .ends_with(0)
        .and_says("target  sqlite:a.db");
}

#[test]
fn a_carriage_return_alone_ends_a_line() {
    let place = place(b"DATABASE_URL=sqlite:a.db?mode=rwc\rX=1\rY=2");
    migrate(&place, &[])
        .ends_with(0)
        .and_says("target  sqlite:a.db (a new database");
    assert!(place.path().join("a.db").exists());
}

#[test]
fn an_address_has_no_control_characters() {
    for url in [
        "sqlite:a.db\rX=1",
        "sqlite:a\u{1b}[31m.db",
        "sqlite:a%0Db.db",
        "postgres://127.0.0.1/a\nb",
    ] {
        let place = place(b"");
        let said = migrate(
            &place,
            &[("DATABASE_URL", url), ("WASMIGRATE_CREATE", "true")],
        )
        .ends_with(2)
        .and_says("the address of the database has a control character in it");
        assert!(!said.stderr.contains(['\r', '\u{1b}']), "{said:#?}");
    }
}

#[test]
fn quotes_within_a_value_are_read_as_the_shell_does() {
    for (line, target) in [
        ("sqlite:'$X'.db?mode=rwc", "sqlite:$X.db"),
        ("\"sqlite:\"a.db?mode=rwc", "sqlite:a.db"),
        ("sqlite:\"$X\".db?mode=rwc", "sqlite:x.db"),
    ] {
        let place = place(format!("X=x\nDATABASE_URL={line}\n").as_bytes());
        migrate(&place, &[])
            .ends_with(0)
            .and_says(&format!("target  {target} (a new database"));
    }
    migrate(&place(b"DATABASE_URL=sqlite:it's.db\n"), &[])
        .ends_with(2)
        .and_says("line 1, `DATABASE_URL`: its quotes are never closed");
}

#[test]
fn variables_of_postgresql_count_here_too() {
    let place =
        place(b"PGUSER=ada\nPGPORT=1\nPGDATABASE=shop\nDATABASE_URL=postgres://127.0.0.1\n");
    migrate(&place, &[])
        .ends_with(2)
        .and_says("postgres://ada@127.0.0.1:1/shop");
    migrate(&place, &[("PGUSER", "bob")])
        .ends_with(2)
        .and_says("postgres://bob@127.0.0.1:1/shop");
}

#[test]
fn what_chooses_the_configuration_may_stand_in_it() {
    let file = |name: &str| {
        format!(
            "database = \"sqlite:{name}.db?mode=rwc\"\n[env.staging]\ndatabase = \"sqlite:staging.db?mode=rwc\"\n"
        )
    };
    let with = |dotenv: &str| {
        let place = place(dotenv.as_bytes());
        for name in ["prod", "wasmigrate"] {
            std::fs::write(place.path().join(format!("{name}.toml")), file(name)).unwrap();
        }
        place
    };
    let place = with("WASMIGRATE_CONFIG=prod.toml\n");
    migrate(&place, &[])
        .ends_with(0)
        .and_says("target  sqlite:prod.db");
    assert!(!place.path().join("wasmigrate.db").exists());
    migrate(&place, &[("WASMIGRATE_CONFIG", "wasmigrate.toml")])
        .ends_with(0)
        .and_says("target  sqlite:wasmigrate.db");
    // What it names is what is never written over.
    bare(&place, &["schema", "dump", "--output", "prod.toml"], &[])
        .ends_with(2)
        .and_says("it is the configuration");
    let place = with("WASMIGRATE_CONFIG=nosuch.toml\n");
    migrate(&place, &[])
        .ends_with(2)
        .and_says("cannot read the configuration `nosuch.toml`");
    let place = with("WASMIGRATE_CONFIG=$NOBODY\n");
    migrate(&place, &[])
        .ends_with(2)
        .and_says("line 1, `WASMIGRATE_CONFIG`");
    assert!(!place.path().join("wasmigrate.db").exists());
    migrate(&with("WASMIGRATE_ENV=staging\n"), &[])
        .ends_with(0)
        .and_says("target  sqlite:staging.db");
}

#[test]
fn the_password_of_the_service_may_be_named_in_it() {
    let place = place(b"INTERNAL_AUTH_PASSWORD_FILE=nosuch\nDATABASE_URL=sqlite:a.db?mode=rwc\n");
    bare(&place, &["serve", "--listen", "127.0.0.1:0"], &[])
        .ends_with(2)
        .and_says("cannot read the password from nosuch");
}

#[test]
fn commands_of_the_shell_are_not_taken_for_values() {
    for value in [
        "sqlite:$(hostname).db",
        "\"sqlite:$(hostname).db\"",
        "sqlite:`hostname`.db",
    ] {
        migrate(&place(format!("DATABASE_URL={value}\n").as_bytes()), &[])
            .ends_with(2)
            .and_says("line 1, `DATABASE_URL`")
            .and_says("asks for a command of the shell");
    }
    migrate(
        &place(b"THEIRS=$(date)\nDATABASE_URL='sqlite:$(a)`.db?mode=rwc'\n"),
        &[],
    )
    .ends_with(0)
    .and_says("target  sqlite:$(a)`.db");
}
