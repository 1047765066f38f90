//! What runs leave: how they and each try at a step ended.

use super::cells::{
    ERROR, columns, index as index_of, number, of_index, read_error, small, spelled, text,
};
use super::commander::Commander;
use super::tables::tables;
use super::{
    ADD_TENANT, AttemptRecord, Outcome, Phase, REMOVE_TENANT, REPAIR, RunRecord, conflict, schema,
};
use crate::catalog::step_label;
use crate::database::{Result, Session, Value};

/// The newest runs before the one numbered `before`, the newest first.
pub async fn read_runs(
    session: &mut dyn Session,
    before: i64,
    most: u32,
) -> Result<Vec<RunRecord>> {
    read(session, "", before, most).await
}

/// The newest run before the one numbered `before` that was not refused: a refused one leaves everything as it was.
pub(super) async fn read_accepted(
    session: &mut dyn Session,
    before: i64,
) -> Result<Option<RunRecord>> {
    let is_accepted = "AND (outcome IS NULL OR outcome <> 'refused')";
    Ok(read(session, is_accepted, before, 1).await?.pop())
}

/// The commands of runs that leave open what failed before them: they do not run the files that are pending or unfinalized.
const ASIDE: [&str; 3] = [ADD_TENANT, REMOVE_TENANT, REPAIR];

/// Whether a run says in which state the target is: it was not refused, and was about the files that are to be run.
pub(super) fn decides(run: &RunRecord) -> bool {
    run.outcome != Some(Outcome::Refused) && !ASIDE.contains(&&*run.command)
}

/// The run that says in which state the target is: the `last` one, be it whatever it is while it `is_live`, or the one that
/// `failed_before` it.
pub fn deciding<'r>(
    last: Option<&'r RunRecord>,
    failed_before: Option<&'r RunRecord>,
    is_live: bool,
) -> Option<&'r RunRecord> {
    let last_decides = |run: &&RunRecord| (is_live && run.outcome.is_none()) || decides(run);
    last.filter(last_decides).or(failed_before)
}

/// The newest run before the one numbered `before` that says in which state the target was.
pub(super) async fn read_deciding(
    session: &mut dyn Session,
    before: i64,
) -> Result<Option<RunRecord>> {
    let aside = ASIDE.map(|command| format!("'{command}'")).join(", ");
    let decides =
        format!("AND (outcome IS NULL OR outcome <> 'refused') AND command NOT IN ({aside})");
    Ok(read(session, &decides, before, 1).await?.pop())
}

async fn read(
    session: &mut dyn Session,
    condition: &str,
    before: i64,
    most: u32,
) -> Result<Vec<RunRecord>> {
    let Some(version) = schema::version(session).await? else {
        return Ok(Vec::new());
    };
    let by = match version >= schema::SEVENTH {
        true => "commanded_by",
        false => "CAST(NULL AS TEXT)",
    };
    let rows = tables(session)
        .rows(
            &format!(
                "SELECT id, command, phase, \"verbose\", expected_rows, outcome, host, started_at, ended_at, {ERROR}, {by}
                 FROM wasmigrate_run WHERE id < $1 {condition} ORDER BY id DESC LIMIT $2"
            ),
            &[before.into(), most.into()],
        )
        .await?;
    let mut runs = Vec::with_capacity(rows.len());
    for row in rows {
        let [
            id,
            command,
            phase,
            verbose,
            expected_rows,
            outcome,
            host,
            started_at,
            ended_at,
            error,
            by,
        ] = columns(row)?;
        runs.push(RunRecord {
            id: number(&id),
            command: text(&command),
            phase: spelled(&phase, Phase::from_journal)?,
            verbose: number(&verbose) != 0,
            expected_rows: expected_rows.as_integer(),
            outcome: match outcome {
                Value::Null => None,
                outcome => Some(spelled(&outcome, Outcome::from_journal)?),
            },
            host: text(&host),
            started_at: number(&started_at),
            ended_at: ended_at.as_integer(),
            error: read_error(&error),
            commanded_by: by.as_text().and_then(Commander::from_text),
        });
    }
    Ok(runs)
}

