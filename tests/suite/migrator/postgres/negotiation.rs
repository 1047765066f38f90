//! Paths, methods, headers, and who is let in.

use super::{APPLY, Fleet, get, post, refused, request};
use crate::service::process::TOKEN;

#[test]
fn programs_get_the_release_and_browsers_the_dashboard() {
    let fleet = Fleet::new().with_files();
    let service = fleet.serve();
    for accept in ["*/*", "application/json", ""] {
        let mut request = request("GET", "/", "");
        if !accept.is_empty() {
            request = request.with("Accept", accept);
        }
        let answer = request.send(service.address());
        assert_eq!(answer.status, 200, "{accept}: {answer:?}");
        let expected = r#"{"release":"0.1.0","commitSha":"","commitDate":"","apiVersions":["v1"]}"#;
        assert_eq!(answer.body, expected, "{accept}");
        assert_eq!(answer.header("vary"), Some("accept"));
    }
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let answer = request("GET", "/", "")
        .with("Accept", browser)
        .send(service.address());
    assert_eq!((answer.status, answer.media_type()), (200, "text/html"));
    assert!(answer.header("content-security-policy").is_some());
}

#[test]
fn a_slash_at_the_end_leads_to_the_path_without_it() {
    let fleet = Fleet::new().with_files();
    let service = fleet.serve();
    for (method, path, status) in [
        ("GET", "/v1/config", 301),
        ("GET", "/v1/migrations/source", 301),
        ("GET", "/v1/migrations/applied", 301),
        ("GET", "/v1/tenants", 301),
        ("POST", "/v1/migrations", 307),
        ("POST", "/v1/tenants", 307),
    ] {
        let answer = request(method, &format!("{path}/?a=b"), APPLY).send(service.address());
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("location"), Some(&*format!("{path}?a=b")));
    }
    assert!(!fleet.has_schema("ref"));
}

