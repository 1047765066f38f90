//! The dashboard: a page at `/` that shows a migration as it happens.
//!
//! The page is plain HTML, CSS and JavaScript, built into the binary and served from here; all that it shows comes from
//! the API (`native`), as for any other client. This room adds what a browser needs to be let in: a sign-in that trades a
//! secret for a cookie (`sign_in`, `session`), a proof that a request comes from the page itself (`same_origin`), and
//! headers that forbid everything that the page does not do (`headers`).

mod assets;
mod attempts;
mod headers;
mod same_origin;
mod session;
pub(super) mod sign_in;

use std::sync::Arc;

use axum::Router;

use super::Service;

pub(super) use attempts::Attempts;
pub(super) use headers::of_the_api;
pub(super) use same_origin::is_same_origin;
pub(super) use session::Session;

pub(super) fn routes() -> Router<Arc<Service>> {
    assets::routes().merge(sign_in::routes())
}
