//! What the host sends to others by itself: one request, within a time, to where the operator says and nowhere else.

use std::time::Duration;

use ureq::http::StatusCode;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How much of an answer is read, to show why it was a refusal.
const ANSWER_BYTES: u64 = 1_000;

/// Sends requests. Redirects are not followed: they could lead to where the operator did not mean.
#[derive(Clone, Debug)]
pub(crate) struct WebhookClient {
    agent: ureq::Agent,
}

/// Why a request did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    /// There was no answer in time, or none at all.
    #[error("{}", crate::output::without_secrets(&.0.to_string()))]
    Unanswered(ureq::Error),
    /// The answer was another than 2xx.
    #[error("it answers {status}{}", said(.answer))]
    Refused {
        /// Its status.
        status: StatusCode,
        /// The beginning of what it says.
        answer: String,
    },
}

impl WebhookError {
    /// Whether the same request may do better later: <https://www.rfc-editor.org/rfc/rfc9110#section-15>
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unanswered(_) => true,
            Self::Refused { status, .. } => {
                status.is_server_error()
                    || *status == StatusCode::REQUEST_TIMEOUT
                    || *status == StatusCode::TOO_MANY_REQUESTS
            }
        }
    }
}

fn said(answer: &str) -> String {
    match answer {
        "" => String::new(),
        answer => format!(": {answer}"),
    }
}

impl WebhookClient {
    /// A sender whose requests take no longer than `limit`, answer included.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            agent: agent(limit),
        }
    }

    /// Sends a body with these headers; it is JSON unless one of them says otherwise.
    pub(crate) fn send(
        &self,
        url: &str,
        headers: &[(&str, String)],
        body: &str,
    ) -> Result<(), WebhookError> {
        let mut request = self.agent.post(url);
        let is_content_type =
            |(name, _): &(&str, String)| name.eq_ignore_ascii_case("content-type");
        if !headers.iter().any(is_content_type) {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut response = request.send(body).map_err(WebhookError::Unanswered)?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let answer = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES)
            .lossy_utf8(true)
            .read_to_string()
            .unwrap_or_default();
        Err(WebhookError::Refused {
            status,
            answer: crate::output::printable(answer.lines().next().unwrap_or_default()),
        })
    }
}

/// Trusts the certificate authorities of the system; where it has none, those that browsers trust.
pub(crate) fn tls() -> TlsConfig {
    let roots = rustls_native_certs::load_native_certs().certs;
    let roots = match roots.is_empty() {
        true => RootCerts::WebPki,
        false => roots
            .iter()
            .map(|root| Certificate::from_der(root).to_owned())
            .collect::<Vec<_>>()
            .into(),
    };
    TlsConfig::builder().root_certs(roots).build()
}

/// A client for requests that take no longer than `limit`, answer included.
pub(crate) fn agent(limit: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(limit))
        .user_agent(concat!("wasmigrate/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls())
        .build();
    config.into()
}
