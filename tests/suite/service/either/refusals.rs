//! What the service refuses to start with.

use std::net::TcpListener;

use crate::place::{Place, Said};

/// A service that does not start, and says why.
#[track_caller]
fn refused(place: &Place, arguments: &[&str]) -> Said {
    let all = [&["serve"], arguments].concat();
    let child = place.start(&all);
    let id = child.id();
    let (ended, has_ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait_with_output().unwrap()));
    let output = has_ended.recv_timeout(std::time::Duration::from_secs(30));
    let Ok(output) = output else {
        crate::hosts::host::signal(id, "KILL");
        panic!("it started with {arguments:?}");
    };
    let said = Said::from(output).ends_with(2);
    assert!(!said.stderr.contains("listening"), "{said:#?}");
    said
}

#[test]
fn other_machines_are_let_in_with_a_secret_only() {
    let place = Place::new();
    for address in ["0.0.0.0:0", "[::]:0"] {
        refused(&place, &["--listen", address])
            .and_says(&format!("{address} can be reached from other machines"))
            .and_says("--password-file")
            .and_says("--token-file");
    }
    refused(&place, &["--listen", "0.0.0.0:0", "--development"])
        .and_says("development mode is for loopback addresses, and 0.0.0.0:0 is none");
}

#[test]
fn a_secret_must_be_there() {
    let place = Place::new();
    std::fs::write(place.path().join("empty"), "").unwrap();
    std::fs::write(place.path().join("blank"), " \n").unwrap();
    std::fs::write(place.path().join("bytes"), [0xff, 0xfe]).unwrap();
    std::fs::create_dir(place.path().join("directory")).unwrap();
    for (flag, what) in [("--password-file", "password"), ("--token-file", "token")] {
        for file in ["missing", "directory"] {
            refused(&place, &["--listen", "127.0.0.1:0", flag, file])
                .and_says(&format!("cannot read the {what} from {file}"));
        }
        refused(&place, &["--listen", "127.0.0.1:0", flag, "empty"])
            .and_says(&format!("the {what} in empty is empty"));
    }
    refused(
        &place,
        &["--listen", "127.0.0.1:0", "--token-file", "blank"],
    )
    .and_says("the token in blank is empty");
    refused(
        &place,
        &["--listen", "127.0.0.1:0", "--token-file", "bytes"],
    )
    .and_says("the token is not text");
    let place = place.with_variable("INTERNAL_AUTH_PASSWORD_FILE", "nowhere");
    refused(&place, &["--listen", "127.0.0.1:0"]).and_says("cannot read the password from nowhere");
}

#[test]
fn an_address_must_be_free() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&Place::new(), &["--listen", &address])
        .and_says(&format!("cannot listen on {address}"))
        .and_says("in use");
}

#[test]
fn flags_and_settings_must_be_known() {
    let place = Place::new();
    refused(&place, &["--listen", "localhost"]).and_says("invalid value 'localhost'");
    refused(&place, &["--dialect", "klingon"]).and_says("full-output");
    refused(&place, &["--log-format", "xml"]).and_says("json");
    refused(&place, &["--port", "9002"]).and_says("unexpected argument '--port'");
    let listening = &["--listen", "127.0.0.1:0"];
    refused(
        &place
            .copy()
            .with_variable("WASMIGRATE_SERVE_LISTEN", "here"),
        &[],
    )
    .and_says("listen");
    refused(
        &place.with_variable("WASMIGRATE_SERVE_PORT", "1"),
        listening,
    )
    .and_says("WASMIGRATE_SERVE_PORT");
}

#[test]
fn who_may_only_look_needs_a_token_of_their_own() {
    let place = Place::new();
    std::fs::write(place.path().join("token"), "same").unwrap();
    let tokens = ["--token-file", "token", "--read-token-file", "token"];
    refused(
        &place,
        &[&["--listen", "127.0.0.1:0"], &tokens[..]].concat(),
    )
    .and_says("are the same, and allow different things");
}
