//! Requests to a registry and their answers: over TLS, within limits, again where that may help.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{HeaderMap, Method, Request};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use url::Url;

use crate::input;
use crate::releases::credentials::Secret;
use crate::releases::error::ReleaseError;
use crate::releases::limits;
use crate::releases::reference::is_this_machine;
use crate::releases::settings::RegistryConfig;
use crate::webhook_client;

/// How a registry is called that has another name on the network.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// The pause before the second try; the next ones are four times as long each.
const PAUSE: Duration = Duration::from_millis(250);

/// The way to one registry.
#[derive(Debug)]
pub(super) struct Connection {
    agent: ureq::Agent,
    /// The registry, as its user calls it.
    host: String,
    /// Where its paths begin.
    pub(super) base: Url,
    /// How long it was waited for so far, because it asked for that.
    waited: Mutex<Duration>,
}

/// A request.
pub(super) struct Call<'c> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, &'c str)>,
    pub(super) body: Option<&'c [u8]>,
}

impl<'c> Call<'c> {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: None,
        }
    }

    pub(super) fn with_header(mut self, name: &'static str, text: &'c str) -> Self {
        self.headers.push((name, text));
        self
    }

    pub(super) fn with_body(mut self, body: &'c [u8]) -> Self {
        self.body = Some(body);
        self
    }
}

/// Neither the query, which may hold a signature, nor a header.
impl fmt::Debug for Call<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.url.path())
    }
}

/// An answer whose body is not read yet.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: ureq::Body,
}

impl Answer {
    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body when it has no more bytes than may be.
    pub(super) fn bytes(&mut self, most: u64) -> Result<Vec<u8>, ureq::Error> {
        self.body.with_config().limit(most).read_to_vec()
    }

    /// How long the registry asks to wait.
    fn pause(&self) -> Option<Duration> {
        let seconds = self.header("retry-after")?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }
}

impl Connection {
    pub(super) fn new(host: &str, config: &RegistryConfig) -> Result<Self, ReleaseError> {
        let scheme = match is_plain(host, config) {
            true => "http",
            false => "https",
        };
        let called = match host == DOCKER_HUB.0 {
            true => DOCKER_HUB.1,
            false => host,
        };
        let base = Url::parse(&format!("{scheme}://{called}/"))
            .map_err(|error| ReleaseError::Reference(format!("`{host}` is no host: {error}")))?;
        let settings = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .accept_encoding("identity")
            .timeout_connect(Some(limits::CONNECT))
            .timeout_per_read(Some(limits::SILENCE))
            .timeout_per_write(Some(limits::SILENCE))
            .timeout_per_call(Some(limits::WHOLE_ANSWER))
            .user_agent(concat!("wasmigrate/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls(config)?)
            .build();
        Ok(Self {
            agent: settings.into(),
            host: host.to_owned(),
            base,
            waited: Mutex::default(),
        })
    }

    /// Whether the registry is reached without TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.base.scheme() == "http"
    }

    /// The registry, as its user calls it.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends a request, again where that may help.
    pub(super) fn send(
        &self,
        call: &Call<'_>,
        authorization: Option<&Secret>,
    ) -> Result<Answer, ReleaseError> {
        let mut pause = PAUSE;
        let mut tries = 1;
        loop {
            let answer = self.once(call, authorization);
            if tries == limits::TRIES {
                return answer.map_err(|error| self.unreachable(&error));
            }
            match answer {
                Ok(answer) if answer.status == 429 || answer.status >= 500 => {
                    let asked = answer.pause().unwrap_or(pause).min(limits::LONGEST_PAUSE);
                    if !self.may_wait(asked) {
                        return Ok(answer);
                    }
                    std::thread::sleep(asked);
                }
                Err(error) if may_pass(&error) => std::thread::sleep(pause),
                answer => return answer.map_err(|error| self.unreachable(&error)),
            }
            pause *= 4;
            tries += 1;
        }
    }

    /// Whether the registry may keep us waiting that long, after all that it has.
    fn may_wait(&self, pause: Duration) -> bool {
        let mut waited = self.waited.lock().unwrap_or_else(PoisonError::into_inner);
        *waited += pause;
        *waited <= limits::ALL_PAUSES
    }

    fn once(&self, call: &Call<'_>, authorization: Option<&Secret>) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(call.url.as_str());
        for (name, text) in &call.headers {
            request = request.header(*name, *text);
        }
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization.reveal());
        }
        let answer = match call.body {
            Some(body) => self.agent.run(request.body(body)?),
            None => self.agent.run(request.body(())?),
        };
        let host = call.url.host_str().unwrap_or_default();
        let answer = answer.inspect_err(|error| {
            let error = ReleaseError::said(&error.to_string());
            tracing::debug!(method = %call.method, host, path = call.url.path(), %error, "no answer of a registry");
        })?;
        let status = answer.status().as_u16();
        tracing::debug!(method = %call.method, host, path = call.url.path(), status, "a registry answers");
        let (parts, body) = answer.into_parts();
        Ok(Answer {
            status,
            headers: parts.headers,
            body,
        })
    }

    /// That nobody answers, or not as HTTP.
    pub(super) fn unreachable(&self, error: &ureq::Error) -> ReleaseError {
        let hint = match (self.is_plain(), error) {
            (false, ureq::Error::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                "; where its certificate is of an authority of your own, name that with `ca_file`, see docs/releases.md"
            }
            _ => "",
        };
        ReleaseError::Unreachable {
            host: self.host.clone(),
            why: format!("{}{hint}", ReleaseError::said(&error.to_string())),
        }
    }

    /// An answer that was not expected.
    pub(super) fn unexpected(&self, call: &Call<'_>, mut answer: Answer) -> ReleaseError {
        let said = match said(&mut answer) {
            said if said.is_empty() => said,
            said => format!(": {said}"),
        };
        ReleaseError::Answered {
            host: self.host.clone(),
            method: call.method.to_string(),
            path: ReleaseError::said(call.url.path()),
            status: answer.status,
            said,
        }
    }
}

