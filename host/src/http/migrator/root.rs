//! `GET /`: what answers here, for programs; browsers get the dashboard.

use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use tower::ServiceExt as _;

use super::{Api, method_not_allowed};

/// What answers. The fields keep this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Release {
    release: &'static str,
    /// The commit that it was built from, as whoever built it says; empty when they do not.
    commit_sha: &'static str,
    commit_date: &'static str,
    api_versions: [&'static str; 1],
}

const RELEASE: Release = Release {
    release: env!("CARGO_PKG_VERSION"),
    commit_sha: match option_env!("BUILD_COMMIT_SHA") {
        Some(sha) => sha,
        None => "",
    },
    commit_date: match option_env!("BUILD_COMMIT_DATE") {
        Some(date) => date,
        None => "",
    },
    api_versions: ["v1"],
};

pub(super) fn routes(prefix: &str, own: Router) -> Router<Api> {
    let answer = async move |request: Request| answer(request, own).await;
    let mut routes = Router::new().route(&format!("{prefix}/"), get(answer.clone()));
    if !prefix.is_empty() {
        routes = routes.route(prefix, get(answer));
    }
    routes.method_not_allowed_fallback(method_not_allowed)
}

async fn answer(mut request: Request, own: Router) -> Response {
    let mut response = match wants_a_page(request.headers()) {
        true => {
            *request.uri_mut() = Uri::from_static("/");
            own.oneshot(request)
                .await
                .unwrap_or_else(|never: Infallible| match never {})
        }
        false => super::json(StatusCode::OK, &RELEASE),
    };
    response
        .headers_mut()
        .append(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// Whether a client names HTML, and does not like JSON better. Programs name JSON, anything, or nothing.
fn wants_a_page(headers: &HeaderMap) -> bool {
    let accepted: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let weight = |name: &str| {
        accepted
            .iter()
            .filter_map(|range| weight_of(range, name))
            .fold(0.0, f32::max)
    };
    let page = weight("text/html");
    page > 0.0 && page >= weight("application/json")
}

/// How much a media range is liked, when it is this one: <https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1>
fn weight_of(range: &str, name: &str) -> Option<f32> {
    let mut parts = range.split(';').map(str::trim);
    parts
        .next()
        .filter(|media_type| media_type.eq_ignore_ascii_case(name))?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    match weight {
        None => Some(1.0),
        Some(weight) => weight.trim().parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_want_a_page_and_programs_do_not() {
        let wants = |accept: &'static str| {
            wants_a_page(
                &[(header::ACCEPT, HeaderValue::from_static(accept))]
                    .into_iter()
                    .collect(),
            )
        };
        assert!(wants(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        ));
        assert!(wants("application/json;q=0.5, TEXT/HTML"));
        assert!(!wants("*/*"));
        assert!(!wants("application/json, text/plain, */*"));
        assert!(!wants("application/json, text/html;q=0.9"));
        assert!(!wants("text/html;q=0"));
        assert!(!wants_a_page(&HeaderMap::new()));
    }
}
