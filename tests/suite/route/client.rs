//! Requests, right and wrong ones, as bytes on a connection; and answers.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// `openslides`, the password of development mode, in base64.
const DEVELOPMENT_PASSWORD: &str = "b3BlbnNsaWRlcw==";

/// Words on which a real client takes a refusal for a fault of the network, and tries again.
const WORDS_OF_FAULTS: [&str; 6] = ["timeout", "eof", "server error", "502", "503", "504"];

/// Longer than any answer takes, but for a mistake.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Request {
    /// A request that nothing is wrong with, in development mode.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
        .with("Content-Type", "application/json")
        .with("Authorization", DEVELOPMENT_PASSWORD)
    }

    pub fn post(path: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new("POST", path).with_body(body)
    }

    /// A command in a dialect.
    pub fn command(dialect: &str, command: &str) -> Self {
        let path = format!("/internal/migrations/dialects/{dialect}/");
        Self::post(&path, json!({ "cmd": command }).to_string())
    }

    /// Sets a header, over an earlier one.
    pub fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let mut request = self.without(name);
        let value = value.as_ref().to_owned();
        request.headers.push((name.to_owned(), value));
        request
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub fn with_method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    /// The same of something below its path.
    pub fn below(mut self, path: &str) -> Self {
        self.path += path;
        self
    }

    pub fn with_body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_owned();
        self
    }

    pub fn send(&self, address: SocketAddr) -> Answer {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.method,
            self.path,
            self.body.len()
        )
        .into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        connection.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        Answer::parse(&String::from_utf8(answer).unwrap())
    }
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert!(
            self.header("Content-Type")
                .is_some_and(|kind| kind.starts_with("application/")),
            "{self:#?}"
        );
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Demands an answer in the affirmative.
    #[track_caller]
    pub fn succeeds(&self) -> Value {
        assert_eq!(
            self.header("Content-Type"),
            Some("application/json"),
            "{self:#?}"
        );
        let body = self.json();
        assert_eq!(
            (self.status, &body["success"]),
            (200, &json!(true)),
            "{self:#?}"
        );
        body
    }

    /// Demands a refusal, and nothing beside its message.
    #[track_caller]
    pub fn refuses(&self, status: u16, message: &str) {
        assert_eq!(
            (self.status, &*self.refusal()),
            (status, message),
            "{self:#?}"
        );
    }

    /// The message of a refusal, whose form is right.
    #[track_caller]
    pub fn refusal(&self) -> String {
        assert_eq!(
            self.header("Content-Type"),
            Some("application/json"),
            "{self:#?}"
        );
        let body = self.json();
        let message = body["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            body,
            json!({ "success": false, "message": message }),
            "{self:#?}"
        );
        if self.status < 500 {
            let said = message.to_ascii_lowercase();
            let word = WORDS_OF_FAULTS.iter().find(|word| said.contains(*word));
            assert_eq!(word, None, "{self:#?}");
        }
        message
    }
}
