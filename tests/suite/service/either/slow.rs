//! Clients that take their time, or send more than they should.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::thread::{ScopedJoinHandle, scope};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::hosts::host::until;
use crate::service::client::{self, Answer, Request};
use crate::service::process::{Service, TOKEN};
use crate::service::{applied, held_in};

/// Ten seconds are promised; a test machine may have much else to do.
const TOLERATED: Duration = Duration::from_secs(25);

/// Sends the beginning, then a byte now and then, until the service has had enough of it.
fn dawdle(address: SocketAddr, beginning: &[u8]) -> Option<Answer> {
    let began = Instant::now();
    let mut connection = client::connect(address).unwrap();
    connection.write_all(beginning).unwrap();
    let reader = connection.try_clone().unwrap();
    reader
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let mut first = [0];
    while reader.peek(&mut first).is_err() {
        assert!(began.elapsed() < TOLERATED, "it is still waiting");
        let _ = connection.write_all(b" ");
    }
    assert!(
        began.elapsed() > Duration::from_secs(5),
        "it gave up at once"
    );
    client::read_answer(reader).unwrap()
}

/// The head of a request whose body is to follow.
fn head(path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {TOKEN}\r\nContent-Length: 5000\r\n\r\n{{"
    )
}

#[test]
fn slow_senders_are_sent_away_and_the_migration_goes_on() {
    let place = held_in("migrate");
    let mut service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    let address = service.address();
    scope(|scope| {
        let slow = |beginning: String| -> ScopedJoinHandle<Option<Answer>> {
            scope.spawn(move || dawdle(address, beginning.as_bytes()))
        };
        let heads = [
            slow("POST /internal/migrations HTTP/1.1\r\nHost:".to_owned()),
            slow("G".to_owned()),
        ];
        let compatible = slow(head("/internal/migrations"));
        let native = slow(head("/api/v1/runs"));
        let idle = scope.spawn(move || {
            let mut connection = client::connect(address).unwrap();
            connection.read(&mut [0]).unwrap()
        });
        let body = compatible.join().unwrap().unwrap();
        body.is_refusal(408, "did not arrive within 10 seconds");
        let body = native.join().unwrap().unwrap();
        body.is_problem(408, "did not arrive within 10 seconds");
        for head in heads {
            assert!(head.join().unwrap().is_none());
        }
        assert_eq!(idle.join().unwrap(), 0);
    });
    assert_eq!(service.state(), "migration_running");
    service.is_well();
    service.kill();
    assert_eq!(applied(&place), ["first"]);
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let place = held_in("migrate");
    let mut service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    let padded = |bytes: usize| json!({ "cmd": "stats", "padding": "x".repeat(bytes) });
    let fits = service.post("/internal/migrations", &padded((1 << 20) - 100));
    assert_eq!(fits.status, 200, "{fits:?}");
    for bytes in [1 << 20, 20 << 20] {
        service
            .post("/internal/migrations", &padded(bytes))
            .is_refusal(413, "larger than 1 MiB");
        let answer = service.post("/api/v1/runs", &padded(bytes));
        assert_eq!(answer.status, 413, "{answer:?}");
        assert_eq!(answer.media_type(), "application/problem+json");
    }
    // In pieces, so that its length is not known before.
    let piece = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    let head =
        head("/internal/migrations").replace("Content-Length: 5000", "Transfer-Encoding: chunked");
    let chunked = head.trim_end_matches('{').to_owned() + &piece.repeat(17);
    let answer = client::exchange(service.address(), chunked.as_bytes()).unwrap();
    answer.unwrap().is_refusal(413, "larger than 1 MiB");
    // Without the right to ask, nobody is even listened to.
    let request = Request::post("/api/v1/runs", &padded(20 << 20)).without("Authorization");
    request.send(service.address()).is_problem(401, "token");
    assert_eq!(service.state(), "migration_running");
    service.is_well();
}

/// Whoever asks for much and reads nothing does not keep its connection.
#[test]
fn slow_readers_are_sent_away_and_probes_are_answered() {
    let place = held_in("migrate");
    let service = Service::start(&place);
    let address = service.address();
    let ask = Request::get("/").without("Authorization");
    let ask = String::from_utf8(ask.bytes())
        .unwrap()
        .replace("Connection: close\r\n", "")
        .repeat(200);
    let held: Vec<_> = (0..300)
        .map(|_| {
            let mut connection = client::connect(address).unwrap();
            connection.set_nonblocking(true).unwrap();
            // Answers to one of them are more than the system keeps for a connection.
            let _ = connection.write(ask.as_bytes());
            connection
        })
        .collect();
    let is_served = || {
        let answer = client::exchange(address, &Request::get("/api/v1/status").bytes()).unwrap();
        answer.is_some_and(|answer| answer.status == 200)
    };
    let mut answered_while_full = false;
    until("they are sent away", || {
        let health = Request::get("/healthz").send(address);
        let is_served = is_served();
        answered_while_full |= !is_served && health.status == 200;
        is_served
    });
    assert!(answered_while_full);
    drop(held);
}

/// Whether a request over this connection is answered, not sent away.
fn is_served(mut connection: TcpStream) -> bool {
    let _ = connection.write_all(&Request::get("/api/v1/status").bytes());
    let answer = client::read_answer(connection).unwrap().unwrap();
    assert!([200, 503].contains(&answer.status), "{answer:?}");
    answer.status == 200
}

#[test]
fn no_address_takes_all_connections() {
    let place = held_in("migrate");
    let service = Service::start_at("0.0.0.0:0", &place, &[]);
    let port = service.address().port();
    let here = SocketAddr::from(([127, 0, 0, 1], port));
    // More than are served at all, of a client that says nothing.
    let held: Vec<_> = (0..600).map(|_| client::connect(here).unwrap()).collect();
    assert!(!is_served(client::connect(here).unwrap()));
    // Every program of this machine has these addresses: they are one.
    assert!(!is_served(client::connect_from("127.0.0.2", here)));
    let Some(own) = own_address() else {
        return;
    };
    let there = SocketAddr::new(own, port);
    assert!(is_served(client::connect(there).unwrap()));
    // A second one may have as many as are left for all others.
    let of_another: Vec<_> = (0..600).map(|_| client::connect(there).unwrap()).collect();
    assert!(!is_served(client::connect(there).unwrap()));
    drop((held, of_another));
}

/// An address of this machine that is none of loopback, if it has one. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback()).then_some(own)
}

#[test]
fn probes_have_an_address_of_their_own() {
    let place = held_in("migrate");
    let service = Service::start_with(&place, &["--listen-health", "127.0.0.1:0"]);
    let mut probes = None;
    until("it listens for probes", || {
        let logs = service.logs();
        let line = logs
            .iter()
            .find(|line| line.contains("listening for probes"));
        let address = line.and_then(|line| line.split("address=").nth(1));
        probes = address.map(|address| address.trim().parse::<SocketAddr>().unwrap());
        probes.is_some()
    });
    let probes = probes.unwrap();
    // The service itself has no room left for this address, and looks at no more of its connections either.
    let held: Vec<_> = (0..600)
        .map(|_| client::connect(service.address()).unwrap())
        .collect();
    for path in ["/healthz", "/readyz"] {
        let answer = Request::get(path).without("Authorization").send(probes);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    for path in ["/", "/api/v1/status", "/metrics", "/internal/migrations"] {
        let answer = Request::get(path).send(probes);
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
    drop(held);
}
