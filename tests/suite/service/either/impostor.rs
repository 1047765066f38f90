//! A service that means harm to whoever asks it by `--host`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::place::Place;
use crate::service::gated;
use crate::service::process::Service;

const JSON: &str = "Content-Type: application/json";

/// One that gives each request the same answer: a status, what stands in the head beside the usual, and a body.
fn answering(status: &'static str, head: String, body: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            read_request(&mut client);
            let _ = write!(
                client,
                "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

#[test]
fn what_it_says_does_not_steer_the_terminal() {
    let genuine = gated();
    let service = Service::start(&genuine);
    for path in ["/api/v1/status", "/api/v1/runs", "/api/v1/verify"] {
        let answer = service.get(path).json().to_string();
        let sly = answer
            .replace("first", "\\u001b[2J\\u202e\\u009b1m\\nall is well")
            .replace("migration_required\",\"", "\\u001b[2J\",\"");
        let host = answering("200 OK", JSON.to_owned(), sly).to_string();
        let place = Place::new();
        for command in ["status", "plan", "history", "verify"] {
            let said = place.run(&["--host", &host, command]);
            let both = said.stdout + &said.stderr;
            assert!(
                !both.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\r']),
                "{command}: {both:?}"
            );
            assert!(!both.contains("\nall is well"), "{command}: {both}");
        }
    }
}

/// What a client asks: the head, with the line that ends it, and the body.
fn read_request(client: &mut TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    (head, body)
}

/// Stands before a service, and sends events without an end in its place.
fn without_end(genuine: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            std::thread::spawn(move || stand_between(client, genuine));
        }
    });
    address
}

fn stand_between(mut client: TcpStream, genuine: SocketAddr) {
    let (head, body) = read_request(&mut client);
    if head.contains("/api/v1/events") {
        let _ =
            client.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ");
        while client.write_all(&[b'a'; 1 << 16]).is_ok() {}
        return;
    }
    let mut server = TcpStream::connect(genuine).unwrap();
    let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(head.as_bytes()).unwrap();
    server.write_all(&body).unwrap();
    let _ = std::io::copy(&mut server, &mut client);
}

#[test]
fn what_it_sends_without_an_end_is_not_kept() {
    let genuine = gated();
    let service = Service::start(&genuine);
    let host = without_end(service.address()).to_string();
    let said = Place::new().run(&["--host", &host, "migrate"]);
    assert_ne!(said.status, Some(0), "{said:#?}");
    said.and_says("a line that does not end");
}

/// It would have whoever asks it ask another host, with or without a token.
#[test]
fn nobody_is_sent_to_another_address() {
    let elsewhere = answering("200 OK", JSON.to_owned(), String::new());
    let location = format!("Location: http://{elsewhere}/api/v1/status");
    let host = answering("307 Temporary Redirect", location, String::new()).to_string();
    for command in ["status", "migrate"] {
        Place::new()
            .run(&["--host", &host, command])
            .ends_with(2)
            .and_says("it sends to another address, `http://127.0.0.1:");
    }
}
