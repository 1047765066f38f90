//! The checks of a request, in their order: of two things that are wrong, the first is named.

use super::client::Request;
use super::service::Service;
use super::{AT_ONCE, DIALECTS, obedient};

const NOT_FOUND: &str = "The requested URL was not found on the server.";
const NOT_ALLOWED: &str = "The method is not allowed for the requested URL.";
const MEDIA_TYPE: &str = "Wrong media type. Use 'Content-Type: application/json' instead.";
const NOT_BASE64: &str = "The internal auth password must be correctly base64-encoded.";
const NO_PASSWORD: &str = "Missing INTERNAL_AUTH_PASSWORD_FILE.";
const NO_OBJECT: &str =
    "The browser (or proxy) sent a request that this server could not understand.";

/// Each dialect's paths, and the configured one's.
fn paths() -> Vec<String> {
    let named = DIALECTS.map(|dialect| format!("/internal/migrations/dialects/{dialect}"));
    named
        .into_iter()
        .chain(["/internal/migrations".to_owned()])
        .flat_map(|path| [format!("{path}/"), path])
        .collect()
}

/// What can be wrong with a request.
struct Mistake {
    /// The part of a request that is wrong; it can only be so in one way.
    part: &'static str,
    make: fn(Request) -> Request,
    status: u16,
    /// How the message begins; empty where its words are the server's own.
    message: &'static str,
}

const fn mistake(
    part: &'static str,
    make: fn(Request) -> Request,
    status: u16,
    message: &'static str,
) -> Mistake {
    Mistake {
        part,
        make,
        status,
        message,
    }
}

