//! The output of runs.
//!
//! A line gets its place when it is committed, while nobody else can commit lines: whoever reads what comes after the last
//! line that it has read misses none, however many write at the same time, in one host or in several. Who wrote a line and
//! the writer's own count name it for good: that tells what became of a commit whose answer was lost.

use super::cells::{columns, index as index_of, number, of_index, spelled, text};
use super::tables::tables;
use super::{OutputLine, Phase, conflict, has_tenants, integer, runs, schema};
use std::collections::HashSet;

use crate::database::{Result, Session, Value};
use crate::output::Level;

/// A line as a tenant's own database keeps it beside what it tells of. Its `sequence` is the writer's own count.
#[derive(Clone, Debug)]
pub struct CopiedLine {
    /// The run.
    pub run: i64,
    /// Who wrote it.
    pub writer: i64,
    /// What it says.
    pub line: OutputLine,
}

/// A line as it is read: an earlier version kept some that are longer than a session may read.
const LINE: &str = "substr(line, 1, 100000)";

/// The output of one run: at most `most` lines after the one numbered `after`.
pub async fn read_output(
    session: &mut dyn Session,
    run: i64,
    after: i64,
    most: u32,
) -> Result<Vec<OutputLine>> {
    let columns_of_tenants = match has_tenants(session).await? {
        true => "tenant, file_key",
        false => "NULL, NULL",
    };
    let rows = tables(session)
        .rows(
            &format!(
                "SELECT sequence, step_index, phase, written_at, level, {LINE}, {columns_of_tenants}
                 FROM wasmigrate_output WHERE run = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"
            ),
            &[run.into(), after.into(), most.into()],
        )
        .await?;
    rows.into_iter().map(line_of).collect()
}

fn line_of(row: Vec<Value>) -> Result<OutputLine> {
    let [
        sequence,
        index,
        phase,
        written_at,
        level,
        line,
        tenant,
        file,
    ] = columns(row)?;
    Ok(OutputLine {
        sequence: number(&sequence),
        index: match index {
            Value::Null => None,
            index => Some(index_of(&index)),
        },
        phase: spelled(&phase, Phase::from_journal)?,
        written_at: number(&written_at),
        level: spelled(&level, Level::from_journal)?,
        line: text(&line),
        tenant: tenant.as_text().map(str::to_owned),
        file: file.as_text().map(str::to_owned),
    })
}

/// Writes lines of output into the open transaction, after all that are committed. `writer` has counted them in `sequence`:
/// where nobody else writes for the run, these are their places, too.
pub async fn write_output(
    session: &mut dyn Session,
    run: i64,
    writer: i64,
    lines: &[OutputLine],
) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    // Each statement sees what was committed before it began.
    take_turns(session, run).await?;
    for (position, line) in lines.iter().enumerate() {
        // A transaction whose connection was lost may still reach the server after its lines were written again.
        let unless_written = match position {
            0 => {
                " WHERE coalesce((SELECT number FROM wasmigrate_output WHERE run = $1 AND writer = $3
                   ORDER BY sequence DESC LIMIT 1), 0) < $2"
            }
            _ => "",
        };
        insert(session, run, writer, line, unless_written).await?;
    }
    Ok(())
}

/// Writes lines that tenants' own databases keep, and of which the target has none, after all that it has of their runs.
pub async fn gather_output(session: &mut dyn Session, lines: &[CopiedLine]) -> Result<()> {
    for CopiedLine { run, writer, line } in lines {
        insert(session, *run, *writer, line, "").await?;
    }
    Ok(())
}

async fn insert(
    session: &mut dyn Session,
    run: i64,
    writer: i64,
    line: &OutputLine,
    condition: &str,
) -> Result<()> {
    let statement = format!(
            "INSERT INTO wasmigrate_output
             (run, sequence, number, writer, step_index, phase, written_at, level, line, tenant, file_key)
             SELECT $1, CASE WHEN newest < $2 THEN $2 ELSE newest + 1 END, $2, $3, $4, $5, $6, $7, $8, $9, $10
             FROM (SELECT coalesce(max(sequence), 0) AS newest FROM wasmigrate_output WHERE run = $1) AS before{condition}
             RETURNING sequence"
        );
    let parameters = [
        run.into(),
        line.sequence.into(),
        writer.into(),
        line.index.map(of_index).into(),
        line.phase.as_str().into(),
        line.written_at.into(),
        line.level.as_str().into(),
        line.line.as_str().into(),
        line.tenant.clone().into(),
        line.file.clone().into(),
    ];
    let otherwise = conflict("that these lines of output are new");
    tables(session)
        .require(&statement, &parameters, 1, otherwise)
        .await
}

