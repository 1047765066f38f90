//! Where a run fails, and how.

use std::fmt;
use std::time::Duration;

use wasmigrate_test_server::Kind;

/// About so many faults are injected by all tests together.
const NORMAL: usize = 3_050;

/// What the counts of all tests add up to; each test injects its share.
const SHARES: usize = 3_610;

/// What ends at that moment; where nothing does, the connection alone is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// The host is killed.
    Host,
    /// The server is killed.
    Server,
    /// The operator cancels the run.
    Run,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    pub kind: Kind,
    pub victim: Option<Victim>,
    pub exchange: usize,
    /// After how many further exchanges a connection is lost again, in this run or in the next.
    pub again_after: Option<usize>,
    /// What the exchange is about in an undisturbed run.
    pub about: String,
}

/// How a command fails.
pub const CUTS: [(Kind, Option<Victim>); 9] = [
    (Kind::Unheard, None),
    (Kind::WithoutSync, None),
    (Kind::Unanswered, None),
    (Kind::HalfAnswered, None),
    (Kind::Orphaned, None),
    (Kind::Late(2), None),
    (Kind::Late(9), None),
    (Kind::Unheard, Some(Victim::Host)),
    (Kind::Unanswered, Some(Victim::Host)),
];

/// How a run of a service fails that tries again.
pub const RETRIED: [(Kind, Option<Victim>); 6] = [
    (Kind::Unheard, None),
    (Kind::WithoutSync, None),
    (Kind::Unanswered, None),
    (Kind::Orphaned, None),
    (Kind::Late(1), None),
    (Kind::Late(6), None),
];

/// How the server fails.
pub const SERVER: [(Kind, Option<Victim>); 2] = [
    (Kind::Unheard, Some(Victim::Server)),
    (Kind::Unanswered, Some(Victim::Server)),
];

/// How an operator meets a run: the server takes its time to answer, and longer than it takes the host to notice.
pub const CANCELLED: [(Kind, Option<Victim>); 1] =
    [(Kind::Slow(Duration::from_millis(300)), Some(Victim::Run))];

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.name(), self.exchange)?;
        match self.again_after {
            None => Ok(()),
            Some(further) => write!(formatter, " and {further} later"),
        }
    }
}

impl Point {
    /// The `share` of the ways to fail at these exchanges: those at the commits first, and others at even distances. In a
    /// long run everything, and further losses after the first.
    pub fn all(ways: &[(Kind, Option<Victim>)], exchanges: &[String], share: usize) -> Vec<Self> {
        let wanted = wanted();
        let further: &[Option<usize>] = match wanted {
            ..=NORMAL => &[None],
            _ => &[None, Some(2), Some(13), Some(37)],
        };
        let all = further.iter().flat_map(|again_after| {
            let exchanges = (1..).zip(exchanges);
            exchanges.flat_map(move |(exchange, about)| {
                ways.iter().map(move |(kind, victim)| Self {
                    kind: *kind,
                    victim: *victim,
                    exchange,
                    again_after: *again_after,
                    about: about.clone(),
                })
            })
        });
        let (commits, others): (Vec<Self>, Vec<Self>) =
            all.partition(|point| point.about.contains("COMMIT"));
        let count = share * wanted / SHARES;
        let mut chosen = evenly(commits, count);
        let rest = count - chosen.len();
        chosen.extend(evenly(others, rest));
        if let Ok(wanted) = std::env::var("WASMIGRATE_FAULT") {
            chosen.retain(|point| point.to_string() == wanted);
        }
        chosen
    }

    /// What kind of fault it is.
    pub fn name(&self) -> String {
        let kind = match self.kind {
            Kind::Unheard => "unheard".to_owned(),
            Kind::WithoutSync => "without sync".to_owned(),
            Kind::Unanswered => "unanswered".to_owned(),
            Kind::HalfAnswered => "half answered".to_owned(),
            Kind::Orphaned => "orphaned".to_owned(),
            Kind::Late(further) => format!("late by {further}"),
            Kind::Slow(pause) => format!("slow by {}", Duration::as_millis(&pause)),
        };
        match self.victim {
            None => kind,
            Some(Victim::Host) => format!("host killed, {kind}"),
            Some(Victim::Server) => format!("server killed, {kind}"),
            Some(Victim::Run) => format!("run cancelled, {kind}"),
        }
    }
}

/// So many of them, or all, at even distances.
fn evenly(points: Vec<Point>, count: usize) -> Vec<Point> {
    let all = points.len();
    let is_chosen = |position: usize| position * count / all != (position + 1) * count / all;
    let positions = points.into_iter().enumerate();
    positions
        .filter(|(position, _)| count >= all || is_chosen(*position))
        .map(|(_, point)| point)
        .collect()
}

/// How many faults are injected by all tests together.
fn wanted() -> usize {
    match std::env::var("WASMIGRATE_FAULTS") {
        Ok(wanted) => wanted.parse().unwrap(),
        Err(_) => NORMAL,
    }
}
