//! How often somebody may try to sign in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::http::connections::client;

/// Wrong secrets that one client may send within a minute. Stops whoever tries out passwords.
const MOST: u32 = 10;

const WHILE: Duration = Duration::from_secs(60);

/// Clients that are remembered. Stops whoever has many addresses from filling the memory; all others are one client.
const MOST_CLIENTS: usize = 10_000;

/// What stands for those that are not remembered.
const OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Who sent wrong secrets lately.
#[derive(Default)]
pub(in crate::http) struct Attempts(Mutex<HashMap<IpAddr, Wrong>>);

struct Wrong {
    times: u32,
    first: Instant,
}

impl Attempts {
    /// Takes note of a secret that is wrong, unless there were too many: then it says how long its sender must wait. Both at
    /// once, so that nobody gets more of them by sending them at the same time.
    pub(in crate::http) fn refuse(&self, address: IpAddr, is_wrong: bool) -> Option<Duration> {
        let client = client(address);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_wrong {
            known.retain(|_, wrong| wrong.first.elapsed() < WHILE);
        }
        let client = match known.len() < MOST_CLIENTS || known.contains_key(&client) {
            true => client,
            false => OTHERS,
        };
        if let Some(wrong) = known.get(&client).filter(|wrong| wrong.times >= MOST) {
            return WHILE.checked_sub(wrong.first.elapsed());
        }
        if is_wrong {
            let first = Instant::now();
            let wrong = known.entry(client).or_insert(Wrong { times: 0, first });
            wrong.times += 1;
        }
        None
    }
}
