//! The run that writes down what was applied without it.

use crate::database::{Access, Durability, Result, Session, Stop};
use crate::engine::Engine;
use crate::journal::{self, Fenced, Lease, OperatorsWord, Outcome, OutputLine, Phase};
use crate::output::{Level, printable};

/// The writer of its output: what it writes commits with all else, and nobody has to find it again.
const WRITER: i64 = 0;

/// A run that begins and ends in the open transaction.
pub(super) struct Record {
    pub(super) lease: Lease,
    pub(super) at: i64,
    lines: Vec<OutputLine>,
}

impl Record {
    /// Begins it; `command` is what the user wrote.
    pub(super) async fn begin(
        session: &mut dyn Session,
        command: &str,
        lasts: std::time::Duration,
    ) -> Result<Self> {
        Ok(Self {
            lease: journal::start_run(session, command, Phase::Finalize, false, lasts).await?,
            at: journal::now(),
            lines: Vec::new(),
        })
    }

    /// Adds a line to its output, of a step or of the run itself.
    pub(super) fn tell(&mut self, index: Option<u64>, line: &str) {
        self.lines.push(OutputLine {
            sequence: i64::try_from(self.lines.len()).unwrap_or(i64::MAX) + 1,
            ..self::line(index, self.at, line)
        });
    }

    /// Ends it, and commits all that was written.
    pub(super) async fn commit(self, session: &mut dyn Session) -> Result<i64> {
        let run = self.lease.run;
        let mut fenced = Fenced::join(session, &self.lease).await?;
        journal::write_output(fenced.session(), run, WRITER, &self.lines).await?;
        journal::keep_schema(fenced.session(), run).await?;
        fenced.end(&self.lease, Outcome::Done, None).await?;
        Ok(run)
    }
}

/// Adds a line to the output of a run that has ended.
pub(super) async fn add_line(engine: &Engine, run: i64, text: &str, stop: &Stop) -> Result<()> {
    let mut session = engine.database.open(Access::Write, stop).await?;
    let begun = Fenced::begin(&mut *session, &OperatorsWord, Durability::Flushed);
    let mut fenced = begun.await?;
    let line = line(None, journal::now(), text);
    journal::write_output(fenced.session(), run, WRITER, &[line]).await?;
    fenced.commit().await
}

fn line(index: Option<u64>, at: i64, text: &str) -> OutputLine {
    OutputLine {
        sequence: 1,
        index,
        phase: Phase::Finalize,
        written_at: at,
        level: Level::Info,
        line: printable(text),
        tenant: None,
        file: None,
    }
}
