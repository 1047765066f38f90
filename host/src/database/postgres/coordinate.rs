//! Other sessions on the same server: who they work for, whom they wait for, and how they are ended.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::super::{
    Authority, Cell, Coordination, Durability, Error, ErrorKind, LockHolder, Result, Session, Value,
};
use super::label::Label;
use super::state::PostgresSession;
use super::text::quote_text;
use super::{locks, trust};

/// How long the server keeps a transaction that has the target's lock and whose host says nothing: no other host can do
/// anything meanwhile, and this one has only a few statements of its own to run in it.
const LOCKED_IDLE: Duration = Duration::from_secs(10);

/// How often a journal may be moved while one host waits for its lock.
const MOST_MOVES: usize = 10;

/// The table that every journal has.
const JOURNAL_TABLE: &str = "wasmigrate_journal";

/// How long a connection that was told to end may take.
const ENDING: Duration = Duration::from_secs(10);

/// How often to look whether it has ended.
const ENDING_INTERVAL: Duration = Duration::from_millis(10);

#[async_trait]
impl Coordination for PostgresSession {
    fn label(&mut self, run: i64) {
        self.label = Some(Label::of_run(run, &self.target.home));
    }

    fn label_part(&mut self, run: i64, part: u32) {
        self.label = Some(Label::of_part(run, part, &self.target.home));
    }

    async fn lock_target(&mut self, host: &str) -> Result<()> {
        for _ in 0..MOST_MOVES {
            let journal = self.target.home.journal.clone();
            self.take_lock(&journal, host)?;
            let found = self.look_around().await?;
            if !found.is_in_path && self.find_target_again()? {
                self.roll_back()?;
                self.begin_to_write(Durability::Flushed)?;
                continue;
            }
            if !found.is_plainly_own {
                self.check_journal().await?;
            }
            self.has_trust = true;
            if found.has_journal {
                self.database.remember_trusted(&journal);
                return Ok(());
            }
            // Until there is a journal, its place says nothing: another host may be told to make it elsewhere.
            self.take_lock(locks::ANY_NEW_JOURNAL, host)?;
            if !self.find_home_again().await? {
                return Ok(());
            }
            self.roll_back()?;
            self.begin_to_write(Durability::Flushed)?;
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "the journal is moved again and again: try again when that has ended",
        ))
    }

    async fn set_lock_timeout(&mut self, wait: Duration) -> Result<()> {
        self.lock_wait = Some(wait);
        let set = format!("SET LOCAL lock_timeout = {}", wait.as_millis());
        let session: &mut dyn Session = self;
        session.execute_later(&set, &[]).await
    }

    async fn target_lock_holders(&mut self) -> Result<Vec<LockHolder>> {
        let query = locks::holders_of_target(locks::OF_TARGET);
        self.lock_holders(&query).await
    }

    async fn end_target_lock_holders(&mut self) -> Result<Vec<LockHolder>> {
        self.lock_holders(&locks::end_holders(locks::OF_TARGET, "true"))
            .await
    }

    async fn end_others(&mut self, run: i64) -> Result<bool> {
        self.end_labelled(&Label::of_run(run, &self.target.home))
    }

    async fn end_others_of_part(&mut self, run: i64, part: u32) -> Result<bool> {
        self.end_labelled(&Label::of_part(run, part, &self.target.home))
    }

    async fn waiting_for_run(&mut self, run: i64) -> Result<u64> {
        // Before version 14 the server does not say since when somebody waits.
        let query = format!(
            "SELECT pg_catalog.count(DISTINCT waiting.pid) FROM pg_catalog.pg_locks AS waiting
             JOIN pg_catalog.pg_stat_activity AS ours ON ours.pid = ANY (pg_catalog.pg_blocking_pids(waiting.pid))
             WHERE NOT waiting.granted AND ours.pid IN (
                 SELECT pid FROM pg_catalog.pg_stat_activity WHERE {OF_RUN}
             ) AND waiting.pid NOT IN (
                 SELECT pid FROM pg_catalog.pg_stat_activity WHERE {OF_RUN}
             ) AND coalesce((pg_catalog.to_jsonb(waiting) ->> 'waitstart')::pg_catalog.timestamptz, '-infinity')
                 < pg_catalog.clock_timestamp() - interval '100 milliseconds'"
        );
        let label = Label::of_run(run, &self.target.home);
        let session: &mut dyn Session = self;
        let rows = session.rows(&query, &[label.name.into()]).await?;
        let count = rows.first().and_then(|row| row.first()?.as_integer());
        Ok(count
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or(0))
    }

    fn has_other_connections(&self) -> bool {
        // A server is there for many.
        true
    }

    async fn replication_lag(&mut self) -> Result<Option<Duration>> {
        let query = "SELECT pg_catalog.max(extract(epoch FROM replay_lag))::pg_catalog.float8
                     FROM pg_catalog.pg_stat_replication WHERE state = 'streaming'";
        let session: &mut dyn Session = self;
        let rows = session.rows(query, &[]).await?;
        Ok(match rows.first().and_then(|row| row.first()) {
            Some(Value::Float(seconds)) => Some(Duration::from_secs_f64(seconds.max(0.0))),
            _ => None,
        })
    }
}

/// What the sessions of a run and of its parts have in common, whose name is the statement's first parameter.
const OF_RUN: &str = "(application_name = $1 OR pg_catalog.left(application_name, pg_catalog.length($1) + 2) = $1 || ' #')";

