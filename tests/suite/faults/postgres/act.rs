//! One command through the proxy, or one run of a service that tries again.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasmigrate_test_server::Proxy;

use crate::hosts::host::signal;
use crate::place::{Place, Said};
use crate::service::process::{Service, TOKEN};

/// Nothing takes so long, but for a mistake.
const PATIENCE: Duration = Duration::from_secs(60);

/// The process that a fault may kill; 0 before it has begun.
pub type Host = Arc<AtomicU32>;

/// How a disturbed run ended.
#[derive(Debug)]
pub struct End {
    /// Whether it says that all was done.
    pub is_done: bool,
    /// All that it said.
    pub said: String,
}

impl End {
    /// Whether it says that it was cancelled, and nothing else.
    pub fn is_cancelled(&self) -> bool {
        let is_run = self.said.contains(r#""event":"run_started""#);
        match is_run {
            true => {
                self.said.contains(r#""outcome":"cancelled""#)
                    && !self.said.contains(r#""outcome":"failed""#)
            }
            false => self.said.contains("cancelled before the run began"),
        }
    }

    /// The steps that a command calls migrated.
    pub fn migrated(&self) -> Vec<String> {
        let events = self
            .said
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events
            .filter(|event| {
                event["event"] == "step_ended"
                    && event["phase"] == "migrate"
                    && event["outcome"] == "done"
            })
            .filter_map(|event| event["step"].as_str().map(str::to_owned))
            .collect()
    }
}

/// Kills it, whichever moment of its life it is.
pub fn kill(host: &Host) {
    send(host, "KILL");
}

/// Asks it to end, as Ctrl-C does.
pub fn cancel(host: &Host) {
    send(host, "INT");
}

fn send(host: &Host, name: &str) {
    let began = Instant::now();
    while host.load(Ordering::Acquire) == 0 && began.elapsed() < PATIENCE {
        std::thread::yield_now();
    }
    signal(host.load(Ordering::Acquire), name);
}

/// Runs a command.
pub fn command(
    place: &Place,
    proxy: &Proxy,
    arguments: &[&str],
    host: &Host,
) -> Result<End, String> {
    let child = place
        .command(arguments)
        .arg("--json")
        .env(
            "WASMIGRATE_DATABASE",
            proxy.url("app", place.server_database()),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let number = child.id();
    host.store(number, Ordering::Release);
    // To look again and again whether it has ended would take much of what the runs themselves take.
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait_with_output().unwrap()));
    let said = match end.recv_timeout(PATIENCE) {
        Ok(output) => Said::from(output),
        Err(_) => {
            signal(number, "KILL");
            let said = Said::from(end.recv().unwrap());
            return Err(format!("it does not end: {said:#?}"));
        }
    };
    Ok(End {
        is_done: said.status == Some(0),
        said: format!("{:?}\n{}{}", said.status, said.stdout, said.stderr),
    })
}

/// Lets a service that is on its own do the same, which tries again whatever fails.
pub fn service(
    place: &Place,
    proxy: &Proxy,
    command: &str,
    prepared: impl FnOnce(),
) -> Result<End, String> {
    let mut serve = place.command(&["serve", "--listen", "127.0.0.1:0", "--token-file", "token"]);
    serve
        .env(
            "WASMIGRATE_DATABASE",
            proxy.url("app", place.server_database()),
        )
        .env("WASMIGRATE_RETRY_ATTEMPTS", "4")
        .env("WASMIGRATE_RETRY_DELAY_MILLISECONDS", "1");
    std::fs::write(place.path().join("token"), TOKEN).unwrap();
    let service = Service::spawn(serve);
    prepared();
    let answer = service.post("/api/v1/runs", &json!({ "command": command }));
    if answer.status != 202 {
        return Ok(End {
            is_done: false,
            said: format!("{answer:?}\n{:#?}", service.logs()),
        });
    }
    let give_up = Instant::now() + PATIENCE;
    loop {
        let logs = service.logs();
        if let Some(line) = logs.iter().find(|line| line.contains("run ended")) {
            return Ok(End {
                is_done: line.contains(r#"outcome="done""#),
                said: logs.join("\n"),
            });
        }
        if Instant::now() > give_up {
            return Err(format!("it does not end: {logs:#?}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
