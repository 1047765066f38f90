//! The clients of WuKongIM's documentation, written from its rules: they read the four fields of every answer, without a
//! look at its status code, and know no other way to tell the end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{NAMES, four_fields};
use crate::service::client::Request;

/// They ask more rarely; it is the same to the service.
const INTERVAL: Duration = Duration::from_millis(5);

/// Nothing that is waited for takes so long, but for a mistake.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a client ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It saw `completed` or `migrated`.
    Success,
    /// It gave up, for this reason.
    GivenUp(String),
}

/// Asks until it sees an end, as all of them do; `see` sees every answer.
#[track_caller]
pub fn monitor(address: SocketAddr, mut see: impl FnMut(&Value)) -> End {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let answer = Request::get("/migrate/result")
            .without("Authorization")
            .send(address);
        let result = four_fields(&answer.body);
        see(&result);
        if ["completed", "migrated"].contains(&result["status"].as_str().unwrap()) {
            return End::Success;
        }
        let error = result["last_err"].as_str().unwrap_or_default();
        if !error.is_empty() && result["try_count"].as_u64().unwrap() >= 3 {
            return End::GivenUp(error.to_owned());
        }
        assert!(Instant::now() < give_up, "it asks for ever: {result}");
        std::thread::sleep(INTERVAL);
    }
}

/// What the dashboard showed.
#[derive(Debug, Default)]
pub struct Dashboard {
    /// Whether there was a progress bar: only when the first answer says that something runs.
    pub has_bar: bool,
    /// How far the bar came, in its own order.
    pub positions: Vec<usize>,
    /// Each state once, in the order in which it was seen.
    pub states: Vec<String>,
}

impl Dashboard {
    /// Watches until the end.
    #[track_caller]
    pub fn watch(address: SocketAddr) -> (Self, End) {
        let mut shown = Self::default();
        let end = monitor(address, |result| {
            let state = result["status"].as_str().unwrap();
            if shown.states.is_empty() {
                shown.has_bar = state == "running";
            }
            if shown.states.last().is_none_or(|last| last != state) {
                shown.states.push(state.to_owned());
            }
            let step = result["step"].as_str().unwrap();
            let position = NAMES.iter().position(|name| *name == step);
            if let Some(position) = position.filter(|_| shown.has_bar)
                && shown.positions.last() != Some(&position)
            {
                shown.positions.push(position);
            }
        });
        (shown, end)
    }
}

/// Waits for the end, starts the migration anew up to three times when it failed, and verifies at the end; returns how
/// often it was started anew.
#[track_caller]
pub fn automate(
    address: SocketAddr,
    mut start: impl FnMut(),
    verify: impl Fn() -> bool,
) -> Result<usize, String> {
    for again in 0..3 {
        match monitor(address, |_| {}) {
            End::Success if verify() => return Ok(again),
            End::Success => return Err("what is there is not what should be".to_owned()),
            End::GivenUp(error) if again == 2 => return Err(error),
            End::GivenUp(_) => start(),
        }
    }
    unreachable!("the third failure is the last")
}