/// Ends the sessions that hold the lock whose name is the first parameter, or are called as the second says.
const END: &str = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
    WHERE datname = pg_catalog.current_database() AND usename = current_user AND pid <> pg_catalog.pg_backend_pid()
    AND (application_name = $2 OR pg_catalog.left(application_name, pg_catalog.length($2) + 2) = $2 || ' #' OR pid IN (
        SELECT pid FROM pg_catalog.pg_lock_status() WHERE locktype = 'advisory' AND objsubid = 1
        AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        AND classid::bigint << 32 | objid::bigint = pg_catalog.hashtextextended($1, 0)
    ))";

/// What is found when the target was locked.
struct Found {
    has_journal: bool,
    /// Whether the migrated schema is where it was in the search path.
    is_in_path: bool,
    /// Whether the journal was found to be nobody else's, without a closer look.
    is_plainly_own: bool,
}

impl PostgresSession {
    /// Looks whether all is as it was when this process first looked, which may be long ago: a run goes by what is there when it
    /// begins.
    async fn look_around(&mut self) -> Result<Found> {
        let journal = self.target.home.journal.clone();
        let own = match self.has_trust {
            true => "SELECT 1".to_owned(),
            false => trust::is_plainly_own(&self.target.home),
        };
        let query = format!(
            "SELECT EXISTS (
                 SELECT FROM pg_class WHERE relname = '{JOURNAL_TABLE}' AND relkind IN ('r', 'p')
                 AND relnamespace = to_regnamespace({})
             ), coalesce(current_setting('wasmigrate.schemas', true), '') IN ('', $1), EXISTS ({own})",
            quote_text(&journal)
        );
        let path = self.target.search_path.as_str().into();
        let session: &mut dyn Session = self;
        let rows = session.rows(&query, &[path]).await?;
        let is_true = |place| {
            let cell = rows.first().and_then(|row| row.get(place));
            matches!(cell, Some(Value::Boolean(true)))
        };
        Ok(Found {
            has_journal: is_true(0),
            is_in_path: is_true(1) && (self.has_trust || !self.target.is_implied),
            is_plainly_own: is_true(2),
        })
    }

    /// Looks anew what the target is, on another connection, whose search path nobody has set. Whether that is another now.
    fn find_target_again(&mut self) -> Result<bool> {
        let patience = self.database.patience(&self.stop);
        let mut connection = self.database.connect(&patience)?;
        *self.database.known_target() = None;
        let target = self.database.target(&mut connection, &patience)?;
        self.database.give_back(connection);
        let is_another = target != self.target;
        self.target = target;
        Ok(is_another)
    }

    /// Keeps others out who want the lock of the same name in this database, until the transaction ends.
    fn take_lock(&mut self, name: &str, host: &str) -> Result<()> {
        let query = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('wasmigrate'), pg_catalog.hashtext($1))";
        // There is no run yet to call it after, so that its process has to be known to tell who keeps it waiting. Others have
        // to know whose it is before it has the lock.
        self.settle_quietly(Authority::Host)?;
        let set = format!(
            "SELECT pg_catalog.set_config('idle_in_transaction_session_timeout', '{}', true),
             pg_catalog.set_config('lock_timeout', '{}', true), pg_catalog.set_config('application_name', {}, true)",
            LOCKED_IDLE.as_millis(),
            self.database.target_lock_timeout().as_millis(),
            quote_text(&label_of_host(host))
        );
        self.ask_quietly(&set)?;
        self.wants_target_lock = true;
        let locked = self.run(Authority::Host, query, [Cell::Text(name)].into_iter());
        self.wants_target_lock = false;
        locked?;
        let usual = self.database.0.options.lock_timeout.as_millis();
        self.ask_quietly(&format!(
            "SELECT pg_catalog.set_config('lock_timeout', '{usual}', true)"
        ))
    }

    async fn lock_holders(&mut self, query: &str) -> Result<Vec<LockHolder>> {
        let schema = self.target.home.journal.clone();
        let session: &mut dyn Session = self;
        let rows = session.rows(query, &[schema.into()]).await?;
        let text = |cell: Value| cell.as_text().map(str::to_owned);
        let holders = rows
            .into_iter()
            .map(|row| row.into_iter().map(text).collect());
        Ok(holders.filter_map(locks::holder).collect())
    }

    /// Ends the sessions of others that have a label.
    fn end_labelled(&mut self, label: &Label) -> Result<bool> {
        let lock = label.locks.last().map_or("", String::as_str);
        let parameters = [Cell::Text(lock), Cell::Text(&label.name)];
        let give_up = Instant::now() + ENDING;
        // What was asked to end may be in the middle of a commit, and is there until it has ended.
        while self.run(Authority::Host, END, parameters.into_iter())? > 0 {
            if Instant::now() > give_up {
                return Ok(false);
            }
            std::thread::sleep(ENDING_INTERVAL);
            // The list of activities is read once in a transaction, unless it is forgotten.
            self.ask_quietly("SELECT pg_catalog.pg_stat_clear_snapshot()")?;
        }
        Ok(true)
    }
}

/// What a session of this host is called that takes the lock of the target. A long name loses its beginning: it ends with the
/// number of the process.
fn label_of_host(host: &str) -> String {
    const MOST: usize = 63 - locks::LOCKING.len();
    let start = host.ceil_char_boundary(host.len().saturating_sub(MOST));
    format!(
        "{}{}",
        locks::LOCKING,
        host.get(start..).unwrap_or_default()
    )
}
