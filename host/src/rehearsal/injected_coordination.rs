//! What an injected session does about other sessions: what the one behind it does.

use std::time::Duration;

use async_trait::async_trait;

use super::injected_session::InjectedSession;
use crate::database::{Coordination, LockHolder, Result};

#[async_trait]
impl Coordination for InjectedSession {
    fn label(&mut self, run: i64) {
        if let Ok(inner) = self.inner() {
            inner.label(run);
        }
    }

    async fn lock_target(&mut self, host: &str) -> Result<()> {
        self.inner()?.lock_target(host).await
    }

    async fn set_lock_timeout(&mut self, wait: Duration) -> Result<()> {
        self.inner()?.set_lock_timeout(wait).await
    }

    async fn target_lock_holders(&mut self) -> Result<Vec<LockHolder>> {
        self.inner()?.target_lock_holders().await
    }

    async fn end_target_lock_holders(&mut self) -> Result<Vec<LockHolder>> {
        self.inner()?.end_target_lock_holders().await
    }

    fn label_part(&mut self, run: i64, part: u32) {
        if let Ok(inner) = self.inner() {
            inner.label_part(run, part);
        }
    }

    async fn end_others_of_part(&mut self, run: i64, part: u32) -> Result<bool> {
        self.inner()?.end_others_of_part(run, part).await
    }

    async fn end_others(&mut self, run: i64) -> Result<bool> {
        self.inner()?.end_others(run).await
    }

    async fn waiting_for_run(&mut self, run: i64) -> Result<u64> {
        self.inner()?.waiting_for_run(run).await
    }

    fn has_other_connections(&self) -> bool {
        self.inner
            .as_ref()
            .is_some_and(|inner| inner.has_other_connections())
    }

    async fn replication_lag(&mut self) -> Result<Option<Duration>> {
        self.inner()?.replication_lag().await
    }
}
