//! The lease: who may change the target.
//!
//! One row names the holder, and a *fencing token* that grows with every taking. Each transaction that changes data passes
//! [`Right::fence`], which fails when the lease is no longer this one, and renews it in good time; so a host that was
//! paused, and whose lease was taken meanwhile, cannot commit. Nothing depends on a connection staying open.
//!
//! A token alone does not tell two holders apart on a server that has forgotten that the first took it. So each taking is
//! flushed to the disk, and has a number that nobody can foretell (the *nonce*), which the fence compares, too. The
//! database's own clock writes the lease's times and judges them: hosts need not agree on the time.

use super::tables::tables;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::right::Right;
use super::{conflict, process};
use crate::database::{Error, ErrorKind, Result, Session, Value};

/// By how much times may differ that the database's clock has told one after the other.
const NEAR: Duration = Duration::from_secs(1);

/// The lease as another host sees it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LeaseRecord {
    /// Grows with every taking.
    pub token: i64,
    /// Who holds it: machine and process id.
    pub holder: String,
    /// The run it was taken for.
    pub run: i64,
    /// When it was taken, by the clock of the database.
    pub acquired_at: i64,
    /// When it was last renewed, by the clock of the database.
    pub renewed_at: i64,
    /// When it runs out, by the clock of the database.
    pub expires_at: i64,
    /// How many milliseconds were left when this was read.
    #[serde(default)]
    pub expires_in: i64,
    #[serde(skip)]
    process: String,
}

impl LeaseRecord {
    /// Whether the holder can still be at work: its time was not over when this was read, and it is not known to have died.
    pub fn is_live(&self) -> bool {
        self.expires_in > 0 && !self.is_known_dead()
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
    /// What tells it from another lease with the same token.
    nonce: String,
    /// When any of this run's transactions renewed it. One that was rolled back afterwards costs no more than a
    /// renewal that comes late. None where it is not renewed.
    renewed: Option<Arc<Mutex<Instant>>>,
}

impl Lease {
    /// Takes the lease for `run`, in the open transaction, which must have seen that nobody else holds it.
    pub(super) async fn take(session: &mut dyn Session, run: i64, lasts: Duration) -> Result<Self> {
        let rows = tables(session)
            .rows("SELECT token FROM wasmigrate_lease", &[])
            .await?;
        let before = super::integer(&rows, 0);
        let lease = Self {
            token: before + 1,
            run,
            lasts,
            nonce: nonce(),
            renewed: Some(Arc::new(Mutex::new(Instant::now()))),
        };
        let clock = session.server().capabilities.clock;
        let statement = format!(
            "UPDATE wasmigrate_lease SET token = $1, holder = $2, process = $3, run = $4, nonce = $5, acquired_at = {clock},
             renewed_at = {clock}, expires_at = {clock} + $6 WHERE token = $7 AND holder IS NULL RETURNING token"
        );
        let parameters = [
            lease.token.into(),
            process::holder().into(),
            process::identity().into(),
            run.into(),
            lease.nonce.as_str().into(),
            milliseconds(lasts).into(),
            before.into(),
        ];
        let otherwise = conflict("that nobody holds the lease");
        tables(session)
            .require(&statement, &parameters, 1, otherwise)
            .await?;
        Ok(lease)
    }

    /// The same right in a tenant's own file, which does not renew it: its time is that of the target's lease.
    pub fn for_tenant(&self) -> Self {
        Self {
            renewed: None,
            ..self.clone()
        }
    }

    /// Writes the token into a tenant's file, in the open transaction, over every earlier one.
    pub async fn enter_tenant(&self, session: &mut dyn Session) -> Result<()> {
        tables(session)
            .require(
                "UPDATE wasmigrate_lease SET token = $1, holder = $2, run = $3, nonce = $4
                 WHERE token < $1 OR (token = $1 AND nonce = $4) RETURNING token",
                &[
                    self.token.into(),
                    process::holder().into(),
                    self.run.into(),
                    self.nonce.as_str().into(),
                ],
                1,
                taken(),
            )
            .await
    }

