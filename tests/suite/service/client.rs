//! HTTP by hand: what real clients send, and what none would.

use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::process::TOKEN;

/// No answer takes so long, but for a mistake.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that is about to be sent, with the token unless told otherwise.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
        .with("Authorization", &format!("Bearer {TOKEN}"))
    }

    pub fn post(path: &str, body: &Value) -> Self {
        let mut request = Self::get(path).with("Content-Type", "application/json");
        request.method = "POST".to_owned();
        request.body = body.to_string().into_bytes();
        request
    }

    /// Sets a header.
    pub fn with(self, name: &str, value: &str) -> Self {
        let mut request = self.without(name);
        request
            .headers
            .push((name.to_owned(), value.as_bytes().to_vec()));
        request
    }

    /// Leaves a header out.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    /// What goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        bytes.extend_from_slice(b"Host: localhost\r\nConnection: close\r\n");
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it and reads the answer.
    #[track_caller]
    pub fn send(&self, address: SocketAddr) -> Answer {
        match exchange(address, &self.bytes()) {
            Ok(Some(answer)) => answer,
            other => panic!("{} {}: {other:?}", self.method, self.path),
        }
    }
}

/// Sends bytes and reads what comes back until the connection is closed; none when that was nothing.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Result<Option<Answer>> {
    let mut connection = connect(address)?;
    // The answer may come, and the connection be closed, before all is sent.
    let _ = connection.write_all(bytes);
    read_answer(connection)
}

pub fn connect(address: SocketAddr) -> Result<TcpStream> {
    let connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}

/// A connection from another address of this machine.
pub fn connect_from(source: &str, address: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let connection = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket
            .bind(SocketAddr::new(source.parse().unwrap(), 0))
            .unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    connection.set_nonblocking(false).unwrap();
    connection
}

/// Reads an answer up to the end of the connection; none when it ends without one.
pub fn read_answer(mut connection: TcpStream) -> Result<Option<Answer>> {
    let mut bytes = Vec::new();
    match connection.read_to_end(&mut bytes) {
        Ok(_) => {}
        // Closed while some of the request was still unread.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => return Err(error),
    }
    Ok(Answer::parse(&bytes))
}

/// A body that came in parts: <https://www.rfc-editor.org/rfc/rfc9112#section-7.1>
fn joined(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (length, behind) = rest.split_once("\r\n")?;
        match usize::from_str_radix(length, 16).ok()? {
            0 => return Some(body),
            length => {
                body.push_str(behind.get(..length)?);
                rest = behind.get(length..)?.strip_prefix("\r\n")?;
            }
        }
    }
}

/// An answer of the service.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let mut rest = text.as_str();
        loop {
            let (head, body) = rest.split_once("\r\n\r\n")?;
            let mut lines = head.lines();
            let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
            if (100..200).contains(&status) {
                rest = body;
                continue;
            }
            let headers: Vec<(String, String)> = lines
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let is_in_parts = |(name, value): &(String, String)| {
                name == "transfer-encoding" && value == "chunked"
            };
            let body = match headers.iter().any(is_in_parts) {
                true => joined(body).unwrap_or_else(|| panic!("it was cut off: {body}")),
                false => body.to_owned(),
            };
            return Some(Self {
                status,
                headers,
                body,
            });
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        assert!(self.media_type().ends_with("json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Demands a problem with this status whose detail has these words.
    #[track_caller]
    pub fn is_problem(&self, status: u16, words: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.media_type(), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].is_string(), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(words), "`{words}` is not in {detail}");
    }

    /// Demands the compatible route's way to say no.
    #[track_caller]
    pub fn is_refusal(&self, status: u16, words: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.media_type(), "application/json", "{self:?}");
        let refusal = self.json();
        assert_eq!(refusal["success"], false, "{refusal}");
        let message = refusal["message"].as_str().unwrap();
        assert!(message.contains(words), "`{words}` is not in {message}");
    }

    pub fn media_type(&self) -> &str {
        let media_type = self.header("content-type").unwrap_or_default();
        media_type.split(';').next().unwrap()
    }
}
