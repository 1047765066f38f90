//! The bodies of requests in JSON.

use axum::Json;
use axum::extract::{FromRequest as _, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::BODY_WAIT;
use super::problem::Problem;

/// Reads the body of a request, unless it is too long on its way.
pub(super) async fn read_body<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let body = tokio::time::timeout(BODY_WAIT, Json::<T>::from_request(request, &()));
    let Json(body) = body.await.map_err(|_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "too slow",
            "the body did not arrive within 10 seconds",
        )
    })??;
    Ok(body)
}
