//! A database as it is, but watched: calls of the step and commits are numbered, batches can be made smaller, and the
//! host can die after any of them.
//!
//! A host that is dead says nothing any more: its session is dropped with its open transaction, and every later call
//! fails before it reaches the database.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::injected_session::InjectedSession;
use super::injection::{Injection, InjectionPlan, dead};
use super::points::Seen;
use crate::database::{
    Access, Advice, Capabilities, Database, Kind, Result, ScriptError, Session, Stop,
    TransactionNeed,
};

/// A database that is watched.
pub(super) struct FaultInjector {
    inner: Arc<dyn Database>,
    injection: Arc<Injection>,
}

impl FaultInjector {
    pub(super) fn new(inner: Arc<dyn Database>, plan: InjectionPlan) -> Arc<Self> {
        Arc::new(Self {
            inner,
            injection: Arc::new(Injection::new(plan)),
        })
    }

    /// What was seen so far.
    pub(super) fn seen(&self) -> Seen {
        self.injection.state().seen.clone()
    }
}

#[async_trait]
impl Database for FaultInjector {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn is_new(&self) -> bool {
        self.inner.is_new()
    }

    fn is_gone(&self) -> bool {
        self.inner.is_gone()
    }

    fn has_standard_strings(&self) -> bool {
        self.inner.has_standard_strings()
    }

    fn makes_what_is_missing(&self) -> bool {
        self.inner.makes_what_is_missing()
    }

    fn discard(&self) -> std::io::Result<()> {
        self.inner.discard()
    }

    fn kind(&self) -> Kind {
        self.inner.kind()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn tenant(&self, name: &str) -> Option<Arc<dyn Database>> {
        let inner = self.inner.tenant(name)?;
        Some(Arc::new(Self {
            inner,
            injection: Arc::clone(&self.injection),
        }))
    }

    fn advise(&self, script: &str, is_finalize: bool, made: &mut BTreeSet<String>) -> Vec<Advice> {
        self.inner.advise(script, is_finalize, made)
    }

    /// Each step is tried by itself.
    fn is_brief(&self, _: &str, _: &mut BTreeSet<String>) -> bool {
        false
    }

    fn judge(
        &self,
        script: &str,
        decide: &mut dyn FnMut(TransactionNeed) -> bool,
    ) -> std::result::Result<(), ScriptError> {
        self.inner.judge(script, decide)
    }

    async fn dump_schema(&self, stop: &Stop) -> Result<String> {
        self.inner.dump_schema(stop).await
    }

    async fn open(&self, access: Access, stop: &Stop) -> Result<Box<dyn Session>> {
        if self.injection.state().is_dead {
            return Err(dead());
        }
        let inner = self.inner.open(access, stop).await?;
        let injection = Arc::clone(&self.injection);
        Ok(Box::new(InjectedSession::new(inner, access, injection)))
    }
}
