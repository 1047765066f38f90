//! Generated data: rows at the edges of what the schema allows are dealt with, in every way that the other checks try.
//!
//! A step may refuse rows in its `check`, before anything is changed: such rows are left out. Any other failure is shrunk
//! to the fewest rows and kept as a fixture, which the next test takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::super::declarations::{Declarations, except};
use super::super::fixture::{self, TableRows};
use super::super::generate::{self, shrink::shrink};
use super::super::injection::InjectionPlan;
use super::super::injector::FaultInjector;
use super::super::report::{Finding, Part};
use super::super::scratch::ScratchDatabase;
use super::super::snapshot::{Difference, Words, differences, logical};
use super::super::trial::{Stumble, kind_name, snapshot};
use super::super::{Error, milliseconds, parallel};
use super::data_case::{DataCase, described, signature};
use super::refusals::{Refusals, is_refusal};
use super::{applies, quick, told};
use crate::catalog::{check_directory_inside, write_over};
use crate::database::Content;
use crate::engine::Command;

const WORDS: Words = Words {
    extra: "is there in one and not in the other",
    missing: "is missing in one and not in the other",
};

/// What goes wrong with some rows.
struct Trouble {
    /// What must stay the same when rows are taken away.
    signature: String,
    place: String,
    message: String,
    details: Vec<String>,
    advice: String,
}