    /// Gives the lease back, in the open transaction.
    pub async fn release(&self, session: &mut dyn Session) -> Result<()> {
        tables(session)
            .require(
                "UPDATE wasmigrate_lease SET holder = NULL, process = NULL, run = NULL, nonce = NULL, expires_at = NULL
                 WHERE token = $1 AND run = $2 AND nonce = $3 RETURNING token",
                &self.key(),
                1,
                taken(),
            )
            .await
    }

    /// Whether the journal says that the lease is this one, without waiting for anybody. It may be taken in the next moment.
    pub(super) async fn is_held(&self, session: &mut dyn Session) -> Result<bool> {
        let rows = tables(session)
            .rows(
                "SELECT token FROM wasmigrate_lease WHERE token = $1 AND run = $2 AND nonce = $3 AND holder IS NOT NULL",
                &self.key(),
            )
            .await?;
        Ok(!rows.is_empty())
    }

    /// A condition on the row of the lease: it runs out when it was renewed for, and was renewed in the past.
    pub(super) fn has_usual_times(&self, clock: &str) -> String {
        let (lasts, near) = (milliseconds(self.lasts), milliseconds(NEAR));
        format!(
            "coalesce(expires_at - renewed_at BETWEEN {lasts} - {near} AND {lasts} + {near}
             AND renewed_at BETWEEN acquired_at - {near} AND {clock} + {near}, false)"
        )
    }

    /// Demands that nobody has taken the lease yet, where there is no transaction whose commit could be fenced. The session
    /// must say by then of which run it is: whoever takes the lease later ends it.
    pub async fn demand_held(&self, session: &mut dyn Session) -> Result<()> {
        match self.is_held(session).await? {
            true => Ok(()),
            false => Err(taken()),
        }
    }

    fn key(&self) -> [Value; 3] {
        [
            self.token.into(),
            self.run.into(),
            self.nonce.as_str().into(),
        ]
    }

    /// Whether a quarter of its time is over since it was renewed; if so, it counts as renewed.
    fn is_due(&self) -> bool {
        let Some(renewed) = &self.renewed else {
            return false;
        };
        let mut renewed = renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = renewed.elapsed() >= self.lasts / 4;
        if is_due {
            *renewed = Instant::now();
        }
        is_due
    }
}

#[async_trait]
impl Right for Lease {
    fn run(&self) -> i64 {
        self.run
    }

    async fn fence(&self, session: &mut dyn Session) -> Result<()> {
        let capabilities = session.server().capabilities;
        let ours = "token = $1 AND run = $2 AND nonce = $3 AND holder IS NOT NULL";
        let statement = match self.is_due() {
            // Nobody can take the lease before the transaction ends.
            false => {
                let lock = capabilities.share_lock();
                format!("SELECT token FROM wasmigrate_lease WHERE {ours}{lock}")
            }
            true => {
                let clock = capabilities.clock;
                let lasts = milliseconds(self.lasts);
                format!(
                    "UPDATE wasmigrate_lease SET renewed_at = {clock}, expires_at = {clock} + {lasts} WHERE {ours}
                     RETURNING token"
                )
            }
        };
        tables(session)
            .require(&statement, &self.key(), 1, taken())
            .await
    }
}

pub(super) fn taken() -> Error {
    Error::new(
        ErrorKind::LeaseLost,
        "this run must not change the target any more: its lease was taken or broken",
    )
}

/// Waits for whoever passes the fence now, and lets nobody pass it before the open transaction ends.
pub(super) async fn hold(session: &mut dyn Session) -> Result<()> {
    tables(session)
        .rows("SELECT token FROM wasmigrate_lease FOR UPDATE", &[])
        .await
        .map(|_| ())
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
    let clock = session.server().capabilities.clock;
    let query = format!(
        "SELECT token, holder, process, run, acquired_at, renewed_at, expires_at, expires_at - {clock} FROM wasmigrate_lease
         WHERE holder IS NOT NULL"
    );
    let Some(row) = tables(session).rows(&query, &[]).await?.into_iter().next() else {
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
        expires_in,
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
        expires_in: integer(expires_in),
    }))
}

/// A number that nobody can foretell.
fn nonce() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