/// In the order of the checks.
const MISTAKES: [Mistake; 10] = [
    mistake(
        "path",
        |request| request.below("/elsewhere"),
        404,
        NOT_FOUND,
    ),
    mistake(
        "method",
        |request| request.with_method("PUT"),
        405,
        NOT_ALLOWED,
    ),
    mistake(
        "media type",
        |request| request.with("Content-Type", "text/html"),
        400,
        MEDIA_TYPE,
    ),
    mistake(
        "body",
        |request| request.with_body("{\"cmd\": stats}"),
        400,
        "Failed to decode JSON object: expected value at line 1 column 9",
    ),
    mistake(
        "authorization",
        |request| request.without("Authorization"),
        401,
        "",
    ),
    mistake(
        "authorization",
        |request| request.with("Authorization", "openslides!"),
        400,
        NOT_BASE64,
    ),
    mistake(
        "authorization",
        |request| request.with("Authorization", "d3Jvbmc="),
        401,
        "",
    ),
    mistake("body", |request| request.with_body("[]"), 400, NO_OBJECT),
    mistake(
        "body",
        |request| request.with_body("{}"),
        400,
        "No command provided",
    ),
    mistake(
        "body",
        |request| request.with_body(r#"{"cmd": "fly"}"#),
        400,
        "Unknown command: fly",
    ),
];

/// Sends a request with some mistakes, of which the first is answered.
#[track_caller]
fn names_the_first(service: &Service, path: &str, mistakes: &[&Mistake]) {
    let request = mistakes.iter().fold(
        Request::post(path, r#"{"cmd": "stats"}"#),
        |request, mistake| (mistake.make)(request),
    );
    let answer = service.send(request.clone());
    assert_eq!(
        answer.status, mistakes[0].status,
        "{request:?}: {answer:#?}"
    );
    let message = answer.refusal();
    match mistakes[0].message {
        "" => assert!(!message.is_empty(), "{request:?}"),
        expected => assert_eq!(message, expected, "{request:?}"),
    }
    let allowed = (answer.status == 405).then_some("POST");
    assert_eq!(answer.header("Allow"), allowed, "{answer:#?}");
}

#[test]
fn each_mistake_is_named_on_each_path() {
    let place = obedient();
    let service = Service::start(&place, AT_ONCE);
    for path in paths() {
        service
            .send(Request::post(&path, r#"{"cmd": "stats"}"#))
            .succeeds();
        for mistake in &MISTAKES {
            names_the_first(&service, &path, &[mistake]);
        }
    }
}

#[test]
fn of_two_mistakes_the_earlier_is_named() {
    let place = obedient();
    let service = Service::start(&place, AT_ONCE);
    for (number, first) in (1..).zip(&MISTAKES) {
        for second in MISTAKES
            .iter()
            .skip(number)
            .filter(|second| second.part != first.part)
        {
            names_the_first(&service, "/internal/migrations/", &[first, second]);
        }
    }
}

/// Without a password, every one that is base64 is answered alike: before the body's content is looked at, and after all
/// other checks.
#[test]
fn a_service_without_a_password_says_so_in_its_turn() {
    let place = obedient();
    let service = Service::start_with(&place, AT_ONCE, &[]);
    let missing = mistake("authorization", |request| request, 500, NO_PASSWORD);
    names_the_first(&service, "/internal/migrations/", &[&missing]);
    for other in MISTAKES
        .iter()
        .filter(|other| other.part != "authorization")
    {
        let comes_before = other.message == MISTAKES[3].message || other.part != "body";
        match comes_before {
            true => names_the_first(&service, "/internal/migrations/", &[other, &missing]),
            false => names_the_first(&service, "/internal/migrations/", &[&missing, other]),
        }
    }
    for mistake in &MISTAKES[4..6] {
        names_the_first(&service, "/internal/migrations/", &[mistake]);
    }
}

#[test]
fn only_post_is_allowed() {
    let place = obedient();
    let service = Service::start(&place, AT_ONCE);
    for path in paths() {
        for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FLY"] {
            let answer = service.send(Request::new(method, &path));
            answer.refuses(405, NOT_ALLOWED);
            assert_eq!(answer.header("Allow"), Some("POST"), "{method} {path}");
        }
    }
}

#[test]
fn one_trailing_slash_and_a_query_are_tolerated() {
    let place = obedient();
    let service = Service::start(&place, AT_ONCE);
    let stats = r#"{"cmd": "stats"}"#;
    for path in paths() {
        for query in ["?", "?cmd=reset", "?a=b&c=%ff/x"] {
            let path = path.clone() + query;
            service.send(Request::post(&path, stats)).succeeds();
        }
    }
    for path in [
        "/",
        "/internal",
        "/internal/",
        "/internal/migrations//",
        "/Internal/migrations/",
        "/internal/Migrations",
        "//internal/migrations/",
        "/internal/migrations/current/",
        "/internal/migrations/dialects",
        "/internal/migrations/dialects/",
        "/internal/migrations/dialects/latest/",
        "/internal/migrations/dialects/Current/",
        "/internal/migrations/dialects/full_output/",
        "/internal/migrations/dialects/%ff/",
        "/internal/migrations/dialects/current//",
    ] {
        service
            .send(Request::post(path, stats))
            .refuses(404, NOT_FOUND);
        // There is a page for people at the root.
        if path == "/" {
            continue;
        }
        let get = Request::post(path, stats).with_method("GET");
        service.send(get).refuses(404, NOT_FOUND);
    }
}

#[test]
fn a_media_type_is_json_whatever_its_parameters_and_prefix() {
    let place = obedient();
    let service = Service::start(&place, AT_ONCE);
    let stats = Request::post("/internal/migrations/", r#"{"cmd": "stats"}"#);
    for accepted in [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=latin-1",
        "application/json ; a=\"b;c\"",
        "Application/JSON",
        "application/vnd.api+json",
        "application/problem+json; charset=utf-8",
    ] {
        service
            .send(stats.clone().with("Content-Type", accepted))
            .succeeds();
    }
    for refused in [
        "",
        "application/jsonp",
        "application/json5",
        "application",
        "json",
        "text/json",
        "text/plain; a=application/json",
        "application/x-www-form-urlencoded",
        "application/+xml",
        "\u{e9}/json",
    ] {
        let answer = service.send(stats.clone().with("Content-Type", refused));
        answer.refuses(400, MEDIA_TYPE);
    }
    service
        .send(stats.without("Content-Type"))
        .refuses(400, MEDIA_TYPE);
}
