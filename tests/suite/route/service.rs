//! A host that serves a place.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::client::{Answer, Request};
use crate::place::Place;

/// Nothing that is waited for takes so long, but for a mistake.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `wasmigrate serve` on a port of its own. It is killed when it is dropped.
pub struct Service {
    process: Child,
    address: SocketAddr,
}

impl Service {
    /// Serves in development mode; answers wait so many milliseconds.
    pub fn start(place: &Place, answer_wait: u64) -> Self {
        Self::start_with(place, answer_wait, &["--development"])
    }

    /// Serves with these options.
    pub fn start_with(place: &Place, answer_wait: u64, options: &[&str]) -> Self {
        let wait = answer_wait.to_string();
        let mut process = place
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .args(options)
            .env("WASMIGRATE_SERVE_ANSWER_WAIT_MILLISECONDS", wait)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = log_lines(&mut process);
        let address = address(&log);
        Self { process, address }
    }

    pub fn send(&self, request: Request) -> Answer {
        request.send(self.address)
    }

    /// Asks something of the host's own protocol.
    #[track_caller]
    pub fn native(&self, method: &str, path: &str) -> serde_json::Value {
        let answer = self.send(Request::new(method, &format!("/api/v1/{path}")));
        assert!((200..300).contains(&answer.status), "{answer:#?}");
        answer.json()
    }

    /// The state, as no dialect shows it: asking moves no cursor.
    #[track_caller]
    pub fn state(&self) -> String {
        self.native("GET", "status")["state"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[track_caller]
    pub fn until_state(&self, state: &str) {
        until(state, || self.state() == state);
    }

    /// Waits until the newest run has written a line, without moving a cursor.
    #[track_caller]
    pub fn until_written(&self, line: &str) {
        until(line, || {
            let answer = self.ask(super::FULL_OUTPUT, "progress");
            answer["output"]
                .as_str()
                .is_some_and(|output| output.contains(line))
        });
    }

    /// Cancels the run in progress.
    #[track_caller]
    pub fn cancel(&self) {
        let run = &self.native("GET", "status")["last_run"]["id"];
        self.native("POST", &format!("runs/{run}/cancel"));
    }

    /// Ends it as a loss of power would.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Whether it still serves.
    pub fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already, where a test killed it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn log_lines(process: &mut Child) -> Receiver<String> {
    let stderr = BufReader::new(process.stderr.take().unwrap());
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            // Read on all the same: a full pipe would hold up the host.
            let _ = sender.send(line);
        }
    });
    lines
}

#[track_caller]
fn address(log: &Receiver<String>) -> SocketAddr {
    let mut read = String::new();
    while let Ok(line) = log.recv_timeout(PATIENCE) {
        if let Some((_, address)) = line.split_once("listening address=") {
            return address.trim().parse().unwrap();
        }
        read += &line;
    }
    panic!("it does not listen: {read}")
}

/// Waits until something is true.
#[track_caller]
pub fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
