//! Where a run fails, and how.

use std::fmt;
use std::time::Duration;

use wasmigrate_test_server::Kind;

/// About so many faults are injected by all tests together.
const NORMAL: usize = 3_050;

/// The faults that the counts of all tests add up to; each test injects its share.
const SHARES: usize = 3_610;

/// After how many further exchanges connections are lost again, in this run or in the next ones, in turn.
const AGAIN_AFTER: [&[usize]; 4] = [&[], &[2], &[17], &[5, 31]];

/// How many faults that makes of ten points, for not every run has so many exchanges.
const FAULTS_OF_TEN: usize = 19;

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
    /// After how many further exchanges each a connection is lost again, in this run or in the next ones.
    pub again_after: &'static [usize],
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
        let mut further = self.again_after.iter();
        further.try_for_each(|further| write!(formatter, " and {further} later"))
    }
}

impl Point {
    /// Each way to fail at each of these exchanges, once.
    pub fn every(ways: &[(Kind, Option<Victim>)], exchanges: &[String]) -> Vec<Self> {
        let exchanges = (1..).zip(exchanges);
        let every = exchanges.flat_map(|(exchange, about)| {
            ways.iter().map(move |(kind, victim)| Self {
                kind: *kind,
                victim: *victim,
                exchange,
                again_after: &[],
                about: about.clone(),
            })
        });
        every.collect()
    }

    /// The `share` of the ways to fail at these exchanges: those at the commits first, and others at even distances.
    pub fn single(
        ways: &[(Kind, Option<Victim>)],
        exchanges: &[String],
        share: usize,
    ) -> Vec<Self> {
        chosen(Self::every(ways, exchanges), share * wanted() / SHARES)
    }

    /// The same, where most are followed by further losses.
    pub fn in_turn(
        ways: &[(Kind, Option<Victim>)],
        exchanges: &[String],
        share: usize,
    ) -> Vec<Self> {
        let count = share * wanted() * 10 / SHARES / FAULTS_OF_TEN;
        let every = Self::every(ways, exchanges);
        let again = |(point, again_after): (Self, &'static [usize])| Self {
            again_after,
            ..point
        };
        if count <= every.len() {
            let points = chosen(every, count).into_iter();
            return points
                .zip(AGAIN_AFTER.into_iter().cycle())
                .map(again)
                .collect();
        }
        let each = every
            .into_iter()
            .flat_map(|point| AGAIN_AFTER.map(|after| (point.clone(), after)));
        chosen(each.map(again).collect(), count)
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

/// So many of them: those at the commits first, and others at even distances.
fn chosen(points: Vec<Point>, count: usize) -> Vec<Point> {
    let is_commit = |point: &Point| point.about.contains("COMMIT");
    let (commits, others): (Vec<_>, Vec<_>) = points.into_iter().partition(is_commit);
    let mut chosen = evenly(commits, count);
    let rest = count - chosen.len();
    chosen.extend(evenly(others, rest));
    chosen
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
