//! A database as another client or another server sees it: settings that change what statements mean, or how they are done.

use std::time::{SystemTime, UNIX_EPOCH};

use super::pool::Postgres;

/// What is not as usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// The time zone.
    TimeZone,
    /// How dates and intervals are written as text.
    Forms,
    /// How tables are joined and grouped, and so in which order rows come that nobody has ordered.
    Plans,
}

impl Elsewhere {
    /// As a connection asks for it. <https://www.postgresql.org/docs/current/runtime-config-client.html>
    fn settings(self) -> &'static str {
        match self {
            // One in which it is the same day: a date of today is another matter.
            Self::TimeZone if is_before_evening() => "-c TimeZone=<+0545>-5:45",
            Self::TimeZone => "-c TimeZone=<-0330>3:30",
            Self::Forms => "-c DateStyle=SQL,DMY -c IntervalStyle=sql_standard",
            Self::Plans => "-c enable_hashjoin=off -c enable_hashagg=off",
        }
    }
}

fn is_before_evening() -> bool {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    now.as_secs() % (24 * 60 * 60) < 18 * 60 * 60
}

impl Postgres {
    /// The same database for a client elsewhere.
    pub fn elsewhere(&self, differences: &[Elsewhere]) -> Self {
        let mut address = self.0.address.clone();
        let own = address.options.iter().map(String::as_str);
        let settings = differences.iter().map(|difference| difference.settings());
        address.options = Some(own.chain(settings).collect::<Vec<_>>().join(" "));
        self.at(address)
    }
}
