//! The steps that were applied: one row each, and what may become of it.
//!
//! ```text
//!   absent ──> started ──> migrated ──> finalized
//!      └─────────────────────┘ │
//!   absent <──── reset ────────┘
//! ```
//!
//! A repeatable step is finalized as soon as it is migrated, and migrated again when its content has changed.
//!
//! A row has a revision, which grows with every change. Whoever writes names the revision of which run it has read or
//! written before; a row that is another one meanwhile is not overwritten, and nothing of the transaction is committed.

use super::tables::tables;
use std::collections::BTreeMap;

use super::cells::{columns, index as index_of, number, of_index, spelled, text};
use super::{StepRecord, StepState, conflict, now, schema};
use crate::catalog::{index_label, step_label};
use crate::database::{Result, Session, Value};

/// How many steps one statement changes.
const STEPS_AT_ONCE: usize = 500;

/// Which version of a step's row there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepVersion {
    /// The run that wrote it.
    pub run: i64,
    /// How often it was written.
    pub revision: i64,
}

impl StepRecord {
    /// Which version of the row this is.
    pub fn version(&self) -> StepVersion {
        StepVersion {
            run: self.run,
            revision: self.revision,
        }
    }
}

/// Writes a step's record, as the version after `before`; none when the journal must not know the step yet.
pub async fn write_step(
    session: &mut dyn Session,
    kind: &str,
    step: &StepRecord,
    before: Option<StepVersion>,
) -> Result<()> {
    // SQLite counts parameters in the order in which they occur.
    let mut parameters: Vec<Value> = vec![
        step.name.as_str().into(),
        kind.into(),
        step.digest.as_str().into(),
        step.state.as_str().into(),
        step.run.into(),
        step.migrated_at.into(),
        step.finalized_at.into(),
        step.rows_done.into(),
        step.resume_cursor.clone().into(),
        step.revision.into(),
        step.started_at.into(),
        step.seed.into(),
        step.signer.clone().into(),
        of_index(step.index),
    ];
    let label = step_label(step.index, &step.name);
    let (statement, otherwise) = match before {
        None => (
            "INSERT INTO wasmigrate_step
             (name, kind, digest, state, run, migrated_at, finalized_at, rows_done, resume_cursor, revision, started_at, seed,
              signer, step_index)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             ON CONFLICT (step_index) DO NOTHING RETURNING step_index",
            conflict(&format!("nothing of {label}")),
        ),
        Some(before) => {
            parameters.extend([before.run.into(), before.revision.into()]);
            (
                "UPDATE wasmigrate_step SET name = $1, kind = $2, digest = $3, state = $4, run = $5, migrated_at = $6,
                 finalized_at = $7, rows_done = $8, resume_cursor = $9, revision = $10, started_at = $11, seed = $12,
                 signer = $13
                 WHERE step_index = $14 AND run = $15 AND revision = $16 RETURNING step_index",
                conflict(&format!(
                    "of {label} what run {} has written as its change {}",
                    before.run, before.revision
                )),
            )
        }
    };
    tables(session)
        .require(statement, &parameters, 1, otherwise)
        .await
}

/// Lets the open transaction be committed only where the journal says that this step is in this state.
pub async fn require_step(session: &mut dyn Session, step: u64, state: StepState) -> Result<()> {
    tables(session)
        .require(
            "SELECT step_index FROM wasmigrate_step WHERE step_index = $1 AND state = $2",
            &[of_index(step), state.as_str().into()],
            1,
            expected(&[step], state),
        )
        .await
}

/// Lets the open transaction be committed only where the journal says that these steps are in this state.
pub async fn require_steps(
    session: &mut dyn Session,
    steps: &[u64],
    state: StepState,
) -> Result<()> {
    for steps in steps.chunks(STEPS_AT_ONCE) {
        let query = format!(
            "SELECT step_index FROM wasmigrate_step WHERE state = $1 AND step_index IN ({})",
            list(steps)
        );
        let otherwise = expected(steps, state);
        tables(session)
            .require(
                &query,
                &[state.as_str().into()],
                steps.len() as u64,
                otherwise,
            )
            .await?;
    }
    Ok(())
}

/// Marks these steps as finalized, each of which must be migrated.
pub async fn finalize_steps(session: &mut dyn Session, steps: &[u64]) -> Result<()> {
    for steps in steps.chunks(STEPS_AT_ONCE) {
        let statement = format!(
            "UPDATE wasmigrate_step SET state = $1, finalized_at = $2, revision = revision + 1
             WHERE state = $3 AND step_index IN ({}) RETURNING step_index",
            list(steps)
        );
        let parameters = [
            StepState::Finalized.as_str().into(),
            now().into(),
            StepState::Migrated.as_str().into(),
        ];
        let otherwise = expected(steps, StepState::Migrated);
        tables(session)
            .require(&statement, &parameters, steps.len() as u64, otherwise)
            .await?;
    }
    Ok(())
}

