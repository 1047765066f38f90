//! `GET /v1/migrations/applied`: what was applied, row by row.
//!
//! The history may be long: rows go from the database's cursor to the client as fast as it takes them, and no faster. A
//! client that goes away, or takes nothing for a while, ends the query.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::mpsc::{Sender, channel, error::TrySendError};

use super::migration::{AppliedMigration, Places};
use super::refusal::Refusal;
use super::{Api, JSON};
use crate::engine::{AppliedFile, RunError};

/// How large a part of the answer is, about.
const PART_BYTES: usize = 1 << 16;

/// How many parts wait for the client.
const PARTS: usize = 4;

/// How long a client may take nothing. Stops clients that hold a connection to the database by not reading.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked whether the client has taken something.
const LOOK: Duration = Duration::from_millis(5);

type Part = Result<Bytes, RunError>;

#[utoipa::path(get, path = "/v1/migrations/applied", tag = "migrator", responses((status = 200, body = [AppliedMigration]), (status = 401, body = Refusal), (status = 500, body = Refusal)), security((), ("token" = []), ("password" = [])))]
pub(in crate::http) async fn get(State(api): State<Api>) -> Result<Response, Refusal> {
    let (sender, mut receiver) = channel::<Part>(PARTS);
    let places = Places::under(&api.settings.base);
    let supervisor = Arc::clone(&api.service.supervisor);
    tokio::spawn(async move {
        let mut answer = Answer::new(sender.clone(), places);
        let read = supervisor.ask_at_length(async move |engine| {
            engine.applied(&mut |file| answer.row(file)).await?;
            answer.end()
        });
        tokio::select! {
            read = read => if let Err(error) = read {
                // Nobody may be there any more.
                let _ = sender.send(Err(error)).await;
            },
            () = sender.closed() => {}
        }
    });
    // What goes wrong before the first part is told as such.
    let first = match receiver.recv().await {
        Some(first) => first?,
        None => Bytes::new(),
    };
    let rest = stream::unfold(receiver, async |mut receiver| {
        let part = receiver.recv().await?;
        if let Err(error) = &part {
            tracing::warn!(%error, "the history was cut off");
        }
        Some((part, receiver))
    });
    let parts = stream::StreamExt::chain(stream::iter([Ok(first)]), rest);
    Ok(([(header::CONTENT_TYPE, JSON)], Body::from_stream(parts)).into_response())
}

/// The answer as it is written.
struct Answer {
    sender: Sender<Part>,
    places: Places,
    part: Vec<u8>,
    is_first: bool,
    /// Whether the client takes no more.
    is_over: bool,
}

impl Answer {
    fn new(sender: Sender<Part>, places: Places) -> Self {
        Self {
            sender,
            places,
            part: vec![b'['],
            is_first: true,
            is_over: false,
        }
    }

    /// Writes a row; returns whether anybody wants more.
    fn row(&mut self, file: AppliedFile) -> bool {
        if !std::mem::take(&mut self.is_first) {
            self.part.push(b',');
        }
        let row = AppliedMigration::of(file, &self.places);
        // Texts and numbers can always be written, and memory takes them.
        let _ = serde_json::to_writer(&mut self.part, &row);
        if self.part.len() >= PART_BYTES {
            self.send();
        }
        !self.is_over
    }

    fn end(&mut self) -> Result<(), RunError> {
        self.part.push(b']');
        if !self.is_over {
            self.send();
        }
        match self.is_over {
            false => Ok(()),
            true => Err(RunError::Refused("the client takes no more".to_owned())),
        }
    }

    /// Hands over what is written, as soon as the client has taken what was before.
    fn send(&mut self) {
        let mut part = Ok(std::mem::take(&mut self.part).into());
        let began = Instant::now();
        loop {
            part = match self.sender.try_send(part) {
                Ok(()) => return,
                Err(TrySendError::Full(part)) if began.elapsed() < PATIENCE => part,
                Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                    self.is_over = true;
                    return;
                }
            };
            std::thread::sleep(LOOK);
        }
    }
}
