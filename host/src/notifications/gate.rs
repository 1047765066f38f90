//! The gate before a finalize: somebody else must say yes first.

use std::time::Duration;

use serde_json::json;

use super::signature::{self, Secret};
use crate::engine::Gate;
use crate::journal;
use crate::webhook_client::WebhookClient;

/// Asks an address before each finalize, which begins only when that answers 2xx in time.
#[derive(Clone, Debug)]
pub struct FinalizeGate {
    url: String,
    secret: Option<Secret>,
    post: WebhookClient,
}

impl FinalizeGate {
    /// A gate at an address, which has so much time to answer.
    pub fn new(url: &str, secret: Option<Secret>, limit: Duration) -> Self {
        Self {
            url: url.to_owned(),
            secret,
            post: WebhookClient::new(limit),
        }
    }
}

impl Gate for FinalizeGate {
    fn before_finalize(&self, target: &str, run: i64, steps: &[String]) -> Result<(), String> {
        let body = json!({
            "event": "before_finalize",
            "target": target,
            "host": journal::holder(),
            "run": run,
            "steps": steps,
        });
        let body = body.to_string();
        let headers = signature::headers(&signature::new_id(), &body, self.secret.as_ref());
        self.post
            .send(&self.url, &headers, &body)
            .map_err(|error| error.to_string())
    }
}
