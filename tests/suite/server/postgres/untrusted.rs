//! A server that is not the one it is taken for, or not what it was.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use crate::memory::watched;
use crate::place::{Place, Said};

/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn authentication(kind: u32, more: &[u8]) -> Vec<u8> {
    message(b'R', &[&kind.to_be_bytes()[..], more].concat())
}

/// What a client said: the kind of the message and its body.
fn receive(client: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    client.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes(head[1..].try_into().unwrap());
    let mut body = vec![0; length as usize - 4];
    client.read_exact(&mut body).ok()?;
    Some((head[0], body))
}

/// Takes the first message of a client, and says no to TLS.
fn greet(client: &mut TcpStream) {
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length).unwrap();
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        client.read_exact(&mut body).unwrap();
        if body.len() != 4 {
            return;
        }
        client.write_all(b"N").unwrap();
    }
}

/// A server that does this with each client after the greeting; its port, and what clients sent that it told.
fn server(deed: fn(&mut TcpStream) -> Option<Vec<u8>>) -> (u16, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, tell) = (client.unwrap(), tell.clone());
            std::thread::spawn(move || {
                greet(&mut client);
                if let Some(sent) = deed(&mut client) {
                    let _ = tell.send(sent);
                }
            });
        }
    });
    (port, told)
}

fn migrate(port: u16, more: &str) -> Said {
    let place = Place::new().with_sql("0001_made.sql", "CREATE TABLE made (id BIGINT);");
    let url = format!("postgres://app:hunter2@127.0.0.1:{port}/app{more}");
    place.run(&["migrate", "--database", &url])
}

#[test]
fn one_that_asks_for_the_password_in_clear_does_not_get_it() {
    let (port, told) = server(|client| {
        client.write_all(&authentication(3, b"")).unwrap();
        receive(client).map(|(_, sent)| sent)
    });
    for mode in [
        "",
        "?sslmode=prefer",
        "?sslmode=disable",
        "?require_auth=!md5",
    ] {
        migrate(port, mode)
            .ends_with(2)
            .and_says("the server asks for the password in clear");
    }
    assert!(told.try_recv().is_err());
    // Whoever names it means it.
    migrate(port, "?require_auth=password&connect_timeout=2").ends_with(2);
    assert_eq!(told.recv().unwrap(), b"hunter2\0");
}

#[test]
fn one_that_does_not_prove_that_it_knows_the_password_is_not_believed() {
    let (port, _) = server(|client| {
        let asks = authentication(10, b"SCRAM-SHA-256\0\0");
        client.write_all(&asks).unwrap();
        receive(client)?;
        client.write_all(&authentication(0, b"")).unwrap();
        client.write_all(&message(b'Z', b"I")).unwrap();
        receive(client).map(|(_, sent)| sent)
    });
    migrate(port, "")
        .ends_with(2)
        .and_says("the server lets everybody in without proving that it knows the password");
}

#[test]
fn one_that_asks_for_less_than_is_demanded_is_refused() {
    let (port, told) = server(|client| {
        client.write_all(&authentication(5, b"salt")).unwrap();
        receive(client).map(|(_, sent)| sent)
    });
    migrate(port, "?require_auth=scram-sha-256")
        .ends_with(2)
        .and_says("which `require_auth` does not let it");
    assert!(told.try_recv().is_err());
}

/// Lets a client in, and answers its first question with rows without end.
fn flood(client: &mut TcpStream) -> Option<Vec<u8>> {
    client.write_all(&authentication(0, b"")).unwrap();
    client.write_all(&message(b'Z', b"I")).unwrap();
    while receive(client)?.0 != b'S' {}
    let column = [b"a\0".as_slice(), &[0; 6], &25_u32.to_be_bytes(), &[0; 8]].concat();
    let described = [&1_u16.to_be_bytes()[..], &column].concat();
    let value = [b'x'; 10_000];
    let row = [&1_u16.to_be_bytes()[..], &10_000_u32.to_be_bytes(), &value].concat();
    let rows = message(b'D', &row).repeat(100);
    for answer in [
        message(b'1', b""),
        message(b'2', b""),
        message(b'T', &described),
    ] {
        client.write_all(&answer).ok()?;
    }
    while client.write_all(&rows).is_ok() {}
    None
}

#[test]
fn one_that_sends_rows_without_end_does_not_fill_the_memory() {
    let (port, _) = server(flood);
    migrate(port, "")
        .ends_with(2)
        .and_says("the server sends more rows than it was asked for");
    let place = Place::new();
    let url = format!("postgres://app@127.0.0.1:{port}/app");
    let (status, peak) = watched(&place, &["status", "--database", &url]);
    assert_eq!(status, Some(2));
    assert!(peak < 150 << 10, "{peak} KiB at the peak");
}

/// Tells of one setting after another, each with another name.
fn settings(client: &mut TcpStream) -> Option<Vec<u8>> {
    let value = "x".repeat(500_000);
    for number in 0.. {
        let setting = format!("name{number}\0{value}\0");
        client.write_all(&message(b'S', setting.as_bytes())).ok()?;
    }
    None
}

#[test]
fn one_that_tells_settings_without_end_does_not_fill_the_memory() {
    let (port, _) = server(settings);
    let place = Place::new();
    let url = format!("postgres://app@127.0.0.1:{port}/app?connect_timeout=3");
    let (status, peak) = watched(&place, &["status", "--database", &url]);
    assert_eq!(status, Some(2));
    assert!(peak < 150 << 10, "{peak} KiB at the peak");
}
