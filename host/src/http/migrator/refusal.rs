//! Why a request was not done: `{"error": "…"}`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::migration::{Migration, Places};
use crate::database::ErrorKind;
use crate::engine::{ApplyError, RunError};

/// What went wrong with a request. The fields keep this order.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::http) struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    error: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Migration>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            details: Vec::new(),
        }
    }

    /// For whatever is wrong with a body.
    pub(super) fn invalid() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "Invalid request, please see documentation for valid JSON payload",
        )
    }

    pub(super) fn forbidden(error: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, error)
    }

    pub(super) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "not authenticated: send `Authorization: Bearer` with the token, or the password in base64",
        )
    }

    /// For an apply that did not do what it should.
    pub(super) fn of_apply(error: ApplyError, places: &Places) -> Self {
        match error {
            ApplyError::Changed(sources) => Self {
                status: StatusCode::FAILED_DEPENDENCY,
                error: "Checksum verification failed. Please review offending migrations."
                    .to_owned(),
                details: sources
                    .into_iter()
                    .map(|source| Migration::of(source, places))
                    .collect(),
            },
            ApplyError::TenantExists(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            ApplyError::TenantName(_) => Self::new(StatusCode::BAD_REQUEST, error.to_string()),
            ApplyError::Failed(failure) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!(
                    "SQL migration {} failed with error: {}",
                    places.file(&failure.key),
                    failure.message
                ),
            ),
            ApplyError::Run(error) => error.into(),
        }
    }
}

impl From<RunError> for Refusal {
    fn from(error: RunError) -> Self {
        match &error {
            RunError::Database(database) if database.kind == ErrorKind::Unavailable => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("Failed to connect to database: {database}"),
            ),
            RunError::Refused(_) | RunError::Held(_) | RunError::Cancelled => {
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        super::json(self.status, &self)
    }
}