/// The runs of these commands that came to their end, the newest first.
pub async fn runs_done(session: &mut dyn Session, commands: &[&str]) -> Result<Vec<i64>> {
    if schema::version(session).await?.is_none() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (2..)
        .zip(commands)
        .map(|(place, _)| format!("${place}"))
        .collect();
    let mut parameters = vec![Outcome::Done.as_str().into()];
    parameters.extend(commands.iter().map(|command| Value::from(*command)));
    let rows = tables(session)
        .rows(
            &format!(
                "SELECT id FROM wasmigrate_run WHERE outcome = $1 AND command IN ({}) ORDER BY id DESC",
                places.join(", ")
            ),
            &parameters,
        )
        .await?;
    Ok(rows.iter().flatten().map(number).collect())
}

/// The runs whose host was cut off before their end.
pub async fn interrupted_runs(session: &mut dyn Session) -> Result<Vec<i64>> {
    if schema::version(session).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows = tables(session)
        .rows(
            "SELECT id FROM wasmigrate_run WHERE outcome IS NULL OR outcome = $1 ORDER BY id",
            &[Outcome::Interrupted.as_str().into()],
        )
        .await?;
    Ok(rows.iter().flatten().map(number).collect())
}

/// The attempts of one run, in their order.
pub async fn read_attempts(session: &mut dyn Session, run: i64) -> Result<Vec<AttemptRecord>> {
    let rows = tables(session)
        .rows(
            &format!(
                "SELECT run, step_index, name, digest, phase, attempt, outcome, started_at, ended_at, {ERROR}
                 FROM wasmigrate_attempt WHERE run = $1
                 ORDER BY CASE phase WHEN 'prepare' THEN 0 WHEN 'migrate' THEN 1 ELSE 2 END, started_at,
                 step_index < 0, CASE WHEN step_index < 0 THEN name ELSE '' END,
                 CASE phase WHEN 'reset' THEN -step_index ELSE step_index END, attempt"
            ),
            &[run.into()],
        )
        .await?;
    let mut attempts = Vec::with_capacity(rows.len());
    for row in rows {
        let [
            run,
            index,
            name,
            digest,
            phase,
            attempt,
            outcome,
            started_at,
            ended_at,
            error,
        ] = columns(row)?;
        attempts.push(AttemptRecord {
            run: number(&run),
            index: index_of(&index),
            name: text(&name),
            digest: text(&digest),
            phase: spelled(&phase, Phase::from_journal)?,
            attempt: small(&attempt)?,
            outcome: spelled(&outcome, Outcome::from_journal)?,
            started_at: number(&started_at),
            ended_at: number(&ended_at),
            error: read_error(&error),
            tenant: None,
        });
    }
    Ok(attempts)
}

/// Writes down how one try at a step ended, which must not be written down yet.
pub async fn write_attempt(session: &mut dyn Session, attempt: &AttemptRecord) -> Result<()> {
    let AttemptRecord {
        index, name, phase, ..
    } = attempt;
    let expected = format!(
        "nothing of try {} to {} {} in run {}",
        attempt.attempt,
        phase.as_str(),
        step_label(*index, name),
        attempt.run
    );
    tables(session)
        .require(
            "INSERT INTO wasmigrate_attempt
             (run, step_index, phase, attempt, name, digest, outcome, started_at, ended_at, error)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (run, step_index, phase, attempt) DO NOTHING RETURNING run",
            &[
                attempt.run.into(),
                of_index(*index),
                phase.as_str().into(),
                attempt.attempt.into(),
                name.as_str().into(),
                attempt.digest.as_str().into(),
                attempt.outcome.as_str().into(),
                attempt.started_at.into(),
                attempt.ended_at.into(),
                attempt.error.as_ref().map(ToString::to_string).into(),
            ],
            1,
            conflict(&expected),
        )
        .await
}

/// Whether it was written down how a try ended.
pub async fn has_attempt(session: &mut dyn Session, attempt: &AttemptRecord) -> Result<bool> {
    let rows = tables(session)
        .rows(
            "SELECT run FROM wasmigrate_attempt WHERE run = $1 AND step_index = $2 AND phase = $3 AND attempt = $4",
            &[
                attempt.run.into(),
                of_index(attempt.index),
                attempt.phase.as_str().into(),
                attempt.attempt.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}
