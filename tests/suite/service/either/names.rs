//! The names that the service goes by, and how often somebody may guess its password.

use std::io::Write as _;

use serde_json::json;

use crate::hosts::host::until;
use crate::place::Place;
use crate::service::client::Request;
use crate::service::process::{Service, TOKEN};

fn place() -> Place {
    Place::new().with_sql("0001_first.sql", "CREATE TABLE first (id INTEGER);")
}

/// What a page of another site can send once its name means this machine.
fn of_a_page(request: Request) -> Vec<u8> {
    let bytes = String::from_utf8(request.without("Authorization").bytes()).unwrap();
    bytes
        .replace(
            "Host: localhost",
            "Host: evil.example:9002\r\nOrigin: http://evil.example:9002",
        )
        .into_bytes()
}

#[test]
fn a_page_whose_name_means_this_machine_gets_nothing() {
    let place = place();
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0", "--development"]);
    command.env_remove("INTERNAL_AUTH_PASSWORD_FILE");
    let service = Service::spawn(command);
    for request in [
        Request::post("/api/v1/session", &json!({ "secret": "openslides" })),
        Request::post("/api/v1/runs", &json!({ "command": "migrate" })),
        Request::get("/api/v1/status"),
        Request::get("/openapi.json"),
    ] {
        let bytes = of_a_page(request);
        let answer = crate::service::client::exchange(service.address(), &bytes)
            .unwrap()
            .unwrap();
        assert_eq!(answer.status, 421, "{answer:?}");
    }
    // Probes come from addresses that nobody knows before.
    let probe = of_a_page(Request::get("/healthz"));
    let answer = crate::service::client::exchange(service.address(), &probe)
        .unwrap()
        .unwrap();
    assert_eq!(answer.status, 200);
    let own = Request::post("/api/v1/session", &json!({ "secret": "openslides" }))
        .without("Authorization")
        .with("Origin", "http://localhost");
    assert_eq!(own.send(service.address()).status, 200);
}

#[test]
fn names_can_be_settled() {
    let place = place();
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        "[serve]\nhosts = [\"migrate.example\"]\n",
    )
    .unwrap();
    let service = Service::start(&place);
    let ask = |host: &str| {
        let bytes = String::from_utf8(Request::get("/api/v1/status").bytes()).unwrap();
        let bytes = bytes.replace("Host: localhost", &format!("Host: {host}"));
        crate::service::client::exchange(service.address(), bytes.as_bytes())
            .unwrap()
            .unwrap()
            .status
    };
    for (host, status) in [
        ("migrate.example", 200),
        ("MIGRATE.example:8443", 200),
        ("localhost:9002", 200),
        ("evil.example", 421),
        ("migrate.example.evil.example", 421),
    ] {
        assert_eq!(ask(host), status, "{host}");
    }
}

#[test]
fn passwords_are_not_found_out_by_trying_them_in_headers() {
    let place = place();
    let service = Service::start(&place);
    let with = |header: &str| {
        Request::get("/api/v1/status")
            .with("Authorization", header)
            .send(service.address())
            .status
    };
    let right = "b3BlbnNsaWRlcw==";
    assert_eq!(with(right), 200);
    for _ in 0..10 {
        assert_eq!(with("d3Jvbmc="), 401);
    }
    assert_eq!(with("d3Jvbmc="), 429);
    assert_eq!(with(right), 429);
    // A token is too long to be found by trying, and its holder may share an address with whoever tries.
    assert_eq!(with(&format!("Bearer {TOKEN}")), 200);
    assert_eq!(with("Bearer wrong"), 401);
    // It is the limit of the sign-in, too.
    let sign_in = Request::post("/api/v1/session", &json!({ "secret": "openslides" }))
        .without("Authorization")
        .with("Origin", "http://localhost");
    assert_eq!(sign_in.send(service.address()).status, 429);
    let said = "somebody sent a wrong password or token";
    until("it is logged", || {
        service.logs().iter().any(|line| line.contains(said))
    });
}

/// Every program of this machine has millions of addresses.
#[test]
fn nobody_gets_more_tries_from_other_addresses_of_this_machine() {
    let place = place();
    let service = Service::start(&place);
    let request = Request::get("/api/v1/status").with("Authorization", "d3Jvbmc=");
    let judged = (1..=12).map(|last| {
        let source = format!("127.0.1.{last}");
        let mut connection = crate::service::client::connect_from(&source, service.address());
        connection.write_all(&request.bytes()).unwrap();
        let answer = crate::service::client::read_answer(connection).unwrap();
        answer.unwrap().status
    });
    let judged: Vec<u16> = judged.collect();
    assert_eq!(judged.last(), Some(&429), "{judged:?}");
}

#[test]
fn nobody_gets_more_tries_by_sending_them_at_the_same_time() {
    let place = place();
    let service = Service::start(&place);
    let body = json!({ "cmd": "stats" });
    let request = Request::post("/internal/migrations", &body).with("Authorization", "d3Jvbmc=");
    let bytes = request.bytes();
    let (head, body) = bytes.split_at(bytes.len() - request.body.len());
    let waiting: Vec<_> = (0..30)
        .map(|_| {
            let mut connection = crate::service::client::connect(service.address()).unwrap();
            connection.write_all(head).unwrap();
            connection
        })
        .collect();
    let judged = waiting.into_iter().map(|mut connection| {
        // Who is refused at once may be gone.
        let _ = connection.write_all(body);
        let answer = crate::service::client::read_answer(connection).unwrap();
        answer.unwrap().status
    });
    let judged: Vec<u16> = judged.collect();
    let of = |status: u16| judged.iter().filter(|known| **known == status).count();
    assert_eq!((of(401), of(429)), (10, 20), "{judged:?}");
}
