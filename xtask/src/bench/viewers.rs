//! What it costs a migration that people watch it: each does over HTTP what the dashboard does, drawing apart.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::service::Service;
use super::{Place, ROUNDS, make_source, median, time};
use crate::cargo::say;
use crate::guests;

/// How many people watch.
const VIEWERS: usize = 20;

/// What the page asks for when it is opened, and when a run has ended.
const LOADED: [&str; 4] = [
    "/api/v1/status",
    "/api/v1/runs?most=20",
    "/api/v1/steps",
    "/",
];

pub(super) fn measure(place: &Place, built: &guests::BuiltGuests) -> Result<()> {
    let steps = place.directory.join("viewers-steps");
    fs::create_dir_all(&steps)?;
    fs::copy(built.bench("rewrite"), steps.join("0001_rewrite.wasm"))?;
    let token = place.directory.join("token");
    fs::write(&token, "benchmark")?;
    let full = place.directory.join("full.db");
    make_source(&full)?;
    let mut times = [Vec::new(), Vec::new()];
    let mut heard = 0;
    for _ in 0..ROUNDS {
        for (viewers, times) in [0, VIEWERS].into_iter().zip(&mut times) {
            place.remove_database()?;
            fs::copy(&full, place.database())?;
            let service = Service::start(place, &steps, &token)?;
            let viewers = watch(&service.address, viewers)?;
            times.push(time(service.migrate(place, &token))?);
            for viewer in viewers {
                match viewer.join() {
                    Ok(events) => heard += events?,
                    Err(_) => bail!("a viewer broke down"),
                }
            }
        }
    }
    let [alone, watched] = times.map(median);
    ensure!(heard > ROUNDS * VIEWERS, "the viewers heard nothing");
    say(&format!(
        "{:58} {:>6.0} ms {:>6.0} ms {:>6.3} {:>6}",
        format!("1 million rows, {VIEWERS} viewers : nobody looks"),
        watched.as_secs_f64() * 1e3,
        alone.as_secs_f64() * 1e3,
        watched.as_secs_f64() / alone.as_secs_f64(),
        "≤ 1.03",
    ));
    Ok(())
}

/// Lets people open the page, and waits until all of them listen.
fn watch(address: &str, viewers: usize) -> Result<Vec<JoinHandle<Result<usize>>>> {
    let listening = Arc::new(AtomicUsize::new(0));
    let watching: Vec<_> = (0..viewers)
        .map(|_| {
            let (address, listening) = (address.to_owned(), Arc::clone(&listening));
            std::thread::spawn(move || view(&address, &listening))
        })
        .collect();
    while listening.load(Ordering::Relaxed) < viewers {
        ensure!(
            !watching.iter().any(JoinHandle::is_finished),
            "a viewer has gone"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(watching)
}

/// Opens the page and listens until a run has ended; returns how many events were heard.
fn view(address: &str, listening: &AtomicUsize) -> Result<usize> {
    for path in LOADED {
        fetch(address, path)?;
    }
    let mut events = BufReader::new(request(address, "/api/v1/events")?);
    let (mut line, mut heard) = (String::new(), 0);
    loop {
        line.clear();
        ensure!(events.read_line(&mut line)? > 0, "the events have ended");
        if line.starts_with("event: overview") {
            listening.fetch_add(1, Ordering::Relaxed);
        } else if let Some(event) = line.strip_prefix("data: ") {
            heard += 1;
            let event: serde_json::Value = serde_json::from_str(event).context(line.clone())?;
            if event.get("event").and_then(serde_json::Value::as_str) == Some("run_ended") {
                break;
            }
        }
    }
    for path in LOADED.iter().take(3) {
        fetch(address, path)?;
    }
    Ok(heard)
}

fn fetch(address: &str, path: &str) -> Result<()> {
    let mut answer = String::new();
    request(address, path)?.read_to_string(&mut answer)?;
    ensure!(answer.contains(" 200 OK"), "{path}: {answer}");
    Ok(())
}

/// Asks in the older version, which has no chunks, so that what comes is the answer alone.
fn request(address: &str, path: &str) -> Result<TcpStream> {
    let mut connection = TcpStream::connect(address)?;
    let head = format!("GET {path} HTTP/1.0\r\nAuthorization: Bearer benchmark\r\n\r\n");
    connection.write_all(head.as_bytes())?;
    Ok(connection)
}
