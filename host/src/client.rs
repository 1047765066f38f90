//! A running host, driven from afar: the other side of `http::native`.

use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::mpsc;

use crate::database::Stop;
use crate::engine::{
    Event, HistoryEntry, Observer, Order, Overview, Rehearsal, Report, StepAdvice, TenantAdded,
    TenantOverview, Verified,
};
use crate::journal::{BadRow, Outcome};

/// How long to wait for a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long to rest before connecting again.
const PAUSE: Duration = Duration::from_millis(200);

/// How often a lost stream of events is opened again before giving up.
const RECONNECTIONS: u32 = 50;

/// A host's address and what it accepts for a proof.
pub struct Client {
    agent: ureq::Agent,
    base: String,
    authorization: Option<String>,
}

/// Why the host did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or said something that is no answer.
    #[error("{base}: {message}")]
    Unreachable {
        /// Its address.
        base: String,
        /// What went wrong.
        message: String,
    },
    /// It refused.
    #[error("{detail}")]
    Refused {
        /// The status of its answer.
        status: u16,
        /// Its own words.
        detail: String,
    },
}

/// What became of a command.
pub type Result<T> = std::result::Result<T, Error>;

/// What the stream of events tells.
enum News {
    Overview(Box<Overview>),
    Run(Box<Event>),
    Lost(Error),
}

