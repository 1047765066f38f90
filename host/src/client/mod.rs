//! A running host, driven from afar: the other side of `http::native`.
//!
//! This file asks questions; `follow` starts a run and follows it to its end, `stream` reads the stream of events, `told` what a host says
//! of a run that is asked for.

mod address;
mod follow;
mod stream;
mod told;

use std::time::Duration;

use address::Address;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::engine::{
    Adoption, BaselineOrder, Broken, Extent, HistoryEntry, ImportOrder, NewTenant, Overview,
    Rehearsal, Repair, RepairOrder, StepAdvice, TenantAdded, TenantOverview, TenantRemoved,
    Verified,
};
use crate::journal::{BadRow, OutputLine};
use crate::output::without_secrets;
use crate::webhook_client::tls;

/// How long to wait for a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long a short answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// How long an answer to a question may take, until its last byte.
const LONGEST_ANSWER: Duration = Duration::from_secs(300);

/// So many characters of another address are shown.
const MOST_LOCATION: usize = 200;

/// A host's address and what it accepts for a proof.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    base: Address,
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
    /// It was sent a command, and what became of that is not known.
    #[error("{message}; whether the run has begun is not known: `wasmigrate history` tells")]
    NotAnswered {
        /// What went wrong.
        message: String,
    },
    /// It has begun a run, which cannot be followed any more.
    #[error("{message}; run {run} was begun and may go on: `wasmigrate history` tells how it ends")]
    NotFollowed {
        /// The run.
        run: i64,
        /// What went wrong.
        message: String,
    },
}

impl Error {
    /// Whether it would be the same at another try. A host whose database is out of reach is there itself.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { status: ..500, .. })
    }
}

/// What became of a command.
pub type Result<T> = std::result::Result<T, Error>;

impl Client {
    /// A client of the host at `base`, such as `http://127.0.0.1:9002`. `authorization` is the value of the header.
    pub fn new(base: &str, authorization: Option<String>) -> Self {
        let base = Address::new(base);
        Self {
            agent: agent(&base, None),
            base,
            authorization,
        }
    }

