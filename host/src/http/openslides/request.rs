//! The checks of a request, in their order; the first that fails answers.

use std::sync::Arc;

use axum::body::{Body as HttpBody, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;

use super::Refused;
use crate::engine::Command;
use crate::http::commander;
use crate::http::credentials::{Access, Verdict};
use crate::http::{BODY_BYTES, BODY_WAIT, Service};
use crate::journal::{Commander, Via};

/// A body that passed all checks.
pub(super) struct Body {
    pub(super) asked: Asked,
    pub(super) verbose: bool,
    /// Who asks.
    pub(super) by: Commander,
}

/// What is asked for.
pub(super) enum Asked {
    Command(Command),
    Stats,
    Progress,
    ClearCollectionfieldTables,
}

impl Asked {
    /// The name that the client used.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Command(command) => command.as_str(),
            Self::Stats => "stats",
            Self::Progress => "progress",
            Self::ClearCollectionfieldTables => "clear-collectionfield-tables",
        }
    }
}

/// Answers whatever there is no route for.
pub(in crate::http) async fn not_found() -> Response {
    Refused::new(
        StatusCode::NOT_FOUND,
        "The requested URL was not found on the server.",
    )
    .response()
}

/// Answers a method that a resource does not have. Which it has is for the route to say.
pub(in crate::http) async fn method_not_allowed() -> Response {
    Refused::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "The method is not allowed for the requested URL.",
    )
    .response()
}

/// Reads a request.
pub(super) async fn read(service: &Arc<Service>, request: Request) -> Result<Body, Response> {
    if request.method() != Method::POST {
        let mut response = method_not_allowed().await;
        let post = axum::http::HeaderValue::from_static("POST");
        response.headers_mut().insert(header::ALLOW, post);
        return Err(response);
    }
    check(service, request)
        .await
        .map_err(|refused| refused.response())
}

async fn check(service: &Arc<Service>, request: Request) -> Result<Body, Refused> {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        return Err(Refused::bad_request(
            "Wrong media type. Use 'Content-Type: application/json' instead.",
        ));
    }
    let body = collect(body).await?;
    let value: Value = serde_json::from_slice(&body).map_err(|error| {
        // Some clients take the word EOF for a broken connection, and try again.
        let why = error
            .to_string()
            .replace("EOF while", "the input ended while");
        Refused::bad_request(format!("Failed to decode JSON object: {why}"))
    })?;
    let authorization = parts.headers.get(header::AUTHORIZATION);
    let verdict = service
        .settings
        .credentials
        .judge(authorization.map(|value| value.as_bytes()));
    let holder = match verdict {
        Verdict::Accepted(holder) if holder.access == Access::ReadOnly => {
            return Err(Refused::new(
                StatusCode::FORBIDDEN,
                "This token may only look, which is not done here.",
            ));
        }
        Verdict::Accepted(holder) => holder,
        Verdict::Wrong => {
            return Err(Refused::new(
                StatusCode::UNAUTHORIZED,
                "Authentication failed. Send the internal auth password in base64, or 'Bearer' and the token.",
            ));
        }
        Verdict::Unreadable => {
            return Err(Refused::bad_request(
                "The internal auth password must be correctly base64-encoded.",
            ));
        }
        Verdict::NoPassword => {
            return Err(Refused::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Missing INTERNAL_AUTH_PASSWORD_FILE.",
            ));
        }
    };
    let Value::Object(object) = value else {
        return Err(Refused::bad_request(
            "The browser (or proxy) sent a request that this server could not understand.",
        ));
    };
    let name = match object.get("cmd") {
        Some(Value::String(name)) if !name.is_empty() => name.as_str(),
        _ => return Err(Refused::bad_request("No command provided")),
    };
    let asked = asked(name)?;
    let needed = match asked {
        Asked::Command(command) => holder.access.refuse_command(command),
        Asked::Stats | Asked::Progress => Ok(()),
        Asked::ClearCollectionfieldTables => holder.access.refuse_command(Command::Finalize),
    };
    needed.map_err(|why| Refused::new(StatusCode::FORBIDDEN, why))?;
    Ok(Body {
        asked,
        by: commander::of(
            &parts.headers,
            &parts.extensions,
            Some(&holder),
            Via::Openslides,
        ),
        verbose: object.get("verbose") == Some(&Value::Bool(true)),
    })
}

fn asked(name: &str) -> Result<Asked, Refused> {
    Ok(match name {
        "migrate" => Asked::Command(Command::Migrate),
        "finalize" => Asked::Command(Command::Finalize),
        "reset" => Asked::Command(Command::Reset),
        "stats" => Asked::Stats,
        "progress" => Asked::Progress,
        "clear-collectionfield-tables" => Asked::ClearCollectionfieldTables,
        _ => return Err(super::unknown(name)),
    })
}

/// Whether the media type is JSON: `application/json`, or any with the suffix `+json`
/// (<https://www.rfc-editor.org/rfc/rfc6839#section-3.1>), whatever its parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str())
    else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence == "application/json"
        || essence
            .strip_prefix("application/")
            .is_some_and(|subtype| subtype.ends_with("+json"))
}

async fn collect(body: HttpBody) -> Result<Bytes, Refused> {
    let collected = Limited::new(body, BODY_BYTES).collect();
    match tokio::time::timeout(BODY_WAIT, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refused::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The request body is larger than 1 MiB.",
        )),
        Ok(Err(_)) => Err(Refused::bad_request("The request body could not be read.")),
        Err(_) => Err(Refused::new(
            StatusCode::REQUEST_TIMEOUT,
            "The request body did not arrive within 10 seconds.",
        )),
    }
}
