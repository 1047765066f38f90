//! The real binary as a service, on a free port of loopback.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Answer, Request};
use crate::hosts::host::{signal, until};
use crate::place::Place;

/// What the service accepts as a token.
pub const TOKEN: &str = "let-me-in";

/// A running `wasmigrate serve`. It is killed when it is dropped.
pub struct Service {
    process: Child,
    address: SocketAddr,
    logs: Arc<Mutex<Vec<String>>>,
}

impl Service {
    pub fn start(place: &Place) -> Self {
        Self::start_with(place, &[])
    }

    /// Starts it with more arguments than those that every service gets.
    pub fn start_with(place: &Place, arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", place, arguments)
    }

    /// The same at an address, such as that of one that has ended.
    pub fn start_at(address: &str, place: &Place, arguments: &[&str]) -> Self {
        for (name, secret) in [("token", TOKEN), ("password", "openslides")] {
            let file = place.path().join(name);
            if !file.exists() {
                std::fs::write(&file, secret).unwrap();
                std::fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
            }
        }
        let mut command = place.command(&[
            "serve",
            "--listen",
            address,
            "--token-file",
            "token",
            "--password-file",
            "password",
        ]);
        command.args(arguments);
        Self::spawn(command)
    }

    /// A service that accepts no secret.
    pub fn start_without_secrets(place: &Place) -> Self {
        Self::spawn(place.command(&["serve", "--listen", "127.0.0.1:0"]))
    }

    /// Starts a command that serves.
    pub fn spawn(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let logs = Arc::new(Mutex::new(Vec::new()));
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let written = Arc::clone(&logs);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                written.lock().unwrap().push(line);
            }
        });
        let mut address = None;
        until("it listens", || {
            if let Some(status) = process.try_wait().unwrap() {
                panic!("it ended with {status}: {:#?}", logs.lock().unwrap());
            }
            address = logs.lock().unwrap().iter().find_map(|line| listening(line));
            address.is_some()
        });
        Self {
            process,
            address: address.unwrap(),
            logs,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// What it logged so far.
    pub fn logs(&self) -> Vec<String> {
        self.logs.lock().unwrap().clone()
    }

    /// Lets it write into a pipe that nobody reads, as long as what is returned lives.
    pub fn stop_reading_logs(&self) -> MutexGuard<'_, Vec<String>> {
        self.logs.lock().unwrap()
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        Request::get(path).send(self.address)
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        Request::post(path, body).send(self.address)
    }

    /// Sends a command to the compatible route.
    #[track_caller]
    pub fn command(&self, command: &str) -> Answer {
        self.post("/internal/migrations", &json!({ "cmd": command }))
    }

    /// Starts a run and returns its number.
    #[track_caller]
    pub fn run(&self, command: &str) -> i64 {
        let answer = self.post("/api/v1/runs", &json!({ "command": command }));
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["run"].as_i64().unwrap()
    }

    #[track_caller]
    pub fn state(&self) -> String {
        let status = self.get("/api/v1/status").json();
        status["state"].as_str().unwrap().to_owned()
    }

    /// The lines that a run wrote.
    #[track_caller]
    pub fn output(&self, run: i64) -> Vec<String> {
        let page = self.get(&format!("/api/v1/runs/{run}/output")).json();
        // None before the run is accepted.
        let lines = page["lines"].as_array().into_iter().flatten();
        lines
            .map(|line| line["line"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until a run wrote a line.
    #[track_caller]
    pub fn until_output(&self, run: i64, line: &str) {
        until(&format!("run {run} writes `{line}`"), || {
            self.output(run).iter().any(|written| written == line)
        });
    }

    /// Waits for the end of a run and returns its outcome.
    #[track_caller]
    pub fn outcome(&self, run: i64) -> String {
        let mut outcome = Value::Null;
        until(&format!("run {run} ends"), || {
            outcome = self.get(&format!("/api/v1/runs/{run}")).json()["outcome"].take();
            !outcome.is_null()
        });
        outcome.as_str().unwrap().to_owned()
    }

    /// Waits until a run was begun, be it accepted or still waiting for a lock.
    #[track_caller]
    pub fn until_a_run_waits(&self) {
        let threads = format!("/proc/{}/task", self.process.id());
        until("a run waits", || {
            let threads = std::fs::read_dir(&threads).unwrap();
            let names = threads.map(|thread| thread.unwrap().path().join("comm"));
            // A thread may end while it is looked at.
            names
                .map(|name| std::fs::read_to_string(name).unwrap_or_default())
                .any(|name| name.trim() == "run")
        });
    }

    /// Starts a run that must do all it is asked for.
    #[track_caller]
    pub fn does(&self, command: &str) -> i64 {
        let run = self.run(command);
        assert_eq!(self.outcome(run), "done", "run {run}");
        run
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        signal(self.process.id(), "TERM");
    }

    /// Waits for its end and returns its exit status; panics when it does not come soon.
    #[track_caller]
    pub fn ends_within(&mut self, time: Duration) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < time, "it goes on: {:#?}", self.logs());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as a loss of power would.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Whether it still lives, without having said that it panicked.
    #[track_caller]
    pub fn is_well(&mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "it has ended");
        let logs = self.logs().join("\n");
        assert!(!logs.contains("panicked"), "{logs}");
        assert_eq!(self.get("/healthz").status, 200);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already, where the test was about its end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address in the log line that tells it, in either format.
fn listening(line: &str) -> Option<SocketAddr> {
    if let Ok(line) = serde_json::from_str::<Value>(line) {
        return line["address"].as_str()?.parse().ok();
    }
    let (_, address) = line.split_once("address=")?;
    address.trim().parse().ok()
}
