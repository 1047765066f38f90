//! Memory that grows with the data: a component is run on some plain rows and on many, and must not need more for many.
//!
//! The heap of a garbage collector grows, too, until it is worth collecting. So what has grown is run once more, on so many
//! rows that what keeps them all must grow further by a multiple.

use super::super::fixture;
use super::super::generate;
use super::super::injection::InjectionPlan;
use super::super::report::Finding;
use super::super::snapshot::counted;
use super::super::trial::kind_name;
use super::super::{Error, parallel};
use super::data_case::DataCase;
use crate::database::Content;

/// How many rows of each table some and many are.
const ROWS: [usize; 2] = [1_000, 8_000];

/// How many there are when a growth has to be confirmed: four times as many are added as before.
const CONFIRMING_ROWS: usize = 36_000;

/// The most rows of a batch, so that batches are full both times.
const BATCH: usize = 250;

/// Growth by less is an allocator's way of taking memory in large pieces.
const MOST_GROWTH: u64 = 1 << 20;

/// What is wrong with the step's memory.
pub(in crate::rehearsal) fn check(
    data_case: &DataCase<'_>,
    seed: u64,
    known: &[&Content],
    limit_mib: u64,
) -> Result<Option<Finding>, Error> {
    let [some, many] = ROWS;
    let (Some(with_some), Some(with_many)) = (
        measure(data_case, seed, known, some)?,
        measure(data_case, seed, known, many)?,
    ) else {
        return Ok(None);
    };
    let growth = with_many.memory.saturating_sub(with_some.memory);
    if growth < MOST_GROWTH {
        return Ok(None);
    }
    // Vectors double, so that what keeps all rows has at least twice the growth. None: over the limit of memory already.
    if let Some(with_more) = measure(data_case, seed, known, CONFIRMING_ROWS)?
        && with_more.memory.saturating_sub(with_many.memory) < growth * 3 / 2
    {
        return Ok(None);
    }
    let each = growth / (with_many.rows - with_some.rows).max(1);
    let most = (limit_mib << 20) / each.max(1);
    Ok(Some(Finding {
        place: kind_name(data_case.empty.kind()).to_owned(),
        message: format!(
            "its memory grows with the data: {} KiB with {}, {} KiB with {}; about {most} rows reach `limits.memory_mib`, which is \
             {limit_mib}",
            with_some.memory >> 10,
            counted(
                usize::try_from(with_some.rows).unwrap_or(usize::MAX),
                "row",
                "rows"
            ),
            with_many.memory >> 10,
            counted(
                usize::try_from(with_many.rows).unwrap_or(usize::MAX),
                "row",
                "rows"
            ),
        ),
        details: Vec::new(),
        advice: "read with a cursor, write what was read, and keep no row longer than its batch"
            .to_owned(),
    }))
}

struct Measured {
    memory: u64,
    rows: u64,
}

/// The memory that the step needs with so many rows a table; none where it does not run on such rows.
fn measure(
    data_case: &DataCase<'_>,
    seed: u64,
    known: &[&Content],
    count: usize,
) -> Result<Option<Measured>, Error> {
    let database = data_case.empty.copy()?;
    let made = generate::generate(&database, seed, generate::Kind::Plain(count), known);
    let rows = parallel::wait(made)?
        .map_err(|error| Error::Setup(format!("cannot make rows: {error}")))?;
    if parallel::wait(fixture::load_tables(&rows, &database))?.is_err() {
        return Ok(None);
    }
    let plan = InjectionPlan {
        most_rows: Some(BATCH),
        ..InjectionPlan::default()
    };
    let done = data_case.trial.perform(database, plan)?.ok();
    Ok(done.map(|done| Measured {
        memory: done.memory,
        rows: rows.iter().map(|rows| rows.rows.len() as u64).sum(),
    }))
}
