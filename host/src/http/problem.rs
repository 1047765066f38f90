//! Errors of the native protocol: problem details, <https://www.rfc-editor.org/rfc/rfc9457>.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::wording::in_words_of_api;
use crate::database::ErrorKind;
use crate::engine::{ApplyError, RunError};

/// What went wrong with a request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Problem {
    #[serde(skip)]
    code: StatusCode,
    /// The same for every problem of its kind.
    title: &'static str,
    status: u16,
    /// What was wrong this time, and what to do.
    detail: String,
}

impl Problem {
    pub(super) fn new(code: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            title,
            status: code.as_u16(),
            detail: detail.into(),
        }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad request", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not found", detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not allowed", detail)
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "not possible now", detail)
    }
}

impl Problem {
    /// What the database, or the host in front of it, did not do. Only what may be over soon is worth another request.
    fn of_database(kind: ErrorKind, detail: String) -> Self {
        let (code, title) = match kind {
            ErrorKind::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the database cannot be reached",
            ),
            ErrorKind::Busy | ErrorKind::Stopped => {
                (StatusCode::SERVICE_UNAVAILABLE, "the database is busy")
            }
            ErrorKind::NotPermitted => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the service has no right to that in the database",
            ),
            _ => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the database reported an error",
            ),
        };
        Self::new(code, title, detail)
    }
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        let detail = in_words_of_api(&error.to_string());
        match error {
            RunError::Database(error) => Self::of_database(error.kind, detail),
            RunError::Files(_) => Self::new(StatusCode::CONFLICT, "the files do not fit", detail),
            RunError::Drifted { .. } => {
                Self::new(StatusCode::CONFLICT, "the schema has changed", detail)
            }
            RunError::Refused(_) | RunError::Held(_) | RunError::Cancelled | RunError::Step(_) => {
                Self::conflict(detail)
            }
        }
    }
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        let detail = in_words_of_api(&error.to_string());
        match error {
            ApplyError::Run(error) => error.into(),
            ApplyError::Changed(_) => {
                Self::new(StatusCode::CONFLICT, "the files do not fit", detail)
            }
            ApplyError::TenantExists(_) => Self::conflict(detail),
            ApplyError::TenantName(_) => Self::bad_request(detail),
            ApplyError::Failed(failed) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "a migration failed",
                failed.failure.to_string(),
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = super::json(self.code, &self);
        let media_type = HeaderValue::from_static("application/problem+json");
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        response
    }
}
