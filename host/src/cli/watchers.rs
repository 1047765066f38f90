//! Who else hears of runs, and is asked about them, as the settings say.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::config::{Config, GateConfig, WebhookConfig};
use crate::engine::{Engine, Gate, Observer, Several};
use crate::notices::{Body, FinalizeGate, Limits, Notices, Secret, Template, Webhook};
use crate::traces::Traces;

/// How long a process that ends waits for what it still has to tell.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Those who hear of runs.
pub(super) struct Watchers {
    notices: Arc<Notices>,
    traces: Option<Arc<Traces>>,
}

impl Watchers {
    pub(super) fn start(config: &Config, engine: &Engine) -> anyhow::Result<Self> {
        let webhooks = config.webhook.iter().map(webhook);
        let limits = Limits {
            time: Duration::from_millis(config.notices.timeout_milliseconds),
            attempts: config.notices.attempts,
            first_delay: Duration::from_millis(config.notices.delay_milliseconds),
        };
        let stalled_after = Duration::from_millis(config.notices.stalled_milliseconds);
        let webhooks = webhooks.collect::<anyhow::Result<_>>()?;
        let notices = Notices::start(engine.target_name(), webhooks, stalled_after, limits)
            .context("cannot start the notices")?;
        let traces = traces(&config.traces.endpoint, engine)?;
        Ok(Self { notices, traces })
    }

    pub(super) fn notices(&self) -> &Notices {
        &self.notices
    }

    pub(super) fn observer(&self) -> Arc<dyn Observer> {
        let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::clone(&self.notices) as _];
        observers.extend(self.traces.iter().map(|traces| Arc::clone(traces) as _));
        Arc::new(Several(observers))
    }

    /// Waits a little until all is told.
    pub(super) fn finish(&self) {
        self.notices.finish(LAST_WORDS);
        if let Some(traces) = &self.traces {
            traces.finish(LAST_WORDS);
        }
    }
}

fn traces(endpoint: &str, engine: &Engine) -> anyhow::Result<Option<Arc<Traces>>> {
    if endpoint.is_empty() {
        return Ok(None);
    }
    check_url(endpoint).context("the collector of traces")?;
    let traces = Traces::start(endpoint, engine.target_name(), engine.target_kind())
        .context("cannot start the traces")?;
    Ok(Some(Arc::new(traces)))
}

fn webhook(config: &WebhookConfig) -> anyhow::Result<Webhook> {
    let name = &config.name;
    // The address may be a secret.
    check_url(&config.url).with_context(|| format!("the webhook `{name}`"))?;
    let body = match config.template.as_str() {
        "" => Body::Format(config.format),
        template => Body::Template(
            Template::parse(template)
                .with_context(|| format!("the template of the webhook `{name}`"))?,
        ),
    };
    Ok(Webhook {
        name: name.clone(),
        url: config.url.clone(),
        events: config.events.clone(),
        body,
        secret: secret(&config.secret_file)?,
    })
}

/// What is asked before a finalize, when anything is.
pub(super) fn gate(config: &GateConfig) -> anyhow::Result<Option<Arc<dyn Gate>>> {
    if config.before_finalize.is_empty() {
        return Ok(None);
    }
    check_url(&config.before_finalize).context("the gate `gate.before_finalize`")?;
    let limit = Duration::from_millis(config.timeout_milliseconds);
    let secret = secret(&config.secret_file)?;
    Ok(Some(Arc::new(FinalizeGate::new(
        &config.before_finalize,
        secret,
        limit,
    ))))
}

fn check_url(url: &str) -> anyhow::Result<()> {
    let scheme = url::Url::parse(url).context("its address is no URL")?;
    match scheme.scheme() {
        "http" | "https" => Ok(()),
        other => bail!("its address begins with `{other}:`, and must with `http:` or `https:`"),
    }
}

fn secret(file: &Path) -> anyhow::Result<Option<Secret>> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the secret from {}", file.display()))?;
    let secret =
        Secret::parse(&text).with_context(|| format!("the secret in {}", file.display()))?;
    Ok(Some(secret))
}
