//! The page and its parts, built into the binary.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::headers;
use crate::http::{Service, openslides};

/// One file of the page.
struct Asset {
    path: &'static str,
    media_type: &'static str,
    content: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($path:expr, $file:literal, $media_type:expr) => {
        Asset {
            path: $path,
            media_type: $media_type,
            content: include_str!(concat!("assets/", $file)),
        }
    };
    ($file:literal) => {
        asset!(concat!("/dashboard/", $file), $file, SCRIPT)
    };
}

const ASSETS: &[Asset] = &[
    asset!("/", "page.html", "text/html; charset=utf-8"),
    asset!("/dashboard/page.css", "page.css", "text/css; charset=utf-8"),
    asset!("/dashboard/icon.svg", "icon.svg", "image/svg+xml"),
    asset!("actions.js"),
    asset!("api.js"),
    asset!("bad-rows.js"),
    asset!("chart.js"),
    asset!("checks.js"),
    asset!("dom.js"),
    asset!("events.js"),
    asset!("export.js"),
    asset!("failure.js"),
    asset!("format.js"),
    asset!("history.js"),
    asset!("main.js"),
    asset!("model.js"),
    asset!("output.js"),
    asset!("pace.js"),
    asset!("run.js"),
    asset!("sign-in.js"),
    asset!("stepper.js"),
    asset!("steps.js"),
    asset!("table.js"),
    asset!("tenants.js"),
];

pub(super) fn routes() -> Router<Arc<Service>> {
    let mut routes = Router::new();
    for asset in ASSETS {
        let answer = move |headers: HeaderMap| async move { serve(asset, &headers) };
        // Other methods than GET find nothing, as they did before there was a page.
        routes = routes.route(asset.path, get(answer).fallback(openslides::not_found));
    }
    routes.layer(from_fn(headers::of_the_page))
}

/// Answers with the file, unless the browser has it already. It asks each time, so that a new host brings a new page.
fn serve(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", crate::catalog::sha256(asset.content.as_bytes()));
    let caching = [
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::ETAG, tag.clone()),
    ];
    let known = headers.get(header::IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let media_type = [(header::CONTENT_TYPE, asset.media_type)];
    (caching, media_type, asset.content).into_response()
}