/// Makes rows and tries the step on them.
pub(in crate::rehearsal) fn check(
    data_cases: &[DataCase<'_>],
    seed: u64,
    known: &[&Content],
    declarations: &Declarations,
    directory: &Path,
) -> Result<Part, Error> {
    let began = Instant::now();
    let mut part = Part::default();
    if !data_cases.iter().any(|data_case| data_case.has_tables) {
        return Ok(part);
    }
    let empty = data_cases.iter().map(|data_case| data_case.empty.copy());
    let empty: Vec<ScratchDatabase> = empty.collect::<Result<_, Error>>()?;
    let mut rows = generate(&empty, seed, known)?;
    part.of = rows.len();
    // Without rows this is the empty database, which is tried anyway.
    let has_rows = rows.iter().any(|table| !table.rows.is_empty());
    if !has_rows || goes_well(data_cases, empty, &rows, declarations)? {
        part.tried = rows.iter().map(|rows| rows.rows.len()).sum();
        part.milliseconds = milliseconds(began.elapsed());
        return Ok(part);
    }
    part.notes
        .extend(Refusals::of(data_cases).leave_out(&mut rows)?);
    part.tried = rows.iter().map(|rows| rows.rows.len()).sum();
    if let Some(trouble) = trouble(data_cases, &rows, declarations)?
        && !is_always_there(data_cases, &trouble, declarations)?
    {
        let fewest = shrink(rows, |some| {
            matches!(
                self::trouble(data_cases, some, declarations),
                Ok(Some(other)) if other.signature == trouble.signature
            )
        });
        let least = self::trouble(data_cases, &fewest, declarations)?.unwrap_or(trouble);
        let path = keep(directory, &least.signature, &fewest)?;
        let mut details = least.details;
        details.push(format!("with {}", described(&fewest)));
        details.push(format!("kept as the fixture {}", path.display()));
        part.findings.push(Finding {
            place: least.place,
            message: least.message,
            details,
            advice: least.advice,
        });
    }
    part.milliseconds = milliseconds(began.elapsed());
    Ok(part)
}

/// Whether the same goes wrong without any row: the other checks tell that.
fn is_always_there(
    data_cases: &[DataCase<'_>],
    trouble: &Trouble,
    declarations: &Declarations,
) -> Result<bool, Error> {
    let without_rows = self::trouble(data_cases, &[], declarations)?;
    Ok(without_rows.is_some_and(|other| other.signature == trouble.signature))
}

/// Rows that every database takes. The last one, which is the strictest about types, has them made.
fn generate(
    empty: &[ScratchDatabase],
    seed: u64,
    known: &[&Content],
) -> Result<Vec<TableRows>, Error> {
    let Some((strictest, others)) = empty.split_last() else {
        return Ok(Vec::new());
    };
    let failed = |error: crate::database::Error| Error::Setup(format!("cannot make rows: {error}"));
    let edges = generate::Kind::Edges;
    let made = generate::generate(strictest, seed, edges, known);
    let mut rows = parallel::wait(made)?.map_err(failed)?;
    for other in others {
        rows = parallel::wait(generate::taken(other, rows))?.map_err(failed)?;
    }
    Ok(rows)
}

/// The first thing that goes wrong with the rows.
fn trouble(
    data_cases: &[DataCase<'_>],
    rows: &[TableRows],
    declarations: &Declarations,
) -> Result<Option<Trouble>, Error> {
    let mut results: Vec<Content> = Vec::new();
    for data_case in data_cases {
        let Some(base) = data_case.filled(rows)? else {
            return Ok(None);
        };
        match trouble_on(data_case, base, declarations)? {
            Ok(result) => results.push(result),
            Err(trouble) => return Ok(Some(trouble)),
        }
    }
    let different = disagreement(&results, declarations);
    Ok(different.first().map(|first| Trouble {
        signature: format!("everywhere {}", first.subject),
        place: "SQLite and PostgreSQL".to_owned(),
        message: format!("they do not give the same: {}", told(&different)),
        details: Vec::new(),
        advice: "compute it in the component, or write what both databases understand the same"
            .to_owned(),
    }))
}

/// What the results of two databases differ in.
fn disagreement(results: &[Content], declarations: &Declarations) -> Vec<Difference> {
    let [sqlite, postgres] = results else {
        return Vec::new();
    };
    let mut different = differences(&logical(sqlite), &logical(postgres), WORDS);
    except(&mut different, declarations.volatile());
    different
}

/// Whether nothing at all goes wrong with the rows, and none is refused, in these empty databases before the step.
fn goes_well(
    data_cases: &[DataCase<'_>],
    empty: Vec<ScratchDatabase>,
    rows: &[TableRows],
    declarations: &Declarations,
) -> Result<bool, Error> {
    let mut results = Vec::new();
    for (data_case, database) in data_cases.iter().zip(empty) {
        match quick::result(data_case, &database, rows, declarations)? {
            Some(result) => results.push(result),
            None => return Ok(false),
        }
    }
    Ok(disagreement(&results, declarations).is_empty())
}

/// What goes wrong on one database, or what the step leaves there.
fn trouble_on(
    data_case: &DataCase<'_>,
    base: ScratchDatabase,
    declarations: &Declarations,
) -> Result<Result<Content, Trouble>, Error> {
    let place = kind_name(base.kind());
    let stumbled = |what: &str, stumble: &Stumble| {
        let finding = stumble.finding(
            place,
            what,
            applies::advice(stumble.failure.as_deref(), stumble.is_refused),
        );
        Trouble {
            signature: format!("{what} {}", signature(stumble)),
            place: finding.place,
            message: finding.message,
            details: finding.details,
            advice: finding.advice,
        }
    };
    let different = |what: &str, subject: &str, message: String, advice: &str| Trouble {
        signature: format!("{what} {subject}"),
        place: place.to_owned(),
        message: format!("{what}: {message}"),
        details: Vec::new(),
        advice: advice.to_owned(),
    };
    let database = base.copy()?;
    let before = snapshot(&*base.database())?;
    match data_case.trial.run(database.database(), Command::Migrate) {
        Err(stumble) if is_refusal(&stumble) => return Ok(Ok(Content::default())),
        Err(stumble) => return Ok(Err(stumbled("migrate fails", &stumble))),
        Ok(()) => {}
    }
    if declarations.is_reversible() {
        let undone = database.copy()?;
        if let Err(stumble) = data_case.trial.run(undone.database(), Command::Reset) {
            return Ok(Err(stumbled("reset fails", &stumble)));
        }
        let mut left = differences(&before, &snapshot(&*undone.database())?, WORDS);
        except(&mut left, declarations.lossy());
        if let Some(first) = left.first() {
            let what = "reset does not bring back what was before";
            return Ok(Err(different(
                what,
                &first.subject,
                told(&left),
                "undo it in reset",
            )));
        }
    }
    if let Err(stumble) = data_case.trial.run(database.database(), Command::Finalize) {
        return Ok(Err(stumbled("finalize fails", &stumble)));
    }
    let result = snapshot(&*database.database())?;
    let again = base;
    let plan = InjectionPlan {
        most_rows: Some(1),
        ..InjectionPlan::default()
    };
    let injector = FaultInjector::new(again.reversed(), plan);
    if let Err(stumble) = data_case
        .trial
        .run(Arc::clone(&injector) as _, Command::Finalize)
    {
        return Ok(Err(stumbled(
            "it fails with rows in another order and batches of 1 row",
            &stumble,
        )));
    }
    let mut other = differences(&result, &snapshot(&*again.database())?, WORDS);
    except(&mut other, declarations.volatile());
    if let Some(first) = other.first() {
        let what = "with rows in another order and batches of 1 row the result is another";
        let advice = "add an `ORDER BY` with a unique column at its end, and continue over the borders of batches";
        return Ok(Err(different(what, &first.subject, told(&other), advice)));
    }
    Ok(Ok(result))
}

/// Writes the rows as a fixture of the step, named by what goes wrong, so that the same is kept once.
fn keep(directory: &Path, signature: &str, rows: &[TableRows]) -> Result<PathBuf, Error> {
    let failed = |why: String| {
        Error::Fixture(format!(
            "cannot keep a fixture in `{}`: {why}",
            directory.display()
        ))
    };
    // That of the steps; links in it may have come with the files of others.
    let steps = directory.ancestors().nth(2).unwrap_or(directory);
    check_directory_inside(steps, directory)
        .and_then(|()| std::fs::create_dir_all(directory))
        .map_err(|error| failed(error.to_string()))?;
    let number = twox_hash::XxHash3_128::oneshot(signature.as_bytes()) & 0xffff_ffff;
    let path = directory.join(format!("found-{number:08x}.json"));
    let tables = rows.iter().map(|table| {
        let objects = table.rows.iter().map(|row| {
            let cells = table.columns.iter().zip(row);
            cells
                .map(|(column, value)| (column.clone(), fixture::to_json(value)))
                .collect()
        });
        (
            table.table.clone(),
            serde_json::Value::Array(objects.collect()),
        )
    });
    let document = serde_json::Value::Object(tables.collect());
    let mut text =
        serde_json::to_string_pretty(&document).map_err(|error| failed(error.to_string()))?;
    text.push('\n');
    write_over(&path, &text).map_err(|error| failed(error.to_string()))?;
    Ok(path)
}