#[test]
fn other_methods_and_paths_are_refused_in_json() {
    let fleet = Fleet::new().with_files();
    let service = fleet.serve();
    for (method, path, allowed) in [
        ("POST", "/v1/config", "GET,HEAD"),
        ("DELETE", "/v1/migrations/source", "GET,HEAD"),
        ("PUT", "/v1/migrations/applied", "GET,HEAD"),
        ("GET", "/v1/migrations", "POST"),
        ("HEAD", "/v1/migrations", "POST"),
        ("PATCH", "/v1/tenants", "GET,HEAD,POST"),
        ("POST", "/", "GET,HEAD"),
    ] {
        let answer = request(method, path, APPLY).send(service.address());
        assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
        let body = match method {
            "HEAD" => "",
            _ => r#"{"error":"405 method not allowed"}"#,
        };
        assert_eq!(answer.body, body, "{method} {path}");
    }
    for path in [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/migrations/nothing",
        "/v1/config/a",
    ] {
        let answer = get(&service, path);
        assert_eq!(
            (answer.status, &*answer.body),
            (404, r#"{"error":"404 page not found"}"#)
        );
    }
    for path in [
        "/v1/config",
        "/v1/migrations/source",
        "/v1/migrations/applied",
        "/v1/tenants",
    ] {
        let answer = request("HEAD", path, "").send(service.address());
        assert_eq!((answer.status, &*answer.body), (200, ""), "{path}");
    }
}

#[test]
fn every_answer_says_that_it_is_deprecated_and_which_it_answers() {
    let fleet = Fleet::new().with_files();
    let service = fleet.serve();
    for (method, path, status) in [
        ("GET", "/v1/config", 200),
        ("GET", "/v1/tenants", 200),
        ("POST", "/v1/migrations", 400),
        ("PUT", "/v1/migrations", 405),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/config/", 301),
    ] {
        let answer = request(method, path, "")
            .with("X-Request-ID", "mine-7")
            .send(service.address());
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(
            answer.header("deprecation"),
            Some(r#"version="v2020.1.0""#),
            "{method} {path}"
        );
        let link = answer.header("link").unwrap();
        assert!(link.ends_with(r#">; rel="successor-version""#), "{link}");
        assert_eq!(answer.header("x-request-id"), Some("mine-7"));
    }
    let answer = get(&service, "/");
    assert_eq!(answer.header("deprecation"), None);
    assert!(
        answer
            .header("x-request-id")
            .is_some_and(|id| !id.is_empty())
    );
    assert_eq!(get(&service, "/healthz").header("deprecation"), None);
}

#[test]
fn all_of_it_can_be_behind_a_prefix() {
    let fleet = Fleet::new().with_files();
    fleet.configure("pathPrefix: /migrator\n");
    let service = fleet.serve();
    assert_eq!(post(&service, "/migrator/v1/migrations", APPLY).status, 200);
    for path in ["/migrator", "/migrator/"] {
        assert!(get(&service, path).body.contains("apiVersions"), "{path}");
    }
    let answer = get(&service, "/migrator/v1/tenants/");
    assert_eq!(
        (answer.status, answer.header("location")),
        (301, Some("/migrator/v1/tenants"))
    );
    assert_eq!(get(&service, "/migrator/v1/nothing").status, 404);
    assert_eq!(get(&service, "/v1/tenants").status, 404);
    assert!(get(&service, "/v1/config").header("deprecation").is_none());
    assert_eq!(get(&service, "/healthz").status, 200);
}

#[test]
fn with_the_prefix_of_our_own_api_both_answer() {
    let fleet = Fleet::new().with_files();
    fleet.configure("pathPrefix: /api\n");
    let service = fleet.serve_with_token();
    let theirs = service.get("/api/v1/tenants");
    assert_eq!((theirs.status, &*theirs.body), (200, "[]"));
    assert_eq!(service.get("/api/v1/config").status, 200);
    let ours = service.get("/api/v1/status");
    assert_eq!(ours.status, 200, "{ours:?}");
    assert!(ours.json()["state"].is_string());
    service
        .get("/api/v1/nothing")
        .is_problem(404, "no such resource");
}

#[test]
fn where_there_is_a_token_it_is_demanded() {
    let fleet = Fleet::new().with_files();
    std::fs::write(fleet.place.path().join("token"), TOKEN).unwrap();
    std::fs::write(fleet.place.path().join("reader"), "only-look").unwrap();
    let service = fleet.serve_with(&["--token-file", "token", "--read-token-file", "reader"]);
    for (method, path) in [
        ("GET", "/v1/config"),
        ("GET", "/v1/migrations/source"),
        ("GET", "/v1/migrations/applied"),
        ("GET", "/v1/tenants"),
        ("POST", "/v1/migrations"),
        ("POST", "/v1/tenants"),
    ] {
        for secret in [None, Some("Bearer wrong"), Some("d3Jvbmc=")] {
            let mut request = request(method, path, APPLY);
            if let Some(secret) = secret {
                request = request.with("Authorization", secret);
            }
            let answer = request.send(service.address());
            refused(&answer, 401, "not authenticated");
            assert!(answer.header("deprecation").is_some());
        }
        let answer = request(method, path, "")
            .with("Authorization", "Bearer only-look")
            .send(service.address());
        match method {
            "GET" => assert_eq!(answer.status, 200, "{path}"),
            _ => refused(&answer, 403, "give no commands"),
        }
    }
    assert!(!fleet.has_schema("ref"), "something was applied");
    let answer = request("POST", "/v1/migrations", APPLY)
        .with("Authorization", &format!("Bearer {TOKEN}"))
        .send(service.address());
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn without_a_token_pages_of_browsers_give_no_commands_and_others_cannot_reach_it() {
    let fleet = Fleet::new().with_files();
    let service = fleet.serve();
    for origin in [
        "https://elsewhere.example",
        "null",
        &format!("http://{}", service.address()),
    ] {
        let answer = request("POST", "/v1/migrations", APPLY)
            .with("Origin", origin)
            .send(service.address());
        refused(&answer, 403, "pages of browsers");
    }
    assert!(!fleet.has_schema("ref"));
    let warns =
        |line: &String| line.contains("every program on this machine may send commands to /v1/");
    assert!(service.logs().iter().any(warns), "{:#?}", service.logs());
    let said = fleet.place.run(&[
        "serve",
        "--config",
        "migrator.yaml",
        "--listen",
        "0.0.0.0:0",
    ]);
    said.ends_with(2)
        .and_says("can be reached from other machines");
}

#[test]
fn there_is_no_such_api_without_files_for_it() {
    let place = crate::place::Place::new().with_sql("0001_a.sql", "SELECT 1;");
    let service = crate::service::process::Service::start(&place);
    assert_eq!(service.get("/v1/config").status, 404);
    assert_eq!(service.get("/v1/config").header("deprecation"), None);
    assert_eq!(service.get("/").media_type(), "text/html");
}
