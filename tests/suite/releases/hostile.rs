//! A registry that answers whatever a test wants.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) authorization: Option<String>,
    pub(super) body: String,
}

/// What is sent back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// What follows the body.
    pub(super) end: End,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// With its last byte.
    Well,
    /// It goes on for ever.
    Never,
    /// With the connection, though more was promised.
    Early,
}

impl Answer {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            end: End::Well,
        }
    }

    pub(super) fn with(mut self, name: &str, text: &str) -> Self {
        self.headers.push((name.to_owned(), text.to_owned()));
        self
    }

    pub(super) fn that_ends(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

/// A registry, or whatever else speaks HTTP.
pub(super) struct Hostile {
    pub(super) host: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Hostile {
    /// Answers as the function says; it is told how many requests came before.
    pub(super) fn serve(
        answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(connection.unwrap());
                    let Some(request) = read(&mut reader) else {
                        return;
                    };
                    let number = {
                        let mut kept = kept.lock().unwrap();
                        kept.push(request.clone());
                        kept.len() - 1
                    };
                    write(reader.get_mut(), &request, &answer(&request, number));
                });
            }
        });
        Self { host, requests }
    }

    pub(super) fn at(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.host)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests of this method have this in their paths.
    pub(super) fn count(&self, method: &str, path: &str) -> usize {
        let is_it = |request: &&Request| request.method == method && request.path.contains(path);
        self.requests().iter().filter(is_it).count()
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let (mut authorization, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, text)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = Some(text.to_owned()),
            "content-length" => length = text.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        method,
        path,
        authorization,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// The other side may have gone away at any time.
fn write(connection: &mut TcpStream, request: &Request, answer: &Answer) {
    let mut head = format!("HTTP/1.1 {} Answer\r\nConnection: close\r\n", answer.status);
    for (name, text) in &answer.headers {
        head.push_str(&format!("{name}: {text}\r\n"));
    }
    let promised = match answer.end {
        End::Well => Some(answer.body.len()),
        End::Early => Some(answer.body.len() + 100),
        End::Never => None,
    };
    if let Some(length) = promised {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    if connection
        .write_all(format!("{head}\r\n").as_bytes())
        .is_err()
        || request.method == "HEAD"
    {
        return;
    }
    let mut is_open = connection.write_all(&answer.body).is_ok();
    while is_open && matches!(answer.end, End::Never) {
        is_open = connection.write_all(&[b'x'; 1 << 16]).is_ok();
    }
}

/// A release as a registry keeps it.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) blobs: BTreeMap<String, Vec<u8>>,
    pub(super) index: Value,
    /// Its bytes, to the letter: they have a digest.
    bytes: Vec<u8>,
}

impl Content {
    /// What a layout holds in one version.
    pub(super) fn of_layout(layout: &Path) -> Self {
        let mut blobs = BTreeMap::new();
        for entry in std::fs::read_dir(layout.join("blobs/sha256")).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(path).unwrap();
            blobs.insert(digest(&bytes), bytes);
        }
        let is_index = |bytes: &&Vec<u8>| {
            bytes.starts_with(br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index"#)
        };
        let index = blobs.values().find(is_index).unwrap();
        let bytes = index.clone();
        let index = serde_json::from_slice(&bytes).unwrap();
        Self {
            blobs,
            index,
            bytes,
        }
    }

    /// The same with another index.
    pub(super) fn changed(&self, change: impl FnOnce(&mut Value)) -> Self {
        let mut content = self.clone();
        change(&mut content.index);
        content.bytes = content.index.to_string().into_bytes();
        content
    }

    /// What an honest registry would answer, whatever the tag.
    pub(super) fn answer(&self, request: &Request) -> Answer {
        let last = request.path.rsplit('/').next().unwrap_or_default();
        if request.method == "HEAD" && !last.starts_with("sha256:") {
            return Answer::new(404, "");
        }
        let bytes = match self.blobs.get(last) {
            Some(bytes) => bytes.clone(),
            None if request.path.contains("/manifests/") => self.bytes.clone(),
            None => return Answer::new(404, "{}"),
        };
        Answer::new(200, bytes)
    }
}

pub(super) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}
