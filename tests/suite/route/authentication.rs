//! Who may ask: the password in base64 without a scheme, or the token with one.

use super::client::{Answer, Request};
use super::service::Service;
use super::{AT_ONCE, obedient};
use crate::place::Place;

const NOT_BASE64: &str = "The internal auth password must be correctly base64-encoded.";

const DEVELOPMENT: &str = "b3BlbnNsaWRlcw==";
const SECRET: &str = "c2VjcmV0";
const SECRET_AND_NEW_LINE: &str = "c2VjcmV0Cg==";

fn stats(service: &Service, authorization: &str) -> Answer {
    let stats = Request::post("/internal/migrations/", r#"{"cmd": "stats"}"#);
    service.send(stats.with("Authorization", authorization))
}

#[track_caller]
fn is_unauthorized(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer:#?}");
    assert_ne!(answer.refusal(), "");
}

/// Writes a file beside the database and returns its path.
fn file(place: &Place, name: &str, content: &str) -> String {
    let path = place.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn development_mode_has_a_password_that_everybody_knows() {
    let place = obedient();
    let service = Service::start(&place, AT_ONCE);
    stats(&service, DEVELOPMENT).succeeds();
    let absent = Request::post("/internal/migrations/", r#"{"cmd": "stats"}"#);
    is_unauthorized(&service.send(absent.without("Authorization")));
    for wrong in [
        "",
        SECRET,
        "b3BlbnNsaWRl",
        "b3BlbnNsaWRlcwo=",
        "T3BlblNsaWRlcw==",
        "Bearer openslides",
        "Bearer b3BlbnNsaWRlcw==",
    ] {
        is_unauthorized(&stats(&service, wrong));
    }
    for unreadable in [
        "openslides!",
        "b3BlbnNsaWRlcw",
        "b3BlbnNsaWRlcw===",
        "Basic b3BlbnNsaWRlcw==",
        "b3Blb nNsaWRlcw==",
        "\u{e9}",
    ] {
        stats(&service, unreadable).refuses(400, NOT_BASE64);
    }
}

#[test]
fn the_password_is_the_whole_content_of_its_file() {
    let place = obedient();
    let password = file(&place, "password", "secret\n");
    let place = place.with_variable("INTERNAL_AUTH_PASSWORD_FILE", &password);
    // A password wins over development mode.
    for options in [&[][..], &["--development"]] {
        let service = Service::start_with(&place, AT_ONCE, options);
        stats(&service, SECRET_AND_NEW_LINE).succeeds();
        is_unauthorized(&stats(&service, SECRET));
        is_unauthorized(&stats(&service, DEVELOPMENT));
    }
    let bare = file(&place, "bare", "secret");
    let service = Service::start_with(&place, AT_ONCE, &["--password-file", &bare]);
    stats(&service, SECRET).succeeds();
    is_unauthorized(&stats(&service, SECRET_AND_NEW_LINE));
}

#[test]
fn a_password_may_be_any_bytes() {
    let place = obedient();
    let path = place.path().join("password");
    std::fs::write(&path, [0, 0xff, b'\n', 0xfe]).unwrap();
    let service = Service::start_with(
        &place,
        AT_ONCE,
        &["--password-file", path.to_str().unwrap()],
    );
    stats(&service, "AP8K/g==").succeeds();
    is_unauthorized(&stats(&service, "AP8K"));
}

#[test]
fn a_token_comes_with_its_scheme() {
    let place = obedient();
    let token = file(&place, "token", "sesame\n");
    let service = Service::start_with(&place, AT_ONCE, &["--token-file", &token]);
    for right in ["Bearer sesame", "bearer sesame", "BEARER  sesame"] {
        stats(&service, right).succeeds();
    }
    for wrong in ["Bearer sesam", "Bearer sesame2", "Bearer SESAME", "Bearer "] {
        assert_ne!(stats(&service, wrong).status, 200, "{wrong}");
    }
    is_unauthorized(&stats(&service, "Bearer wrong"));
    // There is a token, but no password to compare this with.
    stats(&service, SECRET).refuses(500, "Missing INTERNAL_AUTH_PASSWORD_FILE.");
}

#[test]
fn password_and_token_are_both_accepted() {
    let place = obedient();
    let token = file(&place, "token", "sesame");
    let service = Service::start_with(&place, AT_ONCE, &["--development", "--token-file", &token]);
    stats(&service, "Bearer sesame").succeeds();
    stats(&service, DEVELOPMENT).succeeds();
}
