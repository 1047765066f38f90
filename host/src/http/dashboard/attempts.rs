//! How often somebody may try to sign in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong secrets that one address may send within a minute. Stops whoever tries out passwords.
const MOST: u32 = 10;

const WHILE: Duration = Duration::from_secs(60);

/// Addresses that are remembered. Stops whoever has many of them from filling the memory.
const MOST_ADDRESSES: usize = 10_000;

/// Who sent wrong secrets lately.
#[derive(Default)]
pub(in crate::http) struct Attempts(Mutex<HashMap<IpAddr, Wrong>>);

struct Wrong {
    times: u32,
    first: Instant,
}

impl Attempts {
    /// How long an address must wait until it may try again; none when it may now.
    pub(in crate::http) fn wait(&self, address: IpAddr) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = known.get(&address).filter(|wrong| wrong.times >= MOST)?;
        WHILE.checked_sub(wrong.first.elapsed())
    }

    /// Takes note of a wrong secret.
    pub(in crate::http) fn note(&self, address: IpAddr) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, wrong| wrong.first.elapsed() < WHILE);
        if known.len() >= MOST_ADDRESSES && !known.contains_key(&address) {
            return;
        }
        let first = Instant::now();
        let wrong = known.entry(address).or_insert(Wrong { times: 0, first });
        wrong.times += 1;
    }
}
