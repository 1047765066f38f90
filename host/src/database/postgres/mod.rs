//! PostgreSQL as a target.
//!
//! A session is one connection that lives on the run's own thread and never blocks for longer than a look at [`Stop`]. All
//! statements go through the extended protocol, so that each is one statement; those that nobody waits for are sent
//! together with the next one (`pipeline`). Parameters and results travel in the database's own text. What a step may not
//! say is refused before it is sent (`guard`); what it could have done all the same is looked for inside the transaction,
//! before its commit (`verify`). Behind a pooler, which may hand each transaction to another server process, nothing is
//! kept from one transaction to the next; without one, the host's own statements stay prepared (`prepared`).

mod address;
mod advice;
mod around;
mod begun;
mod binding;
mod brief;
mod capabilities;
mod catalog;
mod chain;
mod connection;
mod conninfo;
mod content;
mod conversation;
mod coordinate;
mod copy;
mod cursors;
mod dump;
mod dump_content;
mod elsewhere;
mod errors;
mod full_names;
mod guard;
mod home;
mod hung;
mod interruptions;
mod introspect;
mod judge;
mod label;
mod lexer;
mod locks;
mod look;
mod misplaced;
mod owned;
mod parameters;
mod path;
mod patience;
mod pg_dump;
mod pipeline;
mod pool;
mod prepared;
mod reach;
mod readable;
mod rehearsing;
mod removed;
mod required;
mod results;
mod schema;
mod script;
mod session;
mod settings;
mod shape;
mod socket;
mod state;
mod statements;
mod tampered;
mod text;
mod throwaway;
mod tls;
mod traits;
mod transaction;
mod transform;
mod triggers_off;
mod trust;
mod trusted;
mod under_way;
mod verify;
mod waiting;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::{
    Access, Advice, Capabilities, Database, Error, ErrorKind, Kind, Result, ScriptError, Session,
    Stop, TransactionNeed,
};
use capabilities::CAPABILITIES;
use state::PostgresSession;

pub(crate) use conninfo::conninfo_value;
pub(super) use conninfo::is_conninfo;
pub use elsewhere::Elsewhere;
pub(super) use lexer::dollar_tag;
pub use pool::{Postgres, PostgresOptions};
pub use throwaway::Keeper;

/// Where the journal is as a rule: see `home`.
const USUAL_JOURNAL: &str = "wasmigrate";

#[async_trait]
impl Database for Postgres {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn is_new(&self) -> bool {
        false
    }

    fn is_gone(&self) -> bool {
        false
    }

    fn has_standard_strings(&self) -> bool {
        !self.0.escapes_in_strings.load(Ordering::Relaxed)
    }

    fn makes_what_is_missing(&self) -> bool {
        false
    }

    fn discard(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn kind(&self) -> Kind {
        Kind::Postgres
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn advise(&self, script: &str, is_finalize: bool, made: &mut BTreeSet<String>) -> Vec<Advice> {
        advice::advise(script, is_finalize, made)
    }

    fn is_brief(&self, script: &str, made: &mut BTreeSet<String>) -> bool {
        brief::is_brief(script, made)
    }

    fn judge(
        &self,
        script: &str,
        decide: &mut dyn FnMut(TransactionNeed) -> bool,
    ) -> std::result::Result<(), ScriptError> {
        let known = self.known_target().clone();
        let journal = match &known {
            Some(target) => target.home.apart(),
            // Nobody has looked yet: it is in its usual place, or in one that may be the migrated schema itself.
            None => (self.0.options.journal_schema.is_none()).then_some(USUAL_JOURNAL),
        };
        judge::judge(script, journal, decide)
    }

    fn tenant(&self, _name: &str) -> Option<Arc<dyn Database>> {
        // A tenant is a schema of the target.
        None
    }

    async fn dump_schema(&self, stop: &Stop) -> Result<String> {
        self.dump(stop).await
    }

    async fn open(&self, access: Access, stop: &Stop) -> Result<Box<dyn Session>> {
        let opened = PostgresSession::open(self.clone(), access, stop);
        let session = opened.map_err(|error| match error.kind {
            // Nothing was lost: the server was not waited for any longer.
            ErrorKind::Unavailable if stop.reason().is_some() => Error {
                kind: ErrorKind::Stopped,
                ..error
            },
            _ => error,
        })?;
        Ok(Box::new(session))
    }
}
