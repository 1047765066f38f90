//! What an apply did, in numbers, and where that is sent.

use serde::Serialize;
use serde_json::{Value, json};

use super::delivery::{Counts, Delivery, Limits, Message, Receiver};
use crate::catalog::SourceKind;
use crate::engine::Applied;
use crate::webhook_client::WebhookClient;

/// What the receiver is called in metrics and logs.
const NAME: &str = "migrator";

/// What an apply did. The fields keep this order.
#[derive(Clone, Debug, Default, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// When it began: <https://www.rfc-editor.org/rfc/rfc3339>
    started_at: String,
    /// How long it took, in nanoseconds.
    duration: u64,
    tenants: u64,
    single_migrations: u64,
    tenant_migrations: u64,
    tenant_migrations_total: u64,
    migrations_grand_total: u64,
    single_scripts: u64,
    tenant_scripts: u64,
    tenant_scripts_total: u64,
    scripts_grand_total: u64,
    /// The run's number; 0 when nothing was kept.
    version_id: i64,
}

impl From<&Applied> for Summary {
    fn from(applied: &Applied) -> Self {
        let files = |kind| applied.files.get(&kind).copied().unwrap_or(0);
        let runs = |kind| applied.runs.get(&kind).copied().unwrap_or(0);
        let migrations = runs(SourceKind::TenantMigration);
        let single_scripts = files(SourceKind::SingleScript) + files(SourceKind::SingleRepeatable);
        let scripts = runs(SourceKind::TenantScript) + runs(SourceKind::TenantRepeatable);
        Self {
            started_at: crate::output::rfc3339(applied.started_at),
            duration: u64::try_from(applied.duration.as_nanos()).unwrap_or(u64::MAX),
            tenants: applied.tenants,
            single_migrations: files(SourceKind::SingleMigration),
            tenant_migrations: files(SourceKind::TenantMigration),
            tenant_migrations_total: migrations,
            migrations_grand_total: files(SourceKind::SingleMigration) + migrations,
            single_scripts,
            tenant_scripts: files(SourceKind::TenantScript) + files(SourceKind::TenantRepeatable),
            tenant_scripts_total: scripts,
            scripts_grand_total: single_scripts + scripts,
            version_id: applied.run.unwrap_or(0),
        }
    }
}

/// A text with places for the numbers: `${summary}` for all of them as JSON inside quotes, `${summary.tenants}` for one.
/// Any other `${NAME}` stands for a variable.
#[derive(Clone, Debug)]
pub struct SummaryTemplate(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    All,
    One(String),
}

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SummaryTemplateError {
    /// It names a number that there is not.
    #[error("there is no `${{summary.{name}}}`; there are {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
}

impl SummaryTemplate {
    /// Reads a template; `variable` says what stands for a variable's name.
    pub fn parse(
        text: &str,
        variable: impl Fn(&str) -> String,
    ) -> Result<Self, SummaryTemplateError> {
        let example = json!(Summary::default());
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            parts.push(Part::Text(before.to_owned()));
            let Some((name, behind)) = after.split_once('}') else {
                parts.push(Part::Text("${".to_owned()));
                rest = after;
                continue;
            };
            rest = behind;
            parts.push(match name.strip_prefix("summary") {
                Some("") => Part::All,
                Some(field) if field.starts_with('.') => {
                    let name = field.trim_start_matches('.');
                    if example.get(name).is_none() {
                        return Err(unknown(name, &example));
                    }
                    Part::One(name.to_owned())
                }
                _ => Part::Text(variable(name)),
            });
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    fn write(&self, summary: &Summary) -> String {
        let values = json!(summary);
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::All => text.push_str(&inside_quotes(&body(summary))),
                Part::One(name) => match values.get(name) {
                    Some(Value::String(value)) => text.push_str(&inside_quotes(value)),
                    Some(value) => text.push_str(&value.to_string()),
                    None => {}
                },
            }
        }
        text
    }
}

fn unknown(name: &str, example: &Value) -> SummaryTemplateError {
    let known = example.as_object().into_iter().flatten();
    let known: Vec<String> = known
        .map(|(name, _)| format!("`${{summary.{name}}}`"))
        .collect();
    SummaryTemplateError::Unknown {
        name: name.to_owned(),
        known: known.join(", "),
    }
}

/// A text as it stands inside the quotes of another one in JSON.
fn inside_quotes(text: &str) -> String {
    let quoted = json!(text).to_string();
    let inside = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inside.unwrap_or_default().to_owned()
}

fn body(summary: &Summary) -> String {
    serde_json::to_string(summary).unwrap_or_default()
}

/// Where the results of applies are sent.
#[derive(Clone, Debug)]
pub struct SummaryWebhook {
    /// Where to send.
    pub url: String,
    /// What is sent along.
    pub headers: Vec<(String, String)>,
    /// What is sent; none for the summary in JSON.
    pub template: Option<SummaryTemplate>,
}

/// Tells of applies, on a thread of its own.
pub struct Summaries {
    template: Option<SummaryTemplate>,
    delivery: Delivery,
}

impl Summaries {
    /// Starts the thread.
    pub fn start(
        webhook: SummaryWebhook,
        limits: Limits,
        counts: &Counts,
    ) -> std::io::Result<Self> {
        let receiver = Receiver {
            name: NAME.to_owned(),
            url: webhook.url,
            headers: webhook.headers,
            secret: None,
        };
        let post = WebhookClient::new(limits.time);
        Ok(Self {
            template: webhook.template,
            delivery: Delivery::start(receiver, &post, limits, counts)?,
        })
    }

    /// Tells of an apply; returns at once.
    pub fn tell(&self, summary: &Summary) {
        self.delivery.enqueue(Message {
            event: "applied",
            run: summary.version_id,
            body: match &self.template {
                Some(template) => template.write(summary),
                None => body(summary),
            },
        });
    }

    /// Waits until everything is delivered or given up, but no longer than `limit`.
    pub fn finish(&self, limit: std::time::Duration) {
        self.delivery.finish(std::time::Instant::now() + limit);
    }
}
