//! The bodies of commands. Names of keys may be in any case, their values may not; keys that are not known, and the media
//! type, do not count.

use std::fmt;

use axum::body::Body as HttpBody;
use axum::http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::refusal::Refusal;
use crate::engine::ApplyMode;
use crate::http::{BODY_BYTES, BODY_WAIT};

/// How much the answer to a command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What was applied, with contents.
    Full,
    /// What was applied.
    List,
    /// Numbers alone.
    Summary,
}

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) mode: ApplyMode,
    pub(super) detail: Detail,
}

/// Reads a command.
pub(super) async fn command(body: HttpBody) -> Result<Command, Refusal> {
    fields(body).await?.command().ok_or_else(Refusal::invalid)
}

/// Reads a command for a tenant, whose name it returns, too.
pub(super) async fn command_for_tenant(body: HttpBody) -> Result<(Command, String), Refusal> {
    let mut fields = fields(body).await?;
    let name = fields.name.take().filter(|name| !name.is_empty());
    let command = fields.command();
    command.zip(name).ok_or_else(Refusal::invalid)
}

async fn fields(body: HttpBody) -> Result<Fields, Refusal> {
    let collected = Limited::new(body, BODY_BYTES).collect();
    let body = match tokio::time::timeout(BODY_WAIT, collected).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let error = "the request's body is larger than 1 MiB";
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error));
        }
        Ok(Err(_)) => return Err(Refusal::invalid()),
        Err(_) => {
            let error = "the request's body did not arrive within 10 seconds";
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, error));
        }
    };
    serde_json::from_slice(&body).map_err(|_| Refusal::invalid())
}

/// What a body says, before it is known whether it makes sense.
#[derive(Debug, Default)]
struct Fields {
    name: Option<String>,
    mode: Option<String>,
    response: Option<String>,
}

impl Fields {
    fn command(self) -> Option<Command> {
        let mode = match self.mode.as_deref()? {
            "apply" => ApplyMode::Apply,
            "sync" => ApplyMode::Sync,
            "dry-run" => ApplyMode::DryRun,
            _ => return None,
        };
        let detail = match self.response.as_deref()? {
            "full" => Detail::Full,
            "list" => Detail::List,
            "summary" => Detail::Summary,
            _ => return None,
        };
        Some(Command { mode, detail })
    }

    fn field(&mut self, key: &str) -> Option<&mut Option<String>> {
        match key.to_ascii_lowercase().as_str() {
            "name" => Some(&mut self.name),
            "mode" => Some(&mut self.mode),
            "response" => Some(&mut self.response),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some(key) = map.next_key::<String>()? {
                    match fields.field(&key) {
                        None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        // Of several, the last counts; a null changes nothing.
                        Some(field) => match map.next_value()? {
                            Value::String(text) => *field = Some(text),
                            Value::Null => {}
                            _ => return Err(serde::de::Error::custom("not a text")),
                        },
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object)
    }
}
