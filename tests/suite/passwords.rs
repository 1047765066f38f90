//! A password in the wrong place of an address: it is shown nowhere, and does not become a name on the server.

use crate::place::{Place, Said};
use crate::target::bare;

const SECRET: &str = "S3CRET";

#[track_caller]
fn keeps_the_secret(said: &Said, address: &str) {
    assert!(
        !format!("{said:?}").contains(SECRET),
        "{address}: {said:#?}"
    );
}

#[test]
fn a_password_in_the_wrong_place_of_an_address_is_refused_and_not_shown() {
    let place = Place::new().with_sql("0001_made.sql", "CREATE TABLE made (a INTEGER);");
    let config = place.path().join("wasmigrate.toml");
    for address in [
        "postgres://u@127.0.0.1:1/x&password=S3CRET",
        "postgres://u@127.0.0.1:1/x;password=S3CRET",
        "postgres://u@127.0.0.1:1/x%26password%3DS3CRET",
        "postgres://u@127.0.0.1:1/x,PASSWORD = S3CRET",
        "postgres://u;pwd=S3CRET@127.0.0.1:1/x",
        "postgres://u@h;password=S3CRET/d",
        "postgres://u@h/d?host=127.0.0.1;password=S3CRET",
        "postgres://u@127.0.0.1:1/d?application_name=x;password=S3CRET",
        "postgres://u@127.0.0.1:1/d?sslrootcert=/x;sslpassword=S3CRET",
        "postgres://127.0.0.1:1/d?user=u:S3CRET",
        "host=127.0.0.1;port=1;user=u;password=S3CRET;dbname=d",
        "host=127.0.0.1,port=1,user=u,password=S3CRET,dbname=d",
        "user=u;password=S3CRET host=127.0.0.1 port=1",
        "host=127.0.0.1 port=1 dbname=d user=u&password=S3CRET",
        "host=127.0.0.1 port=1 dbname=d user=u:S3CRET",
        "host=u:S3CRET@127.0.0.1 port=1 user=u",
        "host=127.0.0.1 port=1 user=u dbname=postgres://u:S3CRET@h/d",
        "host=127.0.0.1 port=1 user=u dbname=u:S3CRET@h/d",
        "sqlite://u:S3CRET@h/x",
        "sqlite:u:S3CRET@h/x.db?mode=rwc",
        "sqlite:u%3AS3CRET@h/x.db",
        "sqlite://u:a?S3CRET@h/x",
        "sqlite:x.db;Password=S3CRET",
        "sqlite:x.db?S3CRET",
    ] {
        let said = bare(&place, &["migrate", "--database", address], &[]).ends_with(2);
        keeps_the_secret(&said, address);
        assert!(
            !said.stderr.contains("cannot connect"),
            "{address}: {said:#?}"
        );
        let variable = [("DATABASE_URL", address)];
        keeps_the_secret(
            &bare(&place, &["plan", "--json"], &variable).ends_with(2),
            address,
        );
        // With the option forgotten, as far as it can be told what it is.
        if !address.ends_with("?S3CRET") {
            let said = bare(&place, &["migrate", address], &[]).ends_with(2);
            keeps_the_secret(&said, address);
        }
        for arguments in [
            &["test", "--on", "postgres", "--server", address][..],
            &["test", "--against", address],
            &["squash", "--to", "1", "--server", address],
        ] {
            let target = [("DATABASE_URL", "postgres://u@127.0.0.1:1/d")];
            keeps_the_secret(&bare(&place, arguments, &target), address);
        }
        std::fs::write(&config, format!("database = \"{address}\"\n")).unwrap();
        keeps_the_secret(&bare(&place, &["status"], &[]).ends_with(2), address);
        std::fs::remove_file(&config).unwrap();
    }
    let files = std::fs::read_dir(place.path()).unwrap();
    let files: Vec<_> = files.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["migrations"]);
}

#[test]
fn variables_that_name_the_server_keep_the_secret_too() {
    let place = Place::new().with_sql("0001_made.sql", "CREATE TABLE made (a INTEGER);");
    for (name, value) in [
        ("PGDATABASE", "d;password=S3CRET"),
        ("PGUSER", "u&password=S3CRET"),
        ("PGAPPNAME", "x;password=S3CRET"),
        ("PGHOST", "u:S3CRET@127.0.0.1"),
    ] {
        let variables = [
            ("DATABASE_URL", "postgres://"),
            ("USER", "u"),
            ("PGPORT", "1"),
            (name, value),
        ];
        let said = bare(&place, &["migrate"], &variables)
            .ends_with(2)
            .and_says("holds what looks like a password");
        keeps_the_secret(&said, name);
    }
}

#[test]
fn a_file_that_is_called_like_an_address_is_a_file_when_it_is_there() {
    let place = Place::new().with_sql("0001_made.sql", "CREATE TABLE made (a INTEGER);");
    std::fs::write(place.path().join("12:30@night.db"), "").unwrap();
    bare(
        &place,
        &["migrate", "--database", "sqlite:12:30@night.db"],
        &[],
    )
    .ends_with(0)
    .and_says("0001_made migrated");
}