/// The count of the last line that a writer has committed; 0 when there is none. Waits for a commit that is under way.
pub async fn last_written(session: &mut dyn Session, run: i64, writer: i64) -> Result<i64> {
    take_turns(session, run).await?;
    let last =
        "SELECT coalesce(max(number), 0) FROM wasmigrate_output WHERE run = $1 AND writer = $2";
    let rows = tables(session)
        .rows(last, &[run.into(), writer.into()])
        .await?;
    Ok(integer(&rows, 0))
}

/// The place of the last line of a run's output; 0 when it has none.
pub async fn last_place(session: &mut dyn Session, run: i64) -> Result<i64> {
    let last = "SELECT coalesce(max(sequence), 0) FROM wasmigrate_output WHERE run = $1";
    let rows = tables(session).rows(last, &[run.into()]).await?;
    Ok(integer(&rows, 0))
}

/// The lines of these runs that a tenant's own database keeps, in the order in which they were committed there.
pub async fn read_copied_output(
    session: &mut dyn Session,
    runs: &[i64],
) -> Result<Vec<CopiedLine>> {
    if schema::version(session).await?.unwrap_or(0) < schema::FOURTH {
        return Ok(Vec::new());
    }
    let query = format!(
        "SELECT run, writer, number, step_index, phase, written_at, level, {LINE}, tenant, file_key
         FROM wasmigrate_output WHERE run = $1 AND writer IS NOT NULL ORDER BY sequence"
    );
    let mut lines = Vec::new();
    for run in runs {
        for mut row in tables(session).rows(&query, &[(*run).into()]).await? {
            let line = line_of(row.split_off(2.min(row.len())))?;
            let [run, writer] = columns(row)?;
            lines.push(CopiedLine {
                run: number(&run),
                writer: number(&writer),
                line,
            });
        }
    }
    Ok(lines)
}

/// Who wrote the lines of a run, each with the writer's own count.
pub async fn written_lines(session: &mut dyn Session, run: i64) -> Result<HashSet<(i64, i64)>> {
    if schema::version(session).await?.unwrap_or(0) < schema::FOURTH {
        return Ok(HashSet::new());
    }
    let query =
        "SELECT writer, number FROM wasmigrate_output WHERE run = $1 AND writer IS NOT NULL";
    let rows = tables(session).rows(query, &[run.into()]).await?;
    rows.into_iter()
        .map(|row| {
            let [writer, count] = columns(row)?;
            Ok((number(&writer), number(&count)))
        })
        .collect()
}

/// Forgets, in a tenant's own database, the lines of the runs before this one that came to their own end: the target has them.
pub async fn forget_copied_output(
    session: &mut dyn Session,
    before: i64,
    interrupted: &[i64],
) -> Result<()> {
    let kept: String = interrupted.iter().map(|run| format!(", {run}")).collect();
    tables(session)
        .execute_later(
            &format!("DELETE FROM wasmigrate_output WHERE run < $1 AND run NOT IN (0{kept})"),
            &[before.into()],
        )
        .await
}

/// Lets those who write lines of a run commit one after the other: the open transaction waits for its turn, and has it until it
/// ends. Not by the lease, which each of them has locked together with the others before, for the fence.
async fn take_turns(session: &mut dyn Session, run: i64) -> Result<()> {
    let capabilities = session.server().capabilities;
    if capabilities.has_one_writer() {
        // The open transaction has the only write lock.
        return Ok(());
    }
    let lock = format!(
        "SELECT id FROM wasmigrate_run WHERE id = $1{}",
        capabilities.update_lock()
    );
    tables(session)
        .require(&lock, &[run.into()], 1, runs::is_gone(run))
        .await
}