    /// The host's address, without a secret.
    pub fn address(&self) -> String {
        self.base.to_string()
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

    /// A page of a run's output: the lines after the one numbered `after`, and the number to ask for more; none when there
    /// are none.
    pub fn output(&self, run: i64, after: i64) -> Result<(Vec<OutputLine>, i64)> {
        #[derive(Deserialize)]
        struct Page {
            lines: Vec<OutputLine>,
            next: i64,
        }
        let page: Page = self.get(&format!("runs/{run}/output?after={after}"))?;
        Ok((page.lines, page.next))
    }

    /// Pauses the run, or resumes it; returns its number.
    pub fn pause(&self, pause: bool) -> Result<i64> {
        #[derive(Deserialize)]
        struct Asked {
            run: i64,
        }
        let path = if pause { "pause" } else { "resume" };
        Ok(self.post::<Asked>(path, &json!({}), None)?.run)
    }

    /// Who holds the lease, and who is about to begin a run.
    pub fn lease(&self) -> Result<Broken> {
        self.get("lease")
    }

    /// Takes the lease from whoever holds it.
    pub fn break_lease(&self, reason: &str) -> Result<Broken> {
        self.post("lease/break", &json!({ "reason": reason }), None)
    }

    /// The rows that transformations set aside, after this step and key.
    pub fn bad_rows(&self, after: (u64, &str), most: u32) -> Result<Vec<BadRow>> {
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
    pub fn add_tenant(&self, tenant: &NewTenant) -> Result<TenantAdded> {
        self.post("tenants", &json!(tenant), None)
    }

    /// Removes a tenant, and touches nothing of it.
    pub fn remove_tenant(&self, name: &str) -> Result<TenantRemoved> {
        let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        // A space is the one letter that a path writes in another way.
        let path = format!("tenants/{}", name.replace('+', "%20"));
        let mut request = self.agent.delete(self.url(&path));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let response = request.call().map_err(|error| self.unreachable(error))?;
        self.read(response)
    }

    /// Compares all files with the journal, and the target with what the last run left.
    pub fn verify(&self) -> Result<Verified> {
        self.get("verify")
    }

    /// Writes steps down as applied without running them.
    pub fn baseline(&self, order: &BaselineOrder) -> Result<Adoption> {
        self.post("baseline", &json!(order), None)
    }

    /// Writes down for good which differences between the journal and the files are right.
    pub fn repair(&self, order: &RepairOrder) -> Result<Repair> {
        match order.is_empty() {
            true => self.get("repair"),
            false => self.post("repair", &json!(order), None),
        }
    }

    /// Writes down what another tool's own table says was applied.
    pub fn import(&self, order: &ImportOrder) -> Result<Adoption> {
        self.post("import", &json!(order), None)
    }

    /// Runs the pending steps in a transaction that is rolled back.
    pub fn rehearse(&self, extent: &Extent) -> Result<Rehearsal> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        match extent {
            Extent::All => {}
            Extent::To(step) => _ = query.append_pair("to", &step.as_text()),
            Extent::Steps(count) => _ = query.append_pair("steps", &count.to_string()),
        }
        let path = match query.finish() {
            query if query.is_empty() => "rehearsal".to_owned(),
            query => format!("rehearsal?{query}"),
        };
        self.post(&path, &json!({}), None)
    }

    /// The same client, which waits for no answer longer than short ones take.
    fn impatient(&self) -> Self {
        Self {
            agent: agent(&self.base, Some(ANSWER_WAIT)),
            ..self.clone()
        }
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer_wait = self.agent.config().timeouts().global;
        let mut request = self.agent.get(self.url(path));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request
            .config()
            .timeout_global(answer_wait.or(Some(LONGEST_ANSWER)))
            .build();
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
            .limit(MOST_ANSWER)
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
        if status.is_redirection() {
            let location = response.headers().get("location");
            let location = location.and_then(|location| location.to_str().ok());
            let elsewhere = location.map_or_else(String::new, |location| {
                let location: String = location.chars().take(MOST_LOCATION).collect();
                format!(", `{}`", without_secrets(&location))
            });
            return Err(Error::Refused {
                status: status.as_u16(),
                detail: format!(
                    "{}: it sends to another address{elsewhere}; if that is the host's, name it with `--host`",
                    self.address()
                ),
            });
        }
        if status == ureq::http::StatusCode::UNAUTHORIZED {
            return Err(Error::Refused {
                status: status.as_u16(),
                detail: format!("{}: {}", self.address(), self.unknown()),
            });
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

    /// Why the host does not know whose questions these are.
    fn unknown(&self) -> &'static str {
        match self.authorization {
            None => {
                "it answers only those who have its token or password: name the file with `--token-file` or `--password-file`"
            }
            Some(_) => {
                "it does not accept this token or password: look into the file that `--token-file` or `--password-file` names"
            }
        }
    }

    fn url(&self, path: &str) -> String {
        self.base.of(path)
    }

    fn unreachable(&self, message: impl std::fmt::Display) -> Error {
        Error::Unreachable {
            base: self.address(),
            message: without_secrets(&message.to_string()),
        }
    }
}

/// The largest answer, in bytes. Stops a service that fills the memory of whoever asks it.
const MOST_ANSWER: u64 = 256 << 20;

fn agent(base: &Address, answer_wait: Option<Duration>) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        // Nobody is asked but whom the operator named.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT_WAIT))
        .timeout_global(answer_wait);
    // The authorities of the system take their time to be read.
    let config = match base.is_encrypted() {
        true => config.tls_config(tls()),
        false => config,
    };
    config.build().into()
}

type Response = ureq::http::Response<ureq::Body>;