/// Marks these steps as begun, each of which must be begun or migrated: what they have made is to be made anew.
pub async fn reopen_steps(session: &mut dyn Session, steps: &[u64]) -> Result<()> {
    for steps in steps.chunks(STEPS_AT_ONCE) {
        let statement = format!(
            "UPDATE wasmigrate_step SET state = $1, migrated_at = NULL, revision = revision + 1
             WHERE state <> $2 AND step_index IN ({}) RETURNING step_index",
            list(steps)
        );
        let parameters = [
            StepState::Started.as_str().into(),
            StepState::Finalized.as_str().into(),
        ];
        let named = named(steps);
        let otherwise = conflict(&format!("that {named} was begun and is not finalized"));
        tables(session)
            .require(&statement, &parameters, steps.len() as u64, otherwise)
            .await?;
    }
    Ok(())
}

/// Forgets these steps, none of which may be finalized.
pub async fn forget_steps(session: &mut dyn Session, steps: &[u64]) -> Result<()> {
    for steps in steps.chunks(STEPS_AT_ONCE) {
        let statement = format!(
            "DELETE FROM wasmigrate_step WHERE state <> $1 AND step_index IN ({}) RETURNING step_index",
            list(steps)
        );
        let parameters = [StepState::Finalized.as_str().into()];
        let named = named(steps);
        let otherwise = conflict(&format!("that {named} was begun and is not finalized"));
        tables(session)
            .require(&statement, &parameters, steps.len() as u64, otherwise)
            .await?;
    }
    Ok(())
}

/// Forgets repeatable steps, whatever their state is, so that they run again.
pub async fn forget_repeatable(session: &mut dyn Session, steps: &[u64]) -> Result<()> {
    for steps in steps.chunks(STEPS_AT_ONCE) {
        let statement = format!(
            "DELETE FROM wasmigrate_step WHERE step_index IN ({}) RETURNING step_index",
            list(steps)
        );
        let otherwise = conflict("each repeatable step that was read before");
        tables(session)
            .require(&statement, &[], steps.len() as u64, otherwise)
            .await?;
    }
    Ok(())
}

/// Removes a step that was applied, as it was read: its file is gone for good.
pub async fn remove_step(session: &mut dyn Session, step: &StepRecord) -> Result<()> {
    let label = step_label(step.index, &step.name);
    let otherwise = conflict(&format!("of {label} what was read before"));
    tables(session)
        .require(
            "DELETE FROM wasmigrate_step WHERE step_index = $1 AND run = $2 AND revision = $3 RETURNING step_index",
            &[of_index(step.index), step.run.into(), step.revision.into()],
            1,
            otherwise,
        )
        .await
}

/// All steps, by their index. `version` is that of the journal.
pub(super) async fn read(
    session: &mut dyn Session,
    version: i64,
) -> Result<BTreeMap<u64, StepRecord>> {
    let revision = match version < schema::FOURTH {
        true => "0",
        false => "revision",
    };
    let signer = match version < schema::SIXTH {
        true => "NULL",
        false => "signer",
    };
    let query = format!(
        "SELECT step_index, name, digest, state, run, started_at, seed, migrated_at, finalized_at, rows_done, resume_cursor,
         {revision}, {signer} FROM wasmigrate_step ORDER BY step_index"
    );
    let mut steps = BTreeMap::new();
    for row in tables(session).rows(&query, &[]).await? {
        let [
            index,
            name,
            digest,
            state,
            run,
            started_at,
            seed,
            migrated_at,
            finalized_at,
            rows_done,
            resume_cursor,
            revision,
            signer,
        ] = columns(row)?;
        let index = index_of(&index);
        steps.insert(
            index,
            StepRecord {
                index,
                name: text(&name),
                digest: text(&digest),
                state: spelled(&state, StepState::from_journal)?,
                run: number(&run),
                started_at: number(&started_at),
                seed: number(&seed),
                migrated_at: migrated_at.as_integer(),
                finalized_at: finalized_at.as_integer(),
                rows_done: rows_done.as_integer(),
                resume_cursor: resume_cursor.as_bytes().map(<[u8]>::to_vec),
                revision: number(&revision),
                signer: signer.as_text().map(str::to_owned),
            },
        );
    }
    Ok(steps)
}

fn expected(steps: &[u64], state: StepState) -> crate::database::Error {
    conflict(&format!("that {} is {}", named(steps), state.as_str()))
}

/// How steps are called in a message.
fn named(steps: &[u64]) -> String {
    match steps {
        [step] => format!("step {}", index_label(*step)),
        steps => format!("each of the {} steps", steps.len()),
    }
}

