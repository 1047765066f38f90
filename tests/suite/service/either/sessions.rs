//! Sessions of browsers and the token of those who may only look: what each is good for, and what not.

use serde_json::{Value, json};

use crate::hosts::host::until;
use crate::place::Place;
use crate::service::client::{Answer, Request};
use crate::service::gated;
use crate::service::process::Service;

const READER: &str = "Bearer only-looking";

fn with_reader(place: &Place) -> Service {
    std::fs::write(place.path().join("reader"), "only-looking\n").unwrap();
    Service::start_with(place, &["--read-token-file", "reader"])
}

/// A request of the page itself, without any secret. The client's `Host` is `localhost`.
fn of_page(request: Request) -> Request {
    let request = request.without("Authorization");
    request.with("Origin", "http://localhost")
}

fn sign_in(service: &Service, secret: &str) -> Answer {
    let request = Request::post("/api/v1/session", &json!({ "secret": secret }));
    of_page(request).send(service.address())
}

/// What a browser sends back of an answer's cookie.
fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookie = answer.header("set-cookie").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

fn migrate() -> Request {
    Request::post("/api/v1/runs", &json!({ "command": "migrate" }))
}

#[test]
fn each_secret_begins_a_session_of_its_kind() {
    let place = gated();
    std::fs::write(place.path().join("password"), "with a line break\n").unwrap();
    let service = with_reader(&place);
    for (secret, access) in [
        ("with a line break", "full"),
        ("with a line break\n", "full"),
        ("let-me-in", "full"),
        (" let-me-in ", "full"),
        ("only-looking", "read-only"),
    ] {
        let answer = sign_in(&service, secret);
        let session = answer.header("set-cookie").unwrap();
        for attribute in [
            "; Path=/; ",
            "; HttpOnly",
            "; SameSite=Strict",
            "; Max-Age=",
        ] {
            assert!(session.contains(attribute), "{session}");
        }
        assert!(!session.contains("Secure"), "{session}");
        assert_eq!(answer.json()["access"], access, "{secret}");
        let known = Request::get("/api/v1/session").without("Authorization");
        let known = known
            .with("Cookie", &cookie(&answer))
            .send(service.address());
        assert_eq!(
            known.json(),
            json!({ "access": access, "has_secrets": true })
        );
    }
    for wrong in ["", "openslides", "let-me-in2", "Bearer let-me-in"] {
        let answer = sign_in(&service, wrong);
        answer.is_problem(401, "neither the password nor a token");
        assert_eq!(answer.header("set-cookie"), None);
    }
    let secure = Request::post("/api/v1/session", &json!({ "secret": "let-me-in" }));
    let secure = of_page(secure).with("Sec-Fetch-Site", "same-origin");
    let secure = secure
        .with("Origin", "https://db.example")
        .send(service.address());
    assert!(
        secure.header("set-cookie").unwrap().ends_with("; Secure"),
        "{secure:?}"
    );
}

#[test]
fn a_session_is_good_for_the_page_alone() {
    let place = gated();
    let service = Service::start(&place);
    let address = service.address();
    let session = cookie(&sign_in(&service, "let-me-in"));
    let look = Request::get("/api/v1/status").without("Authorization");
    assert_eq!(
        look.clone().with("Cookie", &session).send(address).status,
        200
    );
    look.clone()
        .with("Cookie", &(session.clone() + "x"))
        .send(address)
        .is_problem(401, "Bearer");
    look.send(address).is_problem(401, "Bearer");
    let command = migrate().with("Cookie", &session);
    let elsewhere = command.clone().without("Authorization");
    let page = of_page(command);
    for foreign in [
        elsewhere.clone(),
        elsewhere.with("Origin", "http://elsewhere"),
        page.clone().with("Origin", "http://localhost:3000"),
        page.clone().with("Origin", "null"),
        page.clone().with("Sec-Fetch-Site", "same-site"),
        page.clone().with("Sec-Fetch-Site", "cross-site"),
    ] {
        foreign
            .send(address)
            .is_problem(403, "from the page of this service alone");
    }
    assert_eq!(service.get("/api/v1/runs").json(), json!([]));
    // A wrong secret is not mended by a session.
    page.clone()
        .with("Authorization", "Bearer wrong")
        .send(address)
        .is_problem(401, "Bearer");
    assert_eq!(page.send(address).status, 202);
    let foreign = Request::post("/api/v1/session", &json!({ "secret": "let-me-in" }));
    foreign
        .with("Origin", "http://elsewhere")
        .send(address)
        .is_problem(403, "the page of this service alone");
    let mut out = of_page(Request::get("/api/v1/session"));
    out.method = "DELETE".to_owned();
    let out = out.with("Cookie", &session).send(address);
    assert_eq!(out.status, 204);
    assert!(
        out.header("set-cookie").unwrap().contains("Max-Age=0"),
        "{out:?}"
    );
}

