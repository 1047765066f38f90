//! What is sent: the notification as it is, in the form of chats, or in a form of the operator's own.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Notification, NotificationKind};

/// A form that the host knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// All that the notification says, as an object.
    #[default]
    Json,
    /// `{"text": "…"}`, which the incoming webhooks of Slack, Mattermost, Rocket.Chat and Google Chat show as it is.
    Chat,
}

/// How the body is written.
#[derive(Clone, Debug)]
pub enum Body {
    /// In a form that the host knows.
    Format(Format),
    /// In one of the operator's own.
    Template(Template),
}

/// JSON with places for the notification's values, such as `{"content": "{{text}}"}`.
#[derive(Clone, Debug)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    /// The value of this name.
    Place(String),
}

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It names a value that no notification has.
    #[error("there is no value `{name}`; there are {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A place does not end.
    #[error("a `{{{{` has no `}}}}` after it")]
    Open,
    /// What it becomes is not JSON.
    #[error("what it becomes is not JSON: {0}")]
    NotJson(serde_json::Error),
}

impl Body {
    /// The body for a notification.
    pub(super) fn write(&self, notice: &Notification) -> String {
        match self {
            Self::Format(Format::Json) => serde_json::to_string(notice).unwrap_or_default(),
            Self::Format(Format::Chat) => {
                json!({ "text": format!("{} {}", sign(notice.event), notice.text) }).to_string()
            }
            Self::Template(template) => template.write(&json!(notice)),
        }
    }
}

/// What is seen at a glance.
fn sign(kind: NotificationKind) -> char {
    match kind {
        NotificationKind::Started => '▶',
        NotificationKind::Finished => '✅',
        NotificationKind::Failed => '❌',
        NotificationKind::WaitingForFinalize => '⏳',
        NotificationKind::Stalled => '⚠',
    }
}

impl Template {
    /// Reads a template, and tries it.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let example = json!(example());
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or(TemplateError::Open)?;
            let name = name.trim();
            if example.get(name).is_none() {
                let known = example.as_object().into_iter().flatten();
                let known: Vec<String> = known.map(|(name, _)| format!("`{name}`")).collect();
                return Err(TemplateError::Unknown {
                    name: name.to_owned(),
                    known: known.join(", "),
                });
            }
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Place(name.to_owned()));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        let template = Self(parts);
        let tried = serde_json::from_str::<Value>(&template.write(&example));
        tried.map(|_| template).map_err(TemplateError::NotJson)
    }

    /// Values are written as they stand inside the quotes of a JSON text.
    fn write(&self, values: &Value) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Place(name) => match values.get(name) {
                    None | Some(Value::Null) => {}
                    Some(Value::String(value)) => {
                        let quoted = json!(value).to_string();
                        let inside = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
                        text.push_str(inside.unwrap_or_default());
                    }
                    Some(value) => text.push_str(&value.to_string()),
                },
            }
        }
        text
    }
}

/// A notification with every value, to try templates on.
fn example() -> Notification {
    Notification {
        event: NotificationKind::Failed,
        text: "example".to_owned(),
        time: "2026-01-01T00:00:00Z".to_owned(),
        target: "example".to_owned(),
        host: "example:1".to_owned(),
        run: 1,
        command: "migrate".to_owned(),
        state: Some(crate::engine::State::MigrationFailed),
        outcome: Some(crate::journal::Outcome::Failed),
        step: Some("0001_example".to_owned()),
        error: Some("example".to_owned()),
        milliseconds: 1,
        release: Some("oci://registry.example/example:1.0.0".to_owned()),
        signers: vec!["example".to_owned()],
    }
}