/// What a registry says of an error, in the form that they have for that:
/// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes>
pub(super) fn said(answer: &mut Answer) -> String {
    #[derive(serde::Deserialize)]
    struct Errors {
        errors: Vec<Problem>,
    }
    #[derive(serde::Deserialize)]
    struct Problem {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let bytes = answer.bytes(limits::ERROR_BYTES).unwrap_or_default();
    let Ok(errors) = serde_json::from_slice::<Errors>(&bytes) else {
        let text = String::from_utf8_lossy(&bytes);
        return ReleaseError::said(text.lines().next().unwrap_or_default());
    };
    let all = errors.errors.iter();
    let said = all.map(|problem| format!("{} {}", problem.code, problem.message));
    ReleaseError::said(&said.collect::<Vec<_>>().join("; "))
}

/// Whether the same may do better in a moment.
fn may_pass(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => error.kind() != std::io::ErrorKind::InvalidData,
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => true,
        _ => false,
    }
}

/// Whether a host is reached without TLS: on this machine, or where its operator says so.
fn is_plain(host: &str, config: &RegistryConfig) -> bool {
    let has_authority = !config.ca_file.as_os_str().is_empty();
    config
        .plain_http
        .unwrap_or(!has_authority && is_this_machine(host))
}

/// What is trusted: the system's authorities, and those that the settings name.
fn tls(config: &RegistryConfig) -> Result<TlsConfig, ReleaseError> {
    let of_system = webhook_client::tls();
    if config.ca_file.as_os_str().is_empty() {
        return Ok(of_system);
    }
    let file = &config.ca_file;
    let pem = input::read(file).map_err(ReleaseError::file("read the certificates in", file))?;
    let named: Vec<Certificate<'static>> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if named.is_empty() {
        return Err(ReleaseError::Refused(format!(
            "`{}` holds no certificate in the form of PEM",
            file.display()
        )));
    }
    let others = match of_system.root_certs() {
        RootCerts::Specific(certificates) => certificates.to_vec(),
        _ => Vec::new(),
    };
    let all: Vec<Certificate<'static>> = others.into_iter().chain(named).collect();
    Ok(TlsConfig::builder().root_certs(all.into()).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_reached_without_tls_on_this_machine_or_where_the_settings_say_so() {
        let none = RegistryConfig::default();
        for host in ["localhost:5000", "127.0.0.1", "127.8.0.1:1", "[::1]:5000"] {
            assert!(is_plain(host, &none), "{host}");
        }
        for host in [
            "registry.example",
            "localhost.example",
            "10.0.0.1:5000",
            "[::2]",
        ] {
            assert!(!is_plain(host, &none), "{host}");
        }
        let plain = RegistryConfig {
            plain_http: Some(true),
            ..RegistryConfig::default()
        };
        assert!(is_plain("registry.example", &plain));
        let with_authority = RegistryConfig {
            ca_file: "ca.pem".into(),
            ..RegistryConfig::default()
        };
        assert!(!is_plain("localhost", &with_authority));
    }
}
