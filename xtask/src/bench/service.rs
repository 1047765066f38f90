//! The service under a step that keeps one core busy: how long its answers take, and what asking costs the migration.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Place, median, time};
use crate::cargo::say;

/// Requests a second.
const RATE: u32 = 200;

/// How long the idle service is asked.
const IDLE: Duration = Duration::from_secs(15);

/// Iterations of a loop in SQL that take some 15 seconds on a machine of this day.
const ITERATIONS: u32 = 100_000_000;

/// How often the migration runs, with and without requests.
const ROUNDS: usize = 3;

pub(super) fn measure(place: &Place) -> Result<()> {
    let steps = place.directory.join("service-steps");
    fs::create_dir_all(&steps)?;
    fs::write(
        steps.join("0001_busy.sql"),
        format!(
            "CREATE TABLE busy AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {ITERATIONS})
             SELECT count(*) AS counted FROM n;\n"
        ),
    )?;
    let token = place.directory.join("token");
    fs::write(&token, "benchmark")?;

    let mut answers_idle = Vec::new();
    let mut answers_busy = Vec::new();
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for (with_requests, times) in [false, true].into_iter().zip(&mut times) {
            place.fresh_database("CREATE TABLE one (value INTEGER)")?;
            let service = Service::start(place, &steps, &token)?;
            if round == 0 && with_requests {
                let clients = Clients::start(&service.address);
                std::thread::sleep(IDLE);
                answers_idle = clients.stop()?;
            }
            let clients = with_requests.then(|| Clients::start(&service.address));
            times.push(time(service.migrate(place, &token))?);
            if let Some(clients) = clients {
                answers_busy.extend(clients.stop()?);
            }
        }
    }
    let [alone, asked] = times.map(median);
    let (idle, busy) = (percentile_99(answers_idle), percentile_99(answers_busy));
    say(&format!(
        "{:58} {:>6.2} ms {:>6.2} ms {:>6.2} {:>6}",
        format!("p99 of {RATE} stats a second, one core busy : idle"),
        busy.as_secs_f64() * 1e3,
        idle.as_secs_f64() * 1e3,
        busy.as_secs_f64() / idle.as_secs_f64(),
        "≤ 5",
    ));
    say(&format!(
        "{:58} {:>6.0} ms {:>6.0} ms {:>6.3} {:>6}",
        "the migration, asked all the while : left alone",
        asked.as_secs_f64() * 1e3,
        alone.as_secs_f64() * 1e3,
        asked.as_secs_f64() / alone.as_secs_f64(),
        "≤ 1.03",
    ));
    Ok(())
}

fn percentile_99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times
        .get(times.len() * 99 / 100)
        .copied()
        .unwrap_or_default()
}

/// A service, ended when it is dropped.
pub(super) struct Service {
    process: Child,
    pub(super) address: String,
}

impl Service {
    pub(super) fn start(
        place: &Place,
        steps: &std::path::Path,
        token: &std::path::Path,
    ) -> Result<Self> {
        let mut command = place.host("serve", steps);
        command.args(["--listen", "127.0.0.1:0", "--log-format", "json"]);
        command.arg("--token-file").arg(token);
        let mut process = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut logs = BufReader::new(process.stderr.take().context("no standard error")?);
        let mut line = String::new();
        logs.read_line(&mut line)?;
        let said: serde_json::Value = serde_json::from_str(&line).context(line)?;
        let address = said
            .get("address")
            .and_then(serde_json::Value::as_str)
            .context("the service does not say its address")?
            .to_owned();
        // Logs must be read, or the service would wait for room to write more.
        std::thread::spawn(move || std::io::copy(&mut logs, &mut std::io::sink()));
        Ok(Self { process, address })
    }

    pub(super) fn migrate(&self, place: &Place, token: &std::path::Path) -> Command {
        let mut command = Command::new(&place.host);
        command.args(["migrate", "--host", &format!("http://{}", self.address)]);
        command.arg("--token-file").arg(token);
        command
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client that asks for `stats` at a steady rate over one connection.
struct Clients {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
    answers: Arc<Mutex<Vec<Duration>>>,
}

impl Clients {
    fn start(address: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(Mutex::new(Vec::new()));
        let (address, stop_in_thread, answers_in_thread) =
            (address.to_owned(), Arc::clone(&stop), Arc::clone(&answers));
        let thread = std::thread::spawn(move || {
            let mut connection = TcpStream::connect(&address)?;
            connection.set_nodelay(true)?;
            let mut reader = BufReader::new(connection.try_clone()?);
            let mut due = Instant::now();
            while !stop_in_thread.load(Ordering::Relaxed) {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                // From when it was due: a late answer makes all behind it late, too.
                ask(&mut connection, &mut reader)?;
                answers_in_thread
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(due.elapsed());
                due += Duration::from_secs(1) / RATE;
            }
            Ok(())
        });
        Self {
            stop,
            thread,
            answers,
        }
    }

    fn stop(self) -> Result<Vec<Duration>> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(asked) => asked?,
            Err(_) => anyhow::bail!("the client broke down"),
        }
        Ok(std::mem::take(
            &mut self.answers.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

fn ask(connection: &mut TcpStream, reader: &mut BufReader<TcpStream>) -> Result<()> {
    const BODY: &str = r#"{"cmd":"stats"}"#;
    let request = format!(
        "POST /internal/migrations HTTP/1.1\r\nHost: service\r\nAuthorization: Bearer benchmark\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    connection.write_all(request.as_bytes())?;
    let mut status = String::new();
    reader.read_line(&mut status)?;
    ensure!(
        status.contains(" 200 "),
        "stats were answered with {status}"
    );
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    reader.read_exact(&mut vec![0; length])?;
    Ok(())
}
