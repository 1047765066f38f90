//! Where the target and its steps stand, and what can be asked without a run.

use std::num::NonZero;
use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::{Extension, Json};
use serde::Deserialize;

use super::PAGE;
use crate::database::Stop;
use crate::engine::{
    Adoption, BaselineOrder, Extent, ImportOrder, Overview, Rehearsal, Repair, RepairOrder,
    StepAdvice, StepDetails, StepOnDisk, StepReference, Unobserved, Verified,
};
use crate::http::Service;
use crate::http::body::read_body;
use crate::http::problem::Problem;
use crate::journal::{BadRow, Commander};

#[utoipa::path(get, path = "/api/v1/status", tag = "native", responses((status = 200, body = Overview), (status = 401, body = Problem), (status = 503, body = Problem)), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn status(
    State(service): State<Arc<Service>>,
) -> Result<Json<Overview>, Problem> {
    Ok(Json(service.supervisor.overview().await?))
}

#[utoipa::path(get, path = "/api/v1/steps", tag = "native", responses((status = 200, body = [StepOnDisk]), (status = 401, body = Problem), (status = 503, body = Problem)), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn steps(
    State(service): State<Arc<Service>>,
) -> Result<Json<Vec<StepOnDisk>>, Problem> {
    let steps = service
        .supervisor
        .ask_about_files(async |engine| engine.steps().await);
    Ok(Json(steps.await?))
}

/// What one step is and may do.
#[utoipa::path(get, path = "/api/v1/steps/{index}", tag = "native", responses((status = 200, body = StepDetails), (status = 401, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)), params(("index" = u64, Path)), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn step(
    State(service): State<Arc<Service>>,
    index: Result<Path<u64>, PathRejection>,
) -> Result<Json<StepDetails>, Problem> {
    let Path(index) = index?;
    let step = service.supervisor.step(index).await?;
    Ok(Json(step.ok_or_else(|| {
        Problem::not_found(format!("there is no step {index}"))
    })?))
}

/// What to say about the statements of pending steps, before they hold up the application.
#[utoipa::path(get, path = "/api/v1/advice", tag = "native", responses((status = 200, body = [StepAdvice]), (status = 401, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn advice(
    State(service): State<Arc<Service>>,
) -> Result<Json<Vec<StepAdvice>>, Problem> {
    let advice = service
        .supervisor
        .ask_about_files(async |engine| engine.advice().await);
    Ok(Json(advice.await?))
}

#[utoipa::path(get, path = "/api/v1/verify", tag = "native", responses((status = 200, body = Verified), (status = 401, body = Problem), (status = 409, body = Problem)), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn verify(
    State(service): State<Arc<Service>>,
) -> Result<Json<Verified>, Problem> {
    let verified = service
        .supervisor
        .ask_about_files(async |engine| engine.verify().await);
    Ok(Json(verified.await?))
}

/// Which bad rows are asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct BadRowsPage {
    /// Rows after this step's row …
    #[serde(default)]
    after_step: u64,
    /// … with this key.
    #[serde(default)]
    after_key: String,
    /// How many.
    most: Option<u32>,
}

/// The rows that transformations rejected and set aside.
#[utoipa::path(get, path = "/api/v1/bad-rows", tag = "native", responses((status = 200, body = [BadRow]), (status = 400, body = Problem), (status = 401, body = Problem)), params(BadRowsPage), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn bad_rows(
    State(service): State<Arc<Service>>,
    page: Result<Query<BadRowsPage>, QueryRejection>,
) -> Result<Json<Vec<BadRow>>, Problem> {
    let Query(page) = page?;
    let most = page.most.unwrap_or(PAGE).min(PAGE);
    let rows = service.supervisor.ask(async move |engine| {
        let after = (page.after_step, page.after_key.as_str());
        engine.bad_rows(after, most).await
    });
    Ok(Json(rows.await?))
}

/// Which of the pending steps are meant; all of them when nothing is said.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Part {
    /// The index, version or name of the last one.
    to: Option<String>,
    /// How many.
    #[param(value_type = Option<u64>, minimum = 1)]
    steps: Option<NonZero<usize>>,
}

/// Runs the pending steps in a transaction that is rolled back. Other writers of the target wait meanwhile.
#[utoipa::path(post, path = "/api/v1/rehearsal", tag = "native", responses((status = 200, body = Rehearsal), (status = 400, body = Problem), (status = 401, body = Problem), (status = 409, body = Problem)), params(Part), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn rehearse(
    State(service): State<Arc<Service>>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Rehearsal>, Problem> {
    let Query(part) = part?;
    let to = part.to.map(|text| match text.parse() {
        Ok(index) => StepReference::Index(index),
        Err(_) => StepReference::Name(text),
    });
    let extent = Extent::new(to, part.steps).map_err(Problem::bad_request)?;
    Ok(Json(service.supervisor.rehearse(extent).await?))
}

/// Writes steps down as applied without running them: their work was done before.
#[utoipa::path(post, path = "/api/v1/baseline", tag = "native", responses((status = 200, body = Adoption), (status = 400, body = Problem), (status = 401, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)), request_body = BaselineOrder, security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn baseline(
    State(service): State<Arc<Service>>,
    Extension(by): Extension<Commander>,
    request: Request,
) -> Result<Json<Adoption>, Problem> {
    let order: BaselineOrder = read_body(request).await?;
    let adoption = service.supervisor.ask(async move |engine| {
        engine
            .commanded_by(by)
            .baseline(&order, Arc::new(Unobserved), &Stop::default())
            .await
    });
    Ok(Json(adoption.await?))
}

/// Writes down what another tool's own table says was applied, when it fits the files.
#[utoipa::path(post, path = "/api/v1/import", tag = "native", responses((status = 200, body = Adoption), (status = 400, body = Problem), (status = 401, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)), request_body = ImportOrder, security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn import(
    State(service): State<Arc<Service>>,
    Extension(by): Extension<Commander>,
    request: Request,
) -> Result<Json<Adoption>, Problem> {
    let order: ImportOrder = read_body(request).await?;
    let adoption = service.supervisor.ask(async move |engine| {
        let engine = engine.commanded_by(by);
        engine.import(&order, &Unobserved, &Stop::default()).await
    });
    Ok(Json(adoption.await?))
}

/// What differs between the journal and the files, all of which are read.
#[utoipa::path(get, path = "/api/v1/repair", tag = "native", responses((status = 200, body = Repair), (status = 401, body = Problem), (status = 409, body = Problem)), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn differences(
    State(service): State<Arc<Service>>,
) -> Result<Json<Repair>, Problem> {
    let order = RepairOrder::default();
    let differences = service.supervisor.ask_about_files(async move |engine| {
        engine
            .repair(&order, Arc::new(Unobserved), &Stop::default())
            .await
    });
    Ok(Json(differences.await?))
}

/// Writes down for good which differences between the journal and the files are right.
#[utoipa::path(post, path = "/api/v1/repair", tag = "native", responses((status = 200, body = Repair), (status = 400, body = Problem), (status = 401, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)), request_body = RepairOrder, security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn repair(
    State(service): State<Arc<Service>>,
    Extension(by): Extension<Commander>,
    request: Request,
) -> Result<Json<Repair>, Problem> {
    let order: RepairOrder = read_body(request).await?;
    let repair = service.supervisor.ask_about_files(async move |engine| {
        engine
            .commanded_by(by)
            .repair(&order, Arc::new(Unobserved), &Stop::default())
            .await
    });
    Ok(Json(repair.await?))
}
