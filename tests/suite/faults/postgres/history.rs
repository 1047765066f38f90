//! What the journal says when all is done, and what must be true of it whatever happened on the way.

use crate::application::Application;

/// What it must say after any disturbance: the same as without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Index, name and state of each step.
    steps: Vec<String>,
    /// Which files were applied for whom, and how far they are.
    applied: Vec<String>,
    /// How often each phase of each step was done.
    done: Vec<String>,
    /// The rows of transformations that were gone through, and ranges that were not.
    ranges: Vec<String>,
    /// The rows that were set aside.
    bad_rows: Vec<String>,
    /// Each line that a step said.
    lines: Vec<String>,
}

impl History {
    /// Whether it is that of steps, not of tenants.
    pub fn is_of_steps(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Reads it.
    pub fn of(application: &mut Application) -> Self {
        Self {
            steps: texts(
                application,
                "SELECT step_index || ' ' || name || ' ' || state FROM wasmigrate_step ORDER BY 1",
            ),
            applied: texts(
                application,
                "SELECT file_key || ' ' || tenant || ' ' || state FROM wasmigrate_applied
                 JOIN wasmigrate_source ON wasmigrate_source.id = source ORDER BY 1",
            ),
            done: texts(
                application,
                "SELECT step_index || ' ' || phase || ' ' || count(*) FROM wasmigrate_attempt
                 WHERE outcome = 'done' GROUP BY step_index, phase ORDER BY 1",
            ),
            ranges: texts(
                application,
                "SELECT step_index || ' ' || sum(rows_done) || ' ' || sum(1 - is_done) FROM wasmigrate_range
                 GROUP BY step_index ORDER BY 1",
            ),
            bad_rows: texts(application, "SELECT row_key FROM wasmigrate_bad_row ORDER BY 1"),
            lines: texts(application, "SELECT DISTINCT line FROM wasmigrate_output WHERE line NOT LIKE '%skipping' ORDER BY 1"),
        }
    }
}

/// Each query with what it means when it has rows.
const WRONG: [(&str, &str); 4] = [
    (
        "an effect is there more than once",
        "SELECT what || ': ' || count(*) FROM effect GROUP BY what HAVING count(*) <> 1",
    ),
    (
        "a run is open",
        "SELECT id || ' ' || phase FROM wasmigrate_run WHERE outcome IS NULL",
    ),
    ("the lease is held", "SELECT holder FROM wasmigrate_lease WHERE holder IS NOT NULL"),
    (
        "a line was said more often than its step was tried in that run",
        "SELECT run || ': ' || line || ': ' || count(*) FROM wasmigrate_output AS output GROUP BY run, line
         HAVING count(*) > 1
         AND count(*) > (SELECT max(attempt) FROM wasmigrate_attempt AS attempt WHERE attempt.run = output.run)
         AND count(*) > (SELECT coalesce(max(attempt), 0) + 1 FROM wasmigrate_failure AS failure WHERE failure.run = output.run)",
    ),
];

/// The steps that are migrated, as `0001_name`.
pub fn migrated(application: &mut Application) -> Vec<String> {
    texts(
        application,
        "SELECT to_char(step_index, 'FM0000') || '_' || name FROM wasmigrate_step WHERE state IN ('migrated', 'finalized')",
    )
}

/// What is wrong with a target at which nobody is at work.
pub fn wrong(application: &mut Application) -> Vec<String> {
    let mut wrong = Vec::new();
    for (what, query) in WRONG {
        let found = texts(application, query);
        if !found.is_empty() {
            wrong.push(format!("{what}: {found:?}"));
        }
    }
    wrong
}

fn texts(application: &mut Application, query: &str) -> Vec<String> {
    let rows = application.rows(query);
    rows.into_iter()
        .map(|row| row.into_iter().next().flatten().unwrap_or_default())
        .collect()
}