impl Client {
    /// A client of the host at `base`, such as `http://127.0.0.1:9002`. `authorization` is the value of the header.
    pub fn new(base: &str, authorization: Option<String>) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_WAIT))
            .build();
        Self {
            agent: config.into(),
            base: base.trim_end_matches('/').to_owned(),
            authorization,
        }
    }

    /// Where the host's target stands.
    pub fn overview(&self) -> Result<Overview> {
        self.get("status")
    }

    /// What to say about the pending steps.
    pub fn advice(&self) -> Result<Vec<StepAdvice>> {
        self.get("advice")
    }

    /// The newest runs, the newest first.
    pub fn history(&self, most: u32, output: bool) -> Result<Vec<HistoryEntry>> {
        self.get(&format!("runs?most={most}&output={output}"))
    }

    /// Lets the run that goes on rest, or go on; returns its number.
    pub fn pause(&self, pause: bool) -> Result<i64> {
        #[derive(Deserialize)]
        struct Asked {
            run: i64,
        }
        let path = if pause { "pause" } else { "resume" };
        Ok(self.post::<Asked>(path, &json!({}), None)?.run)
    }

    /// The rows that transformations set aside, behind this step and key.
    pub fn bad_rows(&self, after: (u32, &str), most: u32) -> Result<Vec<BadRow>> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("after_step", &after.0.to_string())
            .append_pair("after_key", after.1)
            .append_pair("most", &most.to_string());
        self.get(&format!("bad-rows?{}", query.finish()))
    }

    /// The tenants, and where each stands.
    pub fn tenants(&self) -> Result<Vec<TenantOverview>> {
        self.get("tenants")
    }

    /// Adds a tenant, and applies the files for tenants to it.
    pub fn add_tenant(&self, name: &str) -> Result<TenantAdded> {
        self.post("tenants", &json!({ "name": name }), None)
    }

    /// Compares all files with the journal, and the target with what the last run left.
    pub fn verify(&self) -> Result<Verified> {
        self.get("verify")
    }

    /// Runs the pending steps in a transaction that is rolled back.
    pub fn rehearse(&self) -> Result<Rehearsal> {
        self.post("rehearsal", &json!({}), None)
    }

    /// Starts a command and follows its run to the end. `stop` cancels it.
    pub async fn run(
        &self,
        order: Order,
        wait: bool,
        observer: &dyn Observer,
        stop: &Stop,
    ) -> Result<Report> {
        // Before the run begins, so that nothing of it is missed.
        let mut news = self.follow();
        let run = loop {
            match self.start(order) {
                Ok(run) => break run,
                Err(Error::Refused {
                    status: 409,
                    detail,
                }) => {
                    let overview = self.overview()?;
                    let Some(lease) = overview.lease.filter(|_| wait) else {
                        return Err(Error::Refused {
                            status: 409,
                            detail,
                        });
                    };
                    observer.notify(&Event::Waiting {
                        holder: lease.holder,
                        run: lease.run,
                    });
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        };
        let Some(run) = run else {
            let state = Some(self.overview()?.state);
            return Ok(report(None, Outcome::Done, state, None));
        };
        let mut is_ours = false;
        let mut is_cancelled = false;
        loop {
            let told = tokio::select! {
                told = news.recv() => told,
                _ = stop.stopped(), if !is_cancelled => {
                    is_cancelled = true;
                    self.cancel(run)?;
                    continue;
                }
            };
            match told {
                Some(News::Run(event)) => {
                    if let Event::RunStarted { run: started, .. } = &*event {
                        is_ours = *started == run;
                    }
                    if !is_ours {
                        continue;
                    }
                    observer.notify(&event);
                    if let Event::RunEnded {
                        outcome,
                        state,
                        failure,
                        ..
                    } = *event
                    {
                        return Ok(report(
                            Some(run),
                            outcome,
                            state,
                            failure.map(|failure| *failure),
                        ));
                    }
                }
                // The stream began anew: the end may have been missed, the beginning has been.
                Some(News::Overview(overview)) => {
                    let last = overview.last_run.filter(|last| last.id >= run);
                    is_ours = last.as_ref().is_some_and(|last| last.id == run);
                    if let Some(outcome) = last.filter(|_| is_ours).and_then(|last| last.outcome) {
                        return Ok(report(
                            Some(run),
                            outcome,
                            Some(overview.state),
                            overview.failure,
                        ));
                    }
                }
                Some(News::Lost(error)) => return Err(error),
                None => return Err(self.unreachable("the stream of events ended")),
            }
        }
    }

    fn start(&self, order: Order) -> Result<Option<i64>> {
        #[derive(Deserialize)]
        struct Accepted {
            run: Option<i64>,
        }
        let body = json!({ "command": order.command, "verbose": order.verbose });
        let key = format!("{:032x}", rand::random::<u128>());
        Ok(self.post::<Accepted>("runs", &body, Some(&key))?.run)
    }

    fn cancel(&self, run: i64) -> Result<()> {
        let cancelled: Result<serde_json::Value> =
            self.post(&format!("runs/{run}/cancel"), &json!({}), None);
        match cancelled {
            // It has ended by itself.
            Ok(_) | Err(Error::Refused { status: 409, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads the stream of events on a thread of its own, and opens it again where it was cut off.
    fn follow(&self) -> mpsc::UnboundedReceiver<News> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let client = Self {
            agent: self.agent.clone(),
            base: self.base.clone(),
            authorization: self.authorization.clone(),
        };
        let (connected, is_connected) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut last_id = None;
            let mut failures = 0;
            loop {
                let error = match client.listen(&mut last_id, &sender, &connected) {
                    Ok(true) => {
                        failures = 0;
                        None
                    }
                    Ok(false) => return,
                    Err(error) => Some(error),
                };
                failures += 1;
                let is_final = matches!(error, Some(Error::Refused { .. }));
                if failures > RECONNECTIONS || is_final {
                    let error = error
                        .unwrap_or_else(|| client.unreachable("the stream of events breaks off"));
                    let _ = connected.send(());
                    let _ = sender.send(News::Lost(error));
                    return;
                }
                std::thread::sleep(PAUSE);
            }
        });
        // An error says that the thread has given up, which it tells by itself.
        let _ = is_connected.recv();
        receiver
    }

    /// Reads one stream to its end; false when nobody listens any more.
    fn listen(
        &self,
        last_id: &mut Option<String>,
        sender: &mpsc::UnboundedSender<News>,
        connected: &std::sync::mpsc::Sender<()>,
    ) -> Result<bool> {
        let mut request = self.agent.get(self.url("events"));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(id) = last_id {
            request = request.header("last-event-id", id.as_str());
        }
        let response = request.call().map_err(|error| self.unreachable(error))?;
        let response = self.accept(response)?;
        let _ = connected.send(());
        let mut name = String::new();
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let Ok(line) = line else {
                return Ok(true);
            };
            if let Some(id) = line.strip_prefix("id: ") {
                *last_id = Some(id.to_owned());
            } else if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let news = match name.as_str() {
                    "overview" => serde_json::from_str(data).ok().map(News::Overview),
                    _ => serde_json::from_str(data).ok().map(News::Run),
                };
                if news.is_some_and(|news| sender.send(news).is_err()) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let mut request = self.agent.get(self.url(path));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let response = request.call().map_err(|error| self.unreachable(error))?;
        self.read(response)
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
        key: Option<&str>,
    ) -> Result<T> {
        let mut request = self.agent.post(self.url(path));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request
            .send_json(body)
            .map_err(|error| self.unreachable(error))?;
        self.read(response)
    }

    fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T> {
        let mut response = self.accept(response)?;
        response
            .body_mut()
            .with_config()
            .limit(u64::MAX)
            .read_json()
            .map_err(|error| self.unreachable(format!("the answer is not wasmigrate's: {error}")))
    }

    fn accept(&self, mut response: Response) -> Result<Response> {
        #[derive(Deserialize)]
        struct Problem {
            detail: String,
        }
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let detail = match response.body_mut().read_json::<Problem>() {
            Ok(problem) => problem.detail,
            Err(_) => return Err(self.unreachable(format!("it answers with status {status}"))),
        };
        Err(Error::Refused {
            status: status.as_u16(),
            detail,
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base)
    }

    fn unreachable(&self, message: impl std::fmt::Display) -> Error {
        Error::Unreachable {
            base: self.base.clone(),
            message: message.to_string(),
        }
    }
}

type Response = ureq::http::Response<ureq::Body>;

fn report(
    run: Option<i64>,
    outcome: Outcome,
    state: Option<crate::engine::State>,
    failure: Option<crate::engine::Failure>,
) -> Report {
    Report {
        run,
        outcome,
        state,
        failure,
    }
}
