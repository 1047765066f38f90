//! The run that changes nothing but the journal.

use crate::database::{Access, Durability, Result, Schema, Session, Stop};
use crate::engine::{Engine, Options};
use crate::journal::{self, Fenced, Lease, OperatorsWord, Outcome, OutputLine, Phase, Start};
use crate::output::{Level, printable};

/// The writer of its output: what it writes commits with all else, and nobody has to find it again.
const WRITER: i64 = 0;

/// How the history calls a run that writes steps down as applied, without another tool's history.
pub(super) const BASELINE: &str = "baseline";

/// The same of one that takes over another tool's history.
pub(super) const IMPORT: &str = "import";

/// The same of one that writes down all files, for all tenants.
pub(super) const SYNC: &str = "sync";

/// A run that begins and ends in the open transaction.
pub(in crate::engine) struct Record {
    pub(in crate::engine) lease: Lease,
    pub(super) at: i64,
    lines: Vec<OutputLine>,
}

impl Record {
    /// Begins it; `command` is what the user wrote.
    pub(in crate::engine) async fn begin(
        session: &mut dyn Session,
        command: &str,
        options: &Options,
    ) -> Result<Self> {
        let start = Start {
            command,
            phase: Phase::Finalize,
            verbose: false,
            lasts: options.lease,
            by: &options.commander,
            request: None,
        };
        Ok(Self {
            lease: journal::start_run(session, &start).await?,
            at: journal::now(),
            lines: Vec::new(),
        })
    }

    /// Adds a line to its output, of a step or of the run itself.
    pub(in crate::engine) fn tell(&mut self, index: Option<u64>, line: &str) {
        self.add(self::line(index, self.at, line));
    }

    /// The same of a file, where there are tenants.
    pub(in crate::engine) fn tell_of(&mut self, file: &str, line: &str) {
        self.add(OutputLine {
            file: Some(file.to_owned()),
            ..self::line(None, self.at, line)
        });
    }

    /// The same of a tenant.
    pub(in crate::engine) fn tell_of_tenant(&mut self, tenant: &str, line: &str) {
        self.add(OutputLine {
            tenant: Some(tenant.to_owned()),
            ..self::line(None, self.at, line)
        });
    }

    fn add(&mut self, line: OutputLine) {
        self.lines.push(OutputLine {
            sequence: i64::try_from(self.lines.len()).unwrap_or(i64::MAX) + 1,
            ..line
        });
    }

    /// Ends it, and commits all that was written. What the target looks like now is as it should be.
    pub(super) async fn commit(self, session: &mut dyn Session) -> Result<i64> {
        let schema = session.schema().await?;
        self.commit_with(session, Some(&schema)).await
    }

    /// The same where the target should look like this, as far as that is known.
    pub(in crate::engine) async fn commit_with(
        self,
        session: &mut dyn Session,
        schema: Option<&Schema>,
    ) -> Result<i64> {
        let run = self.lease.run;
        let mut fenced = Fenced::join(session, &self.lease).await?;
        journal::write_output(fenced.session(), run, WRITER, &self.lines).await?;
        if let Some(schema) = schema {
            journal::write_schema(fenced.session(), run, schema).await?;
        }
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
