//! How spans are sent: by the host's own HTTP client.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_http::{HttpClient, HttpError};
use ureq::http::{Request, Response};

use crate::output::without_secrets;
use crate::webhook_client;

/// How long one batch may take to be sent.
const LIMIT: Duration = Duration::from_secs(10);

/// The longest answer that is read.
const ANSWER_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Client(ureq::Agent);

impl Client {
    pub(super) fn new() -> Self {
        Self(webhook_client::agent(LIMIT))
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (parts, body) = request.into_parts();
        let response = self.0.run(Request::from_parts(parts, &*body))?;
        let (parts, mut body) = response.into_parts();
        let answer = body.with_config().limit(ANSWER_BYTES).read_to_vec()?;
        Ok(Response::from_parts(parts, answer.into()))
    }
}

#[async_trait]
impl HttpClient for Client {
    /// Blocks: it is called on the thread that does nothing but this.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request);
        match &sent {
            Ok(response) if response.status().is_success() => {}
            Ok(response) => {
                tracing::warn!(
                    status = response.status().as_u16(),
                    "the collector refuses traces"
                );
            }
            Err(error) => {
                let error = without_secrets(&error.to_string());
                tracing::warn!(%error, "the collector does not take traces");
            }
        }
        Ok(sent?)
    }
}