fn list(steps: &[u64]) -> String {
    let steps: Vec<String> = steps
        .iter()
        .map(|index| index.cast_signed().to_string())
        .collect();
    steps.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{
        Access, Database as _, Durability, ErrorKind, SessionLimits, Sqlite, Stop,
    };
    use crate::journal::{self, Fenced, Lease, Outcome, Phase};

    /// A journal in a file, a run, and its lease.
    struct Started {
        session: Box<dyn Session>,
        lease: Lease,
        _directory: tempfile::TempDir,
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.build().unwrap().block_on(future)
    }

    async fn started() -> Started {
        let directory = tempfile::tempdir().unwrap();
        let limits = SessionLimits {
            value_bytes: 1 << 20,
            lock_wait: std::time::Duration::from_secs(1),
            deadline: std::time::Duration::from_secs(60),
        };
        let target = Sqlite::new(directory.path().join("target.db"), limits);
        let mut session = target.open(Access::Write, &Stop::default()).await.unwrap();
        session.begin(Durability::Flushed).await.unwrap();
        journal::lock(&mut *session).await.unwrap().unwrap();
        let lasts = std::time::Duration::from_secs(60);
        let start = journal::Start {
            command: "migrate",
            phase: Phase::Migrate,
            verbose: false,
            lasts,
            by: &journal::Commander::of_this_process(),
            request: None,
        };
        let lease = journal::start_run(&mut *session, &start).await.unwrap();
        let fenced = Fenced::join(&mut *session, &lease).await.unwrap();
        fenced.commit().await.unwrap();
        Started {
            session,
            lease,
            _directory: directory,
        }
    }

    fn step(state: StepState, revision: i64) -> StepRecord {
        StepRecord {
            index: 7,
            name: "seven".to_owned(),
            digest: "digest".to_owned(),
            state,
            run: 1,
            started_at: 0,
            seed: 0,
            migrated_at: None,
            finalized_at: None,
            rows_done: None,
            resume_cursor: None,
            revision,
            signer: None,
        }
    }

    impl Started {
        /// What becomes of a transaction that writes so.
        async fn commit(
            &mut self,
            write: impl AsyncFnOnce(&mut dyn Session) -> Result<()>,
        ) -> Result<()> {
            let begun = Fenced::begin(&mut *self.session, &self.lease, Durability::Deferred);
            let mut fenced = begun.await?;
            let committed = match write(fenced.session()).await {
                Ok(()) => fenced.commit().await,
                Err(error) => Err(error),
            };
            self.session.rollback().await.unwrap();
            committed
        }

        async fn conflicts(
            &mut self,
            expected: &str,
            write: impl AsyncFnOnce(&mut dyn Session) -> Result<()>,
        ) {
            let error = self.commit(write).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
            assert!(error.message.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_step_goes_from_state_to_state_and_no_other_way() {
        block_on(async {
            let mut it = started().await;
            let first = step(StepState::Started, 1);
            it.conflicts("that step 0007 is migrated", async |session| {
                finalize_steps(session, &[7]).await
            })
            .await;
            it.commit(async |session| write_step(session, "sql", &first, None).await)
                .await
                .unwrap();
            it.conflicts("nothing of 0007_seven", async |session| {
                write_step(session, "sql", &first, None).await
            })
            .await;
            it.conflicts("that step 0007 is migrated", async |session| {
                finalize_steps(session, &[7]).await
            })
            .await;
            let second = step(StepState::Migrated, 2);
            for other in [
                StepVersion {
                    run: 1,
                    revision: 2,
                },
                StepVersion {
                    run: 2,
                    revision: 1,
                },
            ] {
                it.conflicts("of 0007_seven what run", async |session| {
                    write_step(session, "sql", &second, Some(other)).await
                })
                .await;
            }
            it.commit(async |session| {
                write_step(session, "sql", &second, Some(first.version())).await
            })
            .await
            .unwrap();
            it.conflicts("that each of the 2 steps is migrated", async |session| {
                finalize_steps(session, &[7, 8]).await
            })
            .await;
            it.commit(async |session| finalize_steps(session, &[7]).await)
                .await
                .unwrap();
            it.conflicts("is not finalized", async |session| {
                forget_steps(session, &[7]).await
            })
            .await;
        });
    }

    #[test]
    fn a_run_ends_once() {
        block_on(async {
            let mut it = started().await;
            let end = async |session: &mut dyn Session| {
                journal::end_run(session, 1, Outcome::Done, None).await
            };
            it.commit(end).await.unwrap();
            it.conflicts("that run 1 has not ended", end).await;
            it.conflicts("that run 1 has not ended", async |session| {
                journal::set_phase(session, 1, Phase::Finalize, None).await
            })
            .await;
            it.conflicts("that run 1 has not ended", async |session| {
                journal::request_pause(session, 1, true).await
            })
            .await;
        });
    }

    #[test]
    fn who_has_the_same_token_and_run_by_accident_cannot_commit() {
        block_on(async {
            let mut it = started().await;
            it.session.begin(Durability::Deferred).await.unwrap();
            let forget = "UPDATE wasmigrate_lease SET holder = NULL, token = token - 1";
            it.session.execute_later(forget, &[]).await.unwrap();
            let taken = Lease::take(&mut *it.session, it.lease.run, it.lease.lasts);
            let other = taken.await.unwrap();
            assert_eq!((other.token, other.run), (it.lease.token, it.lease.run));
            let fenced = Fenced::join(&mut *it.session, &other).await.unwrap();
            fenced.commit().await.unwrap();
            let error = it.commit(async |_| Ok(())).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::LeaseLost);
        });
    }
}
