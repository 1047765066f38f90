//! `/openapi.json`: the description of what the service answers, made from the code that answers.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{Service, dashboard, health, metrics, migrator, native, openslides, tenants, wukong};

#[derive(OpenApi)]
#[openapi(
    info(title = "wasmigrate", description = "Runs database migrations shipped as sandboxed components."),
    paths(
        openslides::documented,
        native::steps::status,
        native::steps::steps,
        native::runs::runs,
        native::start::start,
        native::runs::run,
        native::runs::output,
        native::runs::cancel,
        native::lease::lease,
        native::lease::break_lease,
        native::events::events,
        native::steps::advice,
        native::steps::verify,
        native::steps::baseline,
        native::steps::import,
        native::steps::differences,
        native::steps::repair,
        native::runs::pause,
        native::runs::resume,
        native::steps::bad_rows,
        native::steps::rehearse,
        native::steps::step,
        tenants::list,
        tenants::add,
        tenants::remove,
        dashboard::sign_in::signed_in,
        dashboard::sign_in::sign_in,
        dashboard::sign_in::sign_out,
        health::healthy,
        health::ready,
        metrics::metrics,
        wukong::documented,
        migrator::config::get,
        migrator::source::get,
        migrator::applied::get,
        migrator::apply::post,
        migrator::tenants::get,
        migrator::tenants::post,
    ),
    components(schemas(crate::engine::Event)),
    modifiers(&Secrets),
)]
struct Description;

/// The two ways to prove who asks.
struct Secrets;

impl Modify for Secrets {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let password = ApiKeyValue::with_description("Authorization", "The password in base64");
        components
            .add_security_scheme("password", SecurityScheme::ApiKey(ApiKey::Header(password)));
    }
}

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new().route("/openapi.json", get(description))
}

async fn description() -> Response {
    super::json(axum::http::StatusCode::OK, &Description::openapi())
}
