//! Where the host is killed, and how such points are chosen.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::place::Place;

/// A point in the life of a process.
#[derive(Clone, Debug)]
pub enum Point {
    /// Before one of its system calls: which, and the how-manieth of its kind, from 1.
    Call(String, usize),
    /// So long after its start.
    Moment(Duration),
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(name, number) => write!(formatter, "killed before {name} number {number}"),
            Self::Moment(after) => write!(formatter, "killed after {after:?}"),
        }
    }
}

impl Point {
    /// Runs a command and kills it here. Returns its standard output; none when it was done before.
    ///
    /// Returns only when no process has the output open any more, so none is left behind.
    pub fn kill(&self, place: &Place, arguments: &[&str]) -> Option<String> {
        let output: Output = match self {
            Self::Call(name, number) => {
                let trace = format!("trace={name}");
                let inject = format!("inject={name}:signal=KILL:when={number}");
                let options = ["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
                let mut command = place.command_under_strace(&options, arguments);
                command.output().unwrap()
            }
            Self::Moment(after) => {
                let mut command = place.command(arguments);
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                let mut child = command.spawn().unwrap();
                std::thread::sleep(*after);
                child.kill().unwrap();
                child.wait_with_output().unwrap()
            }
        };
        // strace ends as the host did.
        match (output.status.signal(), output.status.code()) {
            (Some(9), _) => Some(String::from_utf8(output.stdout).unwrap()),
            (_, Some(0)) => None,
            _ => panic!("{self}, but it ended otherwise: {output:#?}"),
        }
    }
}

/// Every system call of the main thread in a trace of `strace -f`, from the first that names `file`.
pub fn calls(trace: &str, file: &str) -> Vec<Point> {
    let mut lines = trace.lines().peekable();
    let main_thread = lines.peek().and_then(|line| line.split(' ').next());
    let mut seen = std::collections::HashMap::new();
    let mut begun = false;
    let mut points = Vec::new();
    for line in lines {
        let (thread, call) = line.split_once(' ').unwrap();
        let Some((name, arguments)) = call.trim_start().split_once('(') else {
            continue;
        };
        // Results that came later, signals and exits are no calls.
        if Some(thread) != main_thread || name.contains([' ', '<', '-', '+']) {
            continue;
        }
        let number: &mut usize = seen.entry(name.to_owned()).or_default();
        *number += 1;
        begun |= arguments.contains(file);
        if begun {
            points.push(Point::Call(name.to_owned(), *number));
        }
    }
    points
}

/// Every number that a thread counts up to in a trace of `strace -f`, for each of these kinds of calls.
pub fn calls_of_all_threads(trace: &str, kinds: &[&str]) -> Vec<Point> {
    let mut seen = std::collections::HashMap::new();
    let mut points = std::collections::BTreeSet::new();
    for line in trace.lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let name = call.trim_start().split('(').next().unwrap_or_default();
        if kinds.contains(&name) {
            let number: &mut usize = seen.entry((thread, name)).or_default();
            *number += 1;
            points.insert((name, *number));
        }
    }
    points
        .into_iter()
        .map(|(name, number)| Point::Call(name.to_owned(), number))
        .collect()
}

/// Chooses at random, and again the same when told the seed.
pub struct Seed(AtomicU64);

impl Seed {
    pub fn new() -> Self {
        let seed = match std::env::var("WASMIGRATE_TEST_SEED") {
            Ok(seed) => seed.parse().expect("WASMIGRATE_TEST_SEED is a number"),
            Err(_) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                u64::from(now.subsec_nanos())
            }
        };
        println!("WASMIGRATE_TEST_SEED={seed}");
        Self(AtomicU64::new(seed))
    }

    /// SplitMix64: <https://prng.di.unimi.it/splitmix64.c>
    pub fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.0.fetch_add(STEP, Ordering::Relaxed);
        let mut mixed = state.wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// So many of the points.
    pub fn choose(&self, mut points: Vec<Point>, count: usize) -> Vec<Point> {
        let mut chosen = Vec::new();
        while chosen.len() < count && !points.is_empty() {
            let position = self.next() % points.len() as u64;
            chosen.push(points.swap_remove(usize::try_from(position).unwrap()));
        }
        chosen
    }

    /// So many moments within a duration.
    pub fn moments(&self, within: Duration, count: usize) -> Vec<Point> {
        let nanos = u64::try_from(within.as_nanos()).unwrap();
        (0..count)
            .map(|_| Point::Moment(Duration::from_nanos(self.next() % nanos)))
            .collect()
    }
}
