//! What may stand between a command and the service: a proxy that does something to the stream of events.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::process::Service;

/// What becomes of the stream of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// It is held back, as a proxy does that buffers answers.
    Held,
    /// Ends of runs are told in words that only a newer host knows.
    OfANewerHost,
}

/// Forwards every request to a service, each over a connection of its own. It lives as long as the test.
pub fn before(service: &Service, events: Events) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let service = service.address();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            std::thread::spawn(move || forward(client.unwrap(), service, events));
        }
    });
    address
}

/// One that takes requests and never answers.
pub fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut clients = Vec::new();
        for client in listener.incoming() {
            clients.push(client.unwrap());
        }
    });
    address
}

fn forward(mut client: TcpStream, service: SocketAddr, events: Events) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let mut lines = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        lines.next().map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let is_events = head.contains("/api/v1/events");
    // One request a connection, and a stream without chunks.
    let mut head: Vec<&str> = head.lines().filter(|line| !line.is_empty()).collect();
    head.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let first = head[0].replace("HTTP/1.1", "HTTP/1.0");
    let head = format!("{first}\r\n{}\r\n\r\n", head[1..].join("\r\n"));
    let mut server = TcpStream::connect(service).unwrap();
    server.write_all(head.as_bytes()).unwrap();
    server.write_all(&body).unwrap();
    if is_events && events == Events::Held {
        let mut held = Vec::new();
        let _ = server.read_to_end(&mut held);
        return;
    }
    for line in BufReader::new(server).split(b'\n').map_while(Result::ok) {
        let mut line = line;
        if is_events && line.windows(11).any(|part| part == b"\"run_ended\"") {
            let text = String::from_utf8(line).unwrap();
            line = text
                .replace("\"outcome\":\"", "\"outcome\":\"splendidly ")
                .into_bytes();
        }
        line.push(b'\n');
        // Whoever has heard enough goes.
        if client.write_all(&line).is_err() {
            return;
        }
    }
}
