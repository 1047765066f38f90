//! A host at work, whose events are read while it runs.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::place::{Place, Said};

/// Nothing that is waited for takes so long, but for a mistake.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `wasmigrate … --json`. It is killed when it is dropped.
pub struct Host {
    process: Child,
    lines: Receiver<String>,
    read: String,
}

impl Host {
    pub fn start(place: &Place, arguments: &[&str]) -> Self {
        Self::spawn(place.command(arguments))
    }

    /// Starts it under `strace` with the given options.
    pub fn start_under_strace(place: &Place, options: &[&str], arguments: &[&str]) -> Self {
        Self::spawn(place.command_under_strace(options, arguments))
    }

    /// Starts a command of this kind that was prepared elsewhere.
    pub fn spawn(mut command: Command) -> Self {
        command
            .arg("--json")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                if sender.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        Self {
            process,
            lines,
            read: String::new(),
        }
    }

    /// Its name in the journal: machine and process id.
    pub fn name(&self) -> String {
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        format!("{}:{}", machine.trim(), self.process.id())
    }

    /// Reads on until it tells of an event of this kind.
    #[track_caller]
    pub fn until(&mut self, kind: &str) -> Value {
        let event = self.next_line_of(kind);
        event.unwrap_or_else(|why| panic!("no event `{kind}`: {why}\n{}", self.read))
    }

    /// The same, but of one that happens from now on.
    #[track_caller]
    pub fn until_from_now(&mut self, kind: &str) -> Value {
        while let Ok(line) = self.lines.try_recv() {
            self.keep(&line);
        }
        self.until(kind)
    }

    /// Whether it tells of an event of this kind before its end.
    pub fn tells(&mut self, kind: &str) -> bool {
        self.next_line_of(kind).is_ok()
    }

    fn next_line_of(&mut self, kind: &str) -> Result<Value, RecvTimeoutError> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let line = self
                .lines
                .recv_timeout(give_up.saturating_duration_since(Instant::now()))?;
            self.keep(&line);
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == kind {
                return Ok(event);
            }
        }
    }

    fn keep(&mut self, line: &str) {
        self.read.push_str(line);
        self.read.push('\n');
    }

    /// Stops it where it is.
    pub fn stop(&self) {
        signal(self.process.id(), "STOP");
        until("it has stopped", || self.is_stopped());
    }

    fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        stat.rsplit_once(')').unwrap().1.starts_with(" T")
    }

    /// Lets it go on after [`Host::stop`].
    pub fn go_on(&self) {
        signal(self.process.id(), "CONT");
    }

    /// Asks it to end, as Ctrl-C does.
    pub fn interrupt(&self) {
        signal(self.process.id(), "INT");
    }

    /// Ends it as a loss of power would.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Said {
        let give_up = Instant::now() + PATIENCE;
        loop {
            match self
                .lines
                .recv_timeout(give_up.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.keep(&line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end\n{}", self.read),
            }
        }
        let mut stderr = String::new();
        let mut pipe = self.process.stderr.take().unwrap();
        pipe.read_to_string(&mut stderr).unwrap();
        Said {
            status: self.process.wait().unwrap().code(),
            stdout: std::mem::take(&mut self.read),
            stderr,
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It has ended already, but for a test that fails.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a signal to a process.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), process.to_string()])
        .status();
    assert!(sent.unwrap().success(), "SIG{name} for {process}");
}

/// Waits until something is true.
#[track_caller]
pub fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
