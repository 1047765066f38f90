//! Live events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event as SentEvent, KeepAlive, Sse};
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::broadcast::error::RecvError;

use crate::engine::Numbered;
use crate::http::Service;
use crate::http::dashboard::Session;
use crate::http::problem::Problem;

/// How often a stream without events shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Asks proxies to pass each event on as it comes: nginx knows the first, and who compresses or stores answers the second.
const UNBUFFERED: [(&str, &str); 2] = [
    ("x-accel-buffering", "no"),
    ("cache-control", "no-store, no-cache, no-transform"),
];

/// Live events. Begins with where the target stands, unless the client was here a short while ago and missed nothing that
/// is not kept.
#[utoipa::path(get, path = "/api/v1/events", tag = "native", responses((status = 200, content_type = "text/event-stream", description = "First `overview`, where the target stands; then `run`, one `Event` each"), (status = 401, body = Problem)), params(("last-event-id" = Option<String>, Header)), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn events(
    State(service): State<Arc<Service>>,
    session: Option<Extension<Session>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .and_then(|id| id.strip_prefix(&service.boot)?.parse::<u64>().ok());
    let newest = service.supervisor.newest_event();
    let others = service.supervisor.hear_others();
    let (missed, receiver) = service.supervisor.subscribe(last.unwrap_or(newest));
    let first = match (last, missed) {
        (Some(_), Some(missed)) => missed
            .iter()
            .map(|event| sent(&service, event))
            .collect::<Vec<_>>(),
        (_, missed) => {
            // What happened between the two looks is in both.
            let number = missed
                .and_then(|missed| missed.last().map(|event| event.number))
                .unwrap_or(newest);
            vec![overview(&service, number).await?]
        }
    };
    let rest = stream::unfold(
        (service, receiver, others),
        |(service, mut receiver, mut others)| async move {
            let received = tokio::select! {
                received = receiver.recv() => received,
                // What another host does is told as where things stand.
                Ok(()) = others.changed() => Err(RecvError::Lagged(0)),
            };
            let event = match received {
                Ok(event) => sent(&service, &event),
                Err(RecvError::Lagged(_)) => {
                    // A client too slow for the events is told that instead, too.
                    let number = service.supervisor.newest_event();
                    receiver = receiver.resubscribe();
                    overview(&service, number).await.ok()?
                }
                Err(RecvError::Closed) => return None,
            };
            Some((event, (service, receiver, others)))
        },
    );
    // Whoever listens with a session does so no longer than it lasts.
    let over = async move {
        match session {
            Some(Extension(session)) => tokio::time::sleep(session.remaining()).await,
            None => std::future::pending().await,
        }
    };
    let events = stream::iter(first)
        .chain(rest)
        .take_until(Box::pin(over))
        .map(Ok::<_, Infallible>);
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok((UNBUFFERED, events))
}

async fn overview(service: &Service, number: u64) -> Result<SentEvent, Problem> {
    let overview = service.supervisor.overview().await?;
    let event = SentEvent::default()
        .event("overview")
        .id(format!("{}{number}", service.boot));
    Ok(event.json_data(&overview).unwrap_or_default())
}

fn sent(service: &Service, numbered: &Numbered) -> SentEvent {
    SentEvent::default()
        .event("run")
        .id(format!("{}{}", service.boot, numbered.number))
        .data(numbered.json())
}