#[test]
fn who_may_only_look_gives_no_command() {
    let place = gated();
    let service = with_reader(&place);
    let address = service.address();
    let session = cookie(&sign_in(&service, "only-looking"));
    let by_token = |request: Request| request.with("Authorization", READER);
    let by_cookie = |request: Request| of_page(request).with("Cookie", &session);
    for prove in [&by_token as &dyn Fn(Request) -> Request, &by_cookie] {
        for path in ["status", "steps", "steps/1", "runs", "advice", "verify"] {
            let answer = prove(Request::get(&format!("/api/v1/{path}"))).send(address);
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
        for path in ["runs", "runs/1/cancel", "rehearsal"] {
            let answer = prove(Request::post(&format!("/api/v1/{path}"), &Value::Null));
            answer
                .send(address)
                .is_problem(403, "may look and give no commands");
        }
    }
    let route = Request::post("/internal/migrations", &json!({ "cmd": "stats" }));
    by_token(route)
        .send(address)
        .is_refusal(403, "This token may only look");
    assert_eq!(service.get("/api/v1/runs").json(), json!([]));
}

#[test]
fn secrets_cannot_be_tried_out() {
    let place = gated();
    let service = Service::start(&place);
    for _ in 0..10 {
        sign_in(&service, "sesame").is_problem(401, "neither");
    }
    let answer = sign_in(&service, "let-me-in");
    answer.is_problem(429, "too many wrong passwords");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // Whoever knows the token is not kept out by those who do not.
    assert_eq!(service.get("/api/v1/status").status, 200);
}

#[test]
fn without_a_secret_the_page_is_told_that_nobody_can_sign_in() {
    let place = gated();
    let service = Service::start_without_secrets(&place);
    let session = Request::get("/api/v1/session").send(service.address());
    assert_eq!(
        session.json(),
        json!({ "access": null, "has_secrets": false })
    );
    sign_in(&service, "").is_problem(401, "neither");
}

#[test]
fn a_session_outlives_the_host_and_its_cache() {
    let place = gated();
    let start = |cache| Service::start_with(&place, &["--cache", cache]);
    let session = cookie(&sign_in(&start("one"), "let-me-in"));
    let look = of_page(Request::get("/api/v1/status")).with("Cookie", &session);
    assert_eq!(look.send(start("other").address()).status, 200);
}

#[test]
fn a_secret_that_is_changed_ends_the_sessions_that_were_begun_with_it() {
    let place = gated();
    let service = with_reader(&place);
    let session = |secret| cookie(&sign_in(&service, secret));
    let (full, reader) = (session("let-me-in"), session("only-looking"));
    let status = |session: &str| {
        let look = of_page(Request::get("/api/v1/status")).with("Cookie", session);
        look.send(service.address()).status
    };
    assert_eq!((status(&full), status(&reader)), (200, 200));
    let token = place.path().join("token");
    std::fs::write(&token, "let-me-out").unwrap();
    until("the new token is known", || status(&full) == 401);
    assert_eq!(status(&reader), 200);
    std::fs::write(&token, "let-me-in").unwrap();
    until("the old token is known", || status(&full) == 200);
}

/// Three tokens with names, one of each role.
fn named(place: Place) -> Place {
    let mut settings = String::new();
    for role in ["read", "operate", "finalize"] {
        settings += &format!(
            "[[token]]\nname = \"{role}er\"\nrole = \"{role}\"\ntoken_file = \"{role}er\"\n"
        );
        let token = place.path().join(format!("{role}er"));
        std::fs::write(token, format!("i-{role}\n")).unwrap();
    }
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
    place
}

fn by(role: &str, request: Request) -> Request {
    request.with("Authorization", &format!("Bearer i-{role}"))
}

#[test]
fn each_role_may_do_its_part() {
    let place = named(gated());
    let service = Service::start(&place);
    let address = service.address();
    let command = |command: &str| Request::post("/api/v1/runs", &json!({ "command": command }));
    for role in ["read", "operate", "finalize"] {
        let look = by(role, Request::get("/api/v1/status"));
        assert_eq!(look.send(address).status, 200, "{role}");
        let metrics = by(role, Request::get("/api/v1/lease"));
        assert_eq!(metrics.send(address).status, 200, "{role}");
    }
    by("read", command("migrate"))
        .send(address)
        .is_problem(403, "may look and give no commands");
    for denied in [
        command("finalize"),
        command("reset"),
        Request::post("/api/v1/repair", &json!({})),
        Request::post("/api/v1/lease/break", &json!({ "reason": "x" })),
        Request::post("/api/v1/baseline", &json!({ "through": 1 })),
        Request::post("/api/v1/import", &json!({ "from": "sqlx" })),
        Request::post("/api/v1/tenants", &json!({ "name": "acme" })),
    ] {
        by("operate", denied)
            .send(address)
            .is_problem(403, "one with the role `finalize`");
    }
    let route = |command: &str| Request::post("/internal/migrations", &json!({ "cmd": command }));
    by("operate", route("finalize"))
        .send(address)
        .is_refusal(403, "one with the role `finalize`");
    assert_eq!(service.get("/api/v1/runs").json(), json!([]));
    assert_eq!(by("operate", command("migrate")).send(address).status, 202);
    assert_eq!(service.outcome(1), "done");
    assert_eq!(
        by("finalize", command("finalize")).send(address).status,
        202
    );
    assert_eq!(service.outcome(2), "done");
    let runs = service.get("/api/v1/runs").json();
    assert_eq!(runs[0]["commanded_by"]["name"], "finalizeer");
    assert_eq!(runs[1]["commanded_by"]["name"], "operateer");
    place
        .run(&["history"])
        .ends_with(0)
        .and_says("commanded by operateer by the API, from 127.0.0.1");
    let page = cookie(&sign_in(&service, "i-operate"));
    let of_page = of_page(command("reset")).with("Cookie", &page);
    of_page
        .send(address)
        .is_problem(403, "one with the role `finalize`");
}

#[test]
fn a_token_is_replaced_by_another_while_both_are_known() {
    let place = named(gated());
    let service = Service::start(&place);
    let status = |token: &str| {
        let look = Request::get("/api/v1/status");
        let look = look.with("Authorization", &format!("Bearer {token}"));
        look.send(service.address()).status
    };
    assert_eq!((status("i-read"), status("new")), (200, 401));
    let file = place.path().join("reader");
    std::fs::write(&file, "i-read\nnew\n").unwrap();
    until("the new token is known", || status("new") == 200);
    assert_eq!(status("i-read"), 200);
    std::fs::write(&file, "new\n").unwrap();
    until("the old token is forgotten", || status("i-read") == 401);
    assert_eq!(status("new"), 200);
    // What cannot be read leaves all as it is.
    std::fs::write(&file, "").unwrap();
    until("it is told", || {
        let logs = service.logs();
        logs.iter().any(|line| line.contains("cannot be read anew"))
    });
    assert_eq!(status("new"), 200);
}

#[test]
fn tokens_that_would_be_mistaken_for_each_other_are_refused() {
    for (name, role, token, says) in [
        (
            "reader",
            "operate",
            "other",
            "two secrets of the name `reader`",
        ),
        (
            "other",
            "finalize",
            "i-read",
            "are the same, and allow different things",
        ),
        ("a b", "read", "other", "a name is 1 to 64 letters"),
        ("other", "admin", "other", "admin"),
    ] {
        let place = named(gated());
        let file = place.path().join("wasmigrate.toml");
        let mut settings = std::fs::read_to_string(&file).unwrap();
        settings +=
            &format!("[[token]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken_file = \"more\"\n");
        std::fs::write(place.path().join("more"), token).unwrap();
        std::fs::write(file, settings).unwrap();
        place
            .run(&["serve", "--listen", "127.0.0.1:0"])
            .ends_with(2)
            .and_says(says);
    }
}

#[test]
fn the_page_and_all_its_parts_are_served_with_headers_that_forbid_the_rest() {
    let place = gated();
    let service = Service::start(&place);
    let fetch = |path: &str| {
        Request::get(path)
            .without("Authorization")
            .send(service.address())
    };
    let page = fetch("/");
    assert_eq!(page.media_type(), "text/html");
    let mut bytes = page.body.len();
    let mut waiting: Vec<String> = vec![
        "dashboard/main.js".into(),
        "dashboard/page.css".into(),
        "dashboard/icon.svg".into(),
    ];
    let mut seen = Vec::new();
    while let Some(path) = waiting.pop() {
        let part = fetch(&format!("/{path}"));
        assert_eq!(part.status, 200, "{path}");
        assert_eq!(
            part.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        let tag = part.header("etag").unwrap();
        let again = Request::get(&format!("/{path}"))
            .with("If-None-Match", tag)
            .send(service.address());
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        bytes += part.body.len();
        for import in part.body.split("from \"./").skip(1) {
            let import = format!("dashboard/{}", import.split('"').next().unwrap());
            if !seen.contains(&import) && !waiting.contains(&import) {
                waiting.push(import);
            }
        }
        seen.push(path);
    }
    assert!(seen.len() > 15, "{seen:?}");
    assert!(bytes < 200_000, "{bytes} bytes");
    let policy = page.header("content-security-policy").unwrap();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(page.header(name), Some(value));
    }
    let answer = service.get("/api/v1/status");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}
