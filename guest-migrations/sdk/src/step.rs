//! The trait that a migration implements.

use crate::database::Database;
use crate::error::Result;
use crate::position::Resume;

/// One migration step. Only [`migrate`](Step::migrate) must be written; a step with more phases implements [`Finalize`] and
/// [`Reset`], too. `export!` makes a component of it.
///
/// Every function runs inside a transaction that the host opened and that the host ends: committed together with the
/// record that the step ran when it returns `Ok`, rolled back when it returns an error or panics.
///
/// The functions may be called in different instances of the component, so keep nothing in statics.
pub trait Step {
    /// What the step does, in one sentence for the operator.
    const SUMMARY: &'static str = "";

    /// False for a step that cannot run inside a transaction, such as `CREATE INDEX CONCURRENTLY`. Such a step must be
    /// idempotent, because after a crash it runs again.
    const TRANSACTIONAL: bool = true;

    /// Checks that the step could run. An error refuses the whole run before anything was changed.
    ///
    /// # Errors
    /// When the step could not run; the message tells the operator why and what to do.
    fn check(database: &Database) -> Result<()> {
        let _ = database;
        Ok(())
    }

    /// How many rows [`migrate`](Step::migrate) will go through, where that is known: the total of its progress bar.
    ///
    /// # Errors
    /// When the rows cannot be counted.
    fn count(database: &Database) -> Result<Option<u64>> {
        let _ = database;
        Ok(None)
    }

    /// Does all that the running application tolerates: new tables and columns, backfills, copies.
    ///
    /// `resume` holds the position of the last [`Database::checkpoint`] when an earlier attempt was cut off after one.
    ///
    /// # Errors
    /// When the step gives up; its changes since the last checkpoint are rolled back.
    fn migrate(database: &mut Database, resume: Resume) -> Result<()>;
}

/// The second phase of a step that has one.
pub trait Finalize: Step {
    /// The short cut-over: constraints, renames, drops. All pending steps are finalized in one transaction.
    ///
    /// # Errors
    /// When the cut-over is not possible; nothing of it is kept then.
    fn finalize(database: &Database) -> Result<()>;
}

/// A step that can be undone. The host refuses to reset any other, before it undoes anything.
pub trait Reset: Step {
    /// Undoes what [`migrate`](Step::migrate) did, also when it got only as far as a checkpoint.
    ///
    /// # Errors
    /// When the step cannot be undone after all. One that finds so without asking the database anything is refused like a
    /// step that has no reset.
    fn reset(database: &Database) -> Result<()>;
}
