//! Other processes on the same file.

use std::time::Duration;

use async_trait::async_trait;

use super::super::{Coordination, Error, ErrorKind, LockHolder, Result};
use super::session::SqliteSession;
use super::{lock_holder, other_connections};

#[async_trait]
impl Coordination for SqliteSession {
    fn label(&mut self, _run: i64) {
        // Nobody could read it.
    }

    async fn lock_target(&mut self, _host: &str) -> Result<()> {
        // The transaction has the only write lock.
        Ok(())
    }

    async fn set_lock_timeout(&mut self, _wait: Duration) -> Result<()> {
        // The transaction has the only write lock.
        Ok(())
    }

    async fn target_lock_holders(&mut self) -> Result<Vec<LockHolder>> {
        let holder = lock_holder::of(&self.inner.database.path);
        Ok(holder.into_iter().collect())
    }

    async fn end_target_lock_holders(&mut self) -> Result<Vec<LockHolder>> {
        // It may be anybody's, and no process of another program is to be ended. One that works gives it back.
        match lock_holder::of(&self.inner.database.path) {
            Some(holder) if holder.is_stalled => {
                Err(Error::new(ErrorKind::Busy, self.inner.database.is_locked()))
            }
            _ => Ok(Vec::new()),
        }
    }

    fn label_part(&mut self, _run: i64, _part: u32) {}

    async fn end_others_of_part(&mut self, run: i64, _part: u32) -> Result<bool> {
        self.end_others(run).await
    }

    async fn end_others(&mut self, _run: i64) -> Result<bool> {
        // Whoever had a transaction open would have kept this one from beginning.
        Ok(true)
    }

    async fn waiting_for_run(&mut self, _run: i64) -> Result<u64> {
        // SQLite keeps no list of those who wait.
        Ok(0)
    }

    fn has_other_connections(&self) -> bool {
        other_connections::has_other_connections(&self.inner.database.path)
    }

    async fn replication_lag(&mut self) -> Result<Option<Duration>> {
        Ok(None)
    }
}
