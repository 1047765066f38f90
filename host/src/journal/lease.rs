//! The lease: who may change the target.
//!
//! One row names the holder, and a *fencing token* that grows with every taking. Each transaction that changes data ends
//! with [`Lease::fence`], which fails when the token is no longer the holder's, and renews the lease in good time; so a
//! host that was paused, and whose lease was taken meanwhile, cannot commit. Nothing depends on a connection staying open.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tables::tables;
use super::{now, process};
use crate::database::{Error, ErrorKind, Result, Session, Value};

/// The lease as another host sees it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LeaseRecord {
    /// Grows with every taking.
    pub token: i64,
    /// Who holds it: machine and process id.
    pub holder: String,
    /// The run it was taken for.
    pub run: i64,
    /// When it was taken.
    pub acquired_at: i64,
    /// When it was last renewed.
    pub renewed_at: i64,
    /// When it runs out.
    pub expires_at: i64,
    #[serde(skip)]
    process: String,
}

impl LeaseRecord {
    /// Whether the holder can still be at work: its time is not over, and it is not known to have died.
    pub fn is_live(&self) -> bool {
        self.expires_at > now() && !self.is_known_dead()
    }

    /// Whether the holder is a process of this machine that lives, whatever the lease's time says: in one long transaction
    /// on a SQLite file a host cannot renew it.
    pub fn is_known_alive(&self) -> bool {
        process::is_living(&self.process)
    }

    /// Whether this process holds it.
    pub fn is_ours(&self) -> bool {
        self.process == process::identity()
    }

    /// Whether the holder is a process of this machine that has ended.
    pub fn is_known_dead(&self) -> bool {
        process::has_ended(&self.process)
    }
}

/// The right to change the target, until it runs out or somebody takes it.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The token under which it was taken.
    pub token: i64,
    /// The run it was taken for.
    pub run: i64,
    /// How long it lasts without renewal.
    pub lasts: Duration,
    /// When any of this run's transactions renewed it. One that was rolled back afterwards costs no more than a
    /// renewal that comes late.
    renewed_at: Arc<AtomicI64>,
}

impl Lease {
    /// Takes the lease for `run`, in the open transaction, which must have seen that nobody else holds it.
    pub async fn take(session: &mut dyn Session, run: i64, lasts: Duration) -> Result<Self> {
        let now = now();
        let rows = tables(session)
            .rows("SELECT token FROM wasmigrate_lease", &[])
            .await?;
        let token = super::integer(&rows, 0) + 1;
        tables(session)
            .execute_later(
                "UPDATE wasmigrate_lease SET token = $1, holder = $2, process = $3, run = $4, acquired_at = $5,
                 renewed_at = $5, expires_at = $6",
                &[
                    token.into(),
                    process::holder().into(),
                    process::identity().into(),
                    run.into(),
                    now.into(),
                    (now + milliseconds(lasts)).into(),
                ],
            )
            .await?;
        Ok(Self {
            token,
            run,
            lasts,
            renewed_at: Arc::new(AtomicI64::new(now)),
        })
    }

    /// Lets the open transaction be committed only while nobody else has taken the lease; renews it in the same
    /// transaction when a quarter of its time is over.
    pub async fn fence(&self, session: &mut dyn Session) -> Result<()> {
        let now = now();
        let taken = taken();
        if now.saturating_sub(self.renewed_at.load(Ordering::Relaxed))
            < milliseconds(self.lasts) / 4
        {
            // Nobody can take the lease before the transaction ends.
            let look = format!(
                "SELECT token FROM wasmigrate_lease WHERE token = $1 AND holder IS NOT NULL{}",
                session.server().capabilities.share_lock()
            );
            return tables(session)
                .require(&look, &[self.token.into()], 1, taken)
                .await;
        }
        self.renewed_at.store(now, Ordering::Relaxed);
        tables(session)
            .require(
                "UPDATE wasmigrate_lease SET renewed_at = $1, expires_at = $2 WHERE token = $3 AND holder IS NOT NULL
                 RETURNING token",
                &[
                    now.into(),
                    (now + milliseconds(self.lasts)).into(),
                    self.token.into(),
                ],
                1,
                taken,
            )
            .await
    }

    /// The same right in a tenant's own file, of which only the token counts: a run writes it there before all else.
    pub fn for_tenant(&self) -> Self {
        Self {
            // Never due: its time is that of the target's lease.
            renewed_at: Arc::new(AtomicI64::new(i64::MAX)),
            ..self.clone()
        }
    }

    /// Writes the token into a tenant's file, in the open transaction, over every earlier one.
    pub async fn enter_tenant(&self, session: &mut dyn Session) -> Result<()> {
        tables(session)
            .require(
                "UPDATE wasmigrate_lease SET token = $1, holder = $2 WHERE token <= $1 RETURNING token",
                &[self.token.into(), process::holder().into()],
                1,
                taken(),
            )
            .await
    }

    /// Gives the lease back, in the open transaction.
    pub async fn release(&self, session: &mut dyn Session) -> Result<()> {
        tables(session)
            .execute_later(
                "UPDATE wasmigrate_lease SET holder = NULL, process = NULL, run = NULL, expires_at = NULL WHERE token = $1",
                &[self.token.into()],
            )
            .await
    }
}

fn taken() -> Error {
    Error::new(
        ErrorKind::LeaseLost,
        "another host has taken the lease of this target: this run must not change it any more",
    )
}

/// Waits for whoever passes the fence now, and lets nobody pass it before the open transaction ends.
pub(super) async fn hold(session: &mut dyn Session) -> Result<()> {
    tables(session)
        .rows("SELECT token FROM wasmigrate_lease FOR UPDATE", &[])
        .await
        .map(|_| ())
}

/// Lets those who write lines of output commit one after the other: the open transaction waits for its turn, and has it until
/// it ends.
pub(super) async fn take_turns(session: &mut dyn Session) -> Result<()> {
    let lock = format!(
        "SELECT token FROM wasmigrate_lease{}",
        session.server().capabilities.update_lock()
    );
    tables(session).require(&lock, &[], 1, taken()).await
}

/// Takes the lease from whoever holds it, for nobody.
pub(super) async fn clear(session: &mut dyn Session) -> Result<()> {
    tables(session)
        .execute_later(
                "UPDATE wasmigrate_lease SET holder = NULL, process = NULL, run = NULL, expires_at = NULL
             WHERE holder IS NOT NULL",
            &[],
        )
        .await
}

/// The lease, when somebody holds it or died holding it.
pub(super) async fn read(session: &mut dyn Session) -> Result<Option<LeaseRecord>> {
    let rows = tables(session)
        .rows(
            "SELECT token, holder, process, run, acquired_at, renewed_at, expires_at FROM wasmigrate_lease
             WHERE holder IS NOT NULL",
            &[],
        )
        .await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    let [
        token,
        holder,
        process,
        run,
        acquired_at,
        renewed_at,
        expires_at,
    ] = super::columns(row)?;
    let integer = |value: Value| value.as_integer().unwrap_or_default();
    let text = |value: Value| value.as_text().unwrap_or_default().to_owned();
    Ok(Some(LeaseRecord {
        token: integer(token),
        holder: text(holder),
        process: text(process),
        run: integer(run),
        acquired_at: integer(acquired_at),
        renewed_at: integer(renewed_at),
        expires_at: integer(expires_at),
    }))
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
