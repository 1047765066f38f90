//! What the checks of a step say in one line each.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::checks::Case;
use super::report::{Check, CheckReport, Part, skipped};
use super::scratch::ScratchServer;
use super::snapshot::counted;
use super::trial::kind_name;

/// Where a step was tried.
pub(super) fn places_tried(
    servers: &[Arc<ScratchServer>],
    cases: &[Case],
    expectations: usize,
) -> String {
    let names: BTreeSet<&str> = cases
        .iter()
        .filter(|case| case.fixture.path.is_some())
        .map(|case| case.fixture.name.as_str())
        .collect();
    let kinds: Vec<&str> = servers
        .iter()
        .map(|server| kind_name(server.kind()))
        .collect();
    let expected = match expectations {
        0 => String::new(),
        count => format!(
            "; {}",
            counted(count, "result as expected", "results as expected")
        ),
    };
    format!(
        "an empty database and {}, on {}{expected}",
        counted(names.len(), "fixture", "fixtures"),
        kinds.join(" and ")
    )
}

/// Of the crash points.
pub(super) fn crashes_report(part: Part) -> CheckReport {
    let identical = part.tried.saturating_sub(part.findings.len());
    let summary = match part.tried == part.of {
        true => format!("{} crash points, {identical} identical results", part.tried),
        false => format!(
            "{} of {} crash points (commits, and calls between them), {identical} identical results",
            part.tried, part.of
        ),
    };
    let summary = match part.findings.is_empty() {
        true => summary,
        false => format!("{} crash points", part.tried),
    };
    part.report(Check::Crashes, summary)
}

/// Of other environments.
pub(super) fn environment_report(part: Part) -> CheckReport {
    match part.tried {
        0 => skipped(Check::Environment, "SQLite has none"),
        _ => part.report(
            Check::Environment,
            "another time zone, other forms of dates, other plans".to_owned(),
        ),
    }
}

/// Of the rows that were made.
pub(super) fn generated_report(part: Part, seed: u64) -> CheckReport {
    let summary = match (part.tried, part.of) {
        (0, 0) => "there are no tables before it".to_owned(),
        (0, tables) => format!(
            "nothing was tried: {} took no row, or its check refuses them all",
            counted(tables, "table", "tables")
        ),
        (rows, _) => format!(
            "{} in {}, seed {seed}",
            counted(rows, "row", "rows"),
            counted(part.of, "table", "tables")
        ),
    };
    part.report(Check::Generated, summary)
}
