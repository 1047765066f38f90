//! The stream of events, read on a thread of its own, and opened again where it was cut off.

use std::io::{BufRead as _, BufReader, Read as _};
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Client, Error, Result};
use crate::engine::{Event, Overview};

/// How long to wait before connecting again.
const PAUSE: Duration = Duration::from_millis(200);

/// How often a lost stream of events is opened again before giving up.
const RECONNECTIONS: u32 = 50;

/// How long a line of the stream may be, in bytes. The longest say where a target with very many steps stands.
const MOST_LINE: u64 = 16 << 20;

/// How many events wait to be shown before no more are read.
const MOST_WAITING: usize = 16;

/// What the stream of events brings.
pub(super) enum Received {
    /// Where the target stands, as the stream begins.
    Overview(Box<Overview>),
    /// Something that happened in a run.
    Event(Box<Event>),
    /// Something that only a newer host says.
    Unknown,
    /// The stream is gone for good.
    Lost(Error),
}

impl Client {
    /// Opens the stream. It ends when the receiver is dropped and the next event comes.
    pub(super) fn stream(&self) -> mpsc::Receiver<Received> {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        let client = self.clone();
        std::thread::spawn(move || client.keep_listening(&sender));
        receiver
    }

    fn keep_listening(&self, sender: &mpsc::Sender<Received>) {
        let mut last_id = None;
        let mut failures = 0;
        loop {
            let error = match self.listen(&mut last_id, sender) {
                Ok(true) => {
                    failures = 0;
                    None
                }
                Ok(false) => return,
                Err(error) => Some(error),
            };
            failures += 1;
            let is_final = error.as_ref().is_some_and(Error::is_final);
            if failures > RECONNECTIONS || is_final {
                let error =
                    error.unwrap_or_else(|| self.unreachable("the stream of events breaks off"));
                // Nobody may be listening any more.
                let _ = sender.blocking_send(Received::Lost(error));
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Reads one stream to its end; false when nobody listens any more.
    fn listen(
        &self,
        last_id: &mut Option<String>,
        sender: &mpsc::Sender<Received>,
    ) -> Result<bool> {
        let mut request = self.agent.get(self.url("events"));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(id) = last_id {
            request = request.header("last-event-id", id.as_str());
        }
        let response = request.call().map_err(|error| self.unreachable(error))?;
        let response = self.accept(response)?;
        let mut name = String::new();
        let mut body = BufReader::new(response.into_body().into_reader());
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let read = (&mut body).take(MOST_LINE).read_until(b'\n', &mut bytes);
            let is_whole = bytes.pop_if(|last| *last == b'\n').is_some();
            if !is_whole && bytes.len() as u64 == MOST_LINE {
                let error = self.unreachable("it sends a line that does not end");
                // Nobody may be listening any more.
                let _ = sender.blocking_send(Received::Lost(error));
                return Ok(false);
            }
            // What was cut off is sent again.
            if read.is_err() || !is_whole {
                return Ok(true);
            }
            let line = String::from_utf8_lossy(&bytes);
            let line = line.trim_end_matches('\r');
            if let Some(id) = line.strip_prefix("id: ") {
                *last_id = Some(id.to_owned());
            } else if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let received = match name.as_str() {
                    "overview" => serde_json::from_str(data).ok().map(Received::Overview),
                    _ => serde_json::from_str(data).ok().map(Received::Event),
                };
                if sender
                    .blocking_send(received.unwrap_or(Received::Unknown))
                    .is_err()
                {
                    return Ok(false);
                }
            }
        }
    }
}
