//! Who else hears of runs, and is asked about them, as the settings say.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::http::{HeaderName, HeaderValue};

use super::collector::collector;
use crate::config::{Config, GateConfig, MigratorConfig, WebhookConfig};
use crate::engine::{Engine, Gate, Observer, Several};
use crate::input;
use crate::notifications::{
    Body, FinalizeGate, Limits, Notifications, Secret, Summaries, SummaryTemplate, SummaryWebhook,
    Template, Webhook,
};
use crate::traces::Traces;

/// How long a process that ends waits for what it still has to tell.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Those who hear of runs.
pub(super) struct Watchers {
    notifications: Arc<Notifications>,
    summaries: Option<Arc<Summaries>>,
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
        let notifications =
            Notifications::start(engine.target_name(), webhooks, stalled_after, limits)
                .context("cannot start the notifications")?;
        let summaries = match summary_webhook(&config.migrator, &config.beside)? {
            None => None,
            Some(webhook) => {
                let summaries = Summaries::start(webhook, limits, notifications.counts());
                Some(Arc::new(
                    summaries.context("cannot start the notifications")?,
                ))
            }
        };
        let traces = traces(&config.traces.endpoint, engine)?;
        Ok(Self {
            notifications,
            summaries,
            traces,
        })
    }

    pub(super) fn notifications(&self) -> &Notifications {
        &self.notifications
    }

    /// Where the results of applies over the migrator API are sent.
    pub(super) fn summaries(&self) -> Option<Arc<Summaries>> {
        self.summaries.clone()
    }

    pub(super) fn observer(&self) -> Arc<dyn Observer> {
        let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::clone(&self.notifications) as _];
        observers.extend(self.traces.iter().map(|traces| Arc::clone(traces) as _));
        Arc::new(Several(observers))
    }

    /// Waits a little until all is sent.
    pub(super) fn finish(&self) {
        self.notifications.finish(LAST_WORDS);
        if let Some(summaries) = &self.summaries {
            summaries.finish(LAST_WORDS);
        }
        if let Some(traces) = &self.traces {
            traces.finish(LAST_WORDS);
        }
    }
}

fn traces(endpoint: &str, engine: &Engine) -> anyhow::Result<Option<Arc<Traces>>> {
    let Some((endpoint, origin)) = collector(endpoint, |name| std::env::var(name).ok()) else {
        return Ok(None);
    };
    check_url(&endpoint).with_context(|| format!("the collector of traces ({origin})"))?;
    let traces = Traces::start(&endpoint, engine.target_name(), engine.target_kind())
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

fn summary_webhook(
    config: &MigratorConfig,
    beside: &BTreeMap<String, String>,
) -> anyhow::Result<Option<SummaryWebhook>> {
    if config.webhook_url.is_empty() {
        return Ok(None);
    }
    // The address may be a secret.
    check_url(&config.webhook_url).context("`migrator.webhook_url`")?;
    let template = match config.webhook_template.as_str() {
        "" => None,
        template => {
            let variable = |name: &str| {
                let found = std::env::var(name).ok();
                found.or_else(|| beside.get(name).cloned()).unwrap_or_else(|| {
                    tracing::warn!(
                        "`migrator.webhook_template` has `${{{name}}}`, and there is no such variable: nothing takes its place"
                    );
                    String::new()
                })
            };
            let template = SummaryTemplate::parse(template, variable);
            Some(template.context("`migrator.webhook_template`")?)
        }
    };
    let headers = config
        .webhook_headers
        .iter()
        .map(|header| webhook_header(header));
    Ok(Some(SummaryWebhook {
        url: config.webhook_url.clone(),
        headers: headers.collect::<anyhow::Result<_>>()?,
        template,
    }))
}

/// A header's name and value. What is wrong with one is said without its value, which may be a secret.
fn webhook_header(header: &str) -> anyhow::Result<(String, String)> {
    let Some((name, value)) = header.split_once(':') else {
        bail!("a header of `migrator.webhook_headers` has no `:` between its name and its value");
    };
    let (name, value) = (name.trim(), value.trim());
    HeaderName::try_from(name).map_err(|_| {
        anyhow::anyhow!("`migrator.webhook_headers`: no header can be called `{name}`")
    })?;
    HeaderValue::try_from(value).map_err(|_| {
        anyhow::anyhow!("`migrator.webhook_headers`: the value of `{name}` cannot be sent")
    })?;
    Ok((name.to_owned(), value.to_owned()))
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
    let text = input::read_text(file)
        .with_context(|| format!("cannot read the secret from {}", file.display()))?;
    let secret =
        Secret::parse(&text).with_context(|| format!("the secret in {}", file.display()))?;
    Ok(Some(secret))
}
