//! SQLite as a target.
//!
//! One connection a session, in WAL mode, its statements on the run's own thread. A step's statements pass the authorizer
//! in `guard`; foreign keys are checked before a commit (`foreign_keys`); a progress handler looks at [`Stop`], so that a
//! long statement ends with the run. What SQLite rolls back by itself (`ON CONFLICT ROLLBACK`, a full disk) is noticed
//! before the next statement: nothing of a step ever runs outside its transaction.

mod brief;
mod capabilities;
mod changes;
mod content;
mod coordinate;
mod disk;
mod dump_content;
mod effect;
mod enforcement;
mod errors;
mod foreign_keys;
mod guard;
mod judge;
mod lock_holder;
mod math;
mod open_file;
mod other_connections;
mod parameters;
mod pragma;
mod pragmas;
mod readable;
mod reading;
mod reserved;
mod same_file;
mod schema;
mod script;
mod session;
mod shape;
mod statement;
mod tenant_file;
mod throwaway;
mod traits;
mod transform;
mod turn;
mod url;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::{
    Access, Advice, Capabilities, Database, Error, ErrorKind, Kind, Result, ScriptError, Session,
    SessionLimits, Stop, TransactionNeed, Wait,
};
use capabilities::CAPABILITIES;
use errors::translate;
use session::SqliteSession;
use turn::Waiting;
use url::FileMode;

/// How many instructions of SQLite's machine run between two looks at [`Stop`]: some 10 µs.
const PROGRESS_INSTRUCTIONS: i32 = 1_000;

/// How long SQLite itself waits for a lock before the host looks at [`Stop`] again.
const BUSY_SLICE: Duration = Duration::from_millis(50);

/// How many pages the WAL grows before a commit copies them back into the file, which waits for the disk: 40 MiB with
/// pages of 4 KiB. SQLite's own 1,000 let a run of many small steps wait every few milliseconds.
const CHECKPOINT_PAGES: i32 = 10_000;

/// The longest pattern of LIKE and GLOB. SQLite cannot be interrupted inside a function, and matching takes the product of
/// both lengths in the worst case: <https://www.sqlite.org/limits.html#max_like_pattern_length>
const LIKE_PATTERN_BYTES: i32 = 1_000;

/// A target in one SQLite file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
    name: String,
    limits: SessionLimits,
    /// Whether queries without `ORDER BY` give their rows in the other order.
    is_reversed: bool,
    /// Whether a crash of the machine may take the file.
    is_throwaway: bool,
    /// Whether its directory is made with it.
    is_tenant: bool,
    /// What becomes of the file when it is not there, or is not to be written.
    mode: FileMode,
    /// Whether SQLite enforces foreign keys on its connections.
    enforces_foreign_keys: bool,
    /// Whether this program has seen the file: then it makes no other in its place.
    was_there: Arc<AtomicBool>,
    /// Who waits for its lock here.
    waiting: Waiting,
}

impl Sqlite {
    /// The target in the file at `path`.
    pub fn new(path: impl Into<PathBuf>, limits: SessionLimits) -> Self {
        let path = path.into();
        Self {
            name: format!("sqlite:{}", path.display()),
            path,
            limits,
            is_reversed: false,
            is_throwaway: false,
            is_tenant: false,
            mode: FileMode::OrNew,
            enforces_foreign_keys: false,
            was_there: Arc::default(),
            waiting: Waiting::default(),
        }
    }

    /// The target that a URL names, without its scheme; `create` says whether the file is made when it is not there.
    pub(super) fn at_url(
        rest: &str,
        create: bool,
        limits: SessionLimits,
    ) -> std::result::Result<Self, String> {
        let parts = url::parse(rest, &|path| path.exists())?;
        super::controls::refuse_controls(&parts.path.to_string_lossy())?;
        let mode = match (parts.mode, create) {
            (FileMode::Unsaid, true) => FileMode::OrNew,
            (mode, _) => mode,
        };
        Ok(Self {
            mode,
            enforces_foreign_keys: parts.enforces_foreign_keys,
            ..Self::new(parts.path, limits)
        })
    }

    /// Whether there is such a file.
    pub fn is_there(&self) -> bool {
        self.path.is_file()
    }

    /// Refuses a file that is not there and was not asked for, or that is not to be written.
    fn refuse(&self, access: Access) -> Result<()> {
        let refused = |message: String| Err(Error::new(ErrorKind::Unavailable, message));
        let is_gone = self.was_there.load(Ordering::SeqCst) && !self.path.exists();
        match self.mode {
            FileMode::OrNew if is_gone && !self.is_throwaway => refused(format!(
                "{}: the file was there before and is gone: put it back, or start again to begin a new database",
                self.name
            )),
            FileMode::OrNew => Ok(()),
            FileMode::ToRead if access != Access::Read => refused(format!(
                "{} is only to be read: its URL says mode=ro",
                self.name
            )),
            // A tenant's is made when the tenant is.
            _ if self.is_tenant || self.path.exists() => Ok(()),
            FileMode::Existing | FileMode::ToRead => refused(format!(
                "{}: there is no such file, and none is made: its URL says mode={}; check the path, or leave that out to begin a new \
                 database",
                self.name,
                match self.mode {
                    FileMode::ToRead => "ro",
                    _ => "rw",
                }
            )),
            FileMode::Unsaid => refused(format!(
                "{}: there is no such file; check the path, or pass `--create` to begin a new database",
                self.name
            )),
        }
    }

    /// Says that somebody else has had the file locked for too long.
    fn is_locked(&self) -> String {
        let wait = self.limits.lock_wait;
        let holder = lock_holder::in_words(lock_holder::of(&self.path));
        format!(
            "another process holds the write lock of {} for longer than {wait:?}: {holder}",
            self.name
        )
    }

    /// An empty database that is kept nowhere, and can only be read.
    pub fn empty(limits: SessionLimits) -> Self {
        Self::new("", limits)
    }

    fn connect(&self, access: Access, stop: &Stop) -> Result<Connection> {
        self.refuse(access)?;
        if self.is_tenant {
            tenant_file::check(&self.path)?;
        }
        if let Some(directory) = self.path.parent()
            && self.is_tenant
            && access == Access::Write
        {
            std::fs::create_dir_all(directory).map_err(|error| {
                Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "cannot make the directory `{}`: {error}",
                        directory.display()
                    ),
                )
            })?;
        }
        let connected = connect(&self.path, access, stop, &self.limits).and_then(|connection| {
            connection.pragma_update(None, "reverse_unordered_selects", self.is_reversed)?;
            if self.enforces_foreign_keys && access != Access::Read {
                connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
            }
            if self.is_throwaway {
                connection.pragma_update(None, "synchronous", "OFF")?;
            }
            Ok(connection)
        });
        if connected.is_ok() && self.path.exists() {
            self.was_there.store(true, Ordering::SeqCst);
        }
        connected.map_err(|error| {
            let translated = disk::explain(&self.path, translate(error));
            Error {
                kind: match translated.kind {
                    ErrorKind::Busy => ErrorKind::Busy,
                    _ => ErrorKind::Unavailable,
                },
                message: match translated.kind {
                    ErrorKind::Busy => self.is_locked(),
                    _ => format!("cannot open {}: {}", self.name, translated.message),
                },
                ..translated
            }
        })
    }
}

#[async_trait]
impl Database for Sqlite {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_new(&self) -> bool {
        self.mode == FileMode::OrNew && !self.path.exists()
    }

    fn is_gone(&self) -> bool {
        self.mode != FileMode::OrNew && !self.path.exists()
    }

    fn has_standard_strings(&self) -> bool {
        true
    }

    fn makes_what_is_missing(&self) -> bool {
        self.mode == FileMode::OrNew
    }

    fn discard(&self) -> std::io::Result<()> {
        if !self.is_tenant {
            return Ok(());
        }
        for ending in ["-shm", "-wal", ""] {
            let mut path = self.path.clone().into_os_string();
            path.push(ending);
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        // Which others have, too.
        let _ = self.path.parent().map(std::fs::remove_dir);
        Ok(())
    }

    fn kind(&self) -> Kind {
        Kind::Sqlite
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn advise(
        &self,
        _script: &str,
        _is_finalize: bool,
        _made: &mut BTreeSet<String>,
    ) -> Vec<Advice> {
        // There is one writer, and a change of the schema takes as long as any other.
        Vec::new()
    }

    fn is_brief(&self, script: &str, made: &mut BTreeSet<String>) -> bool {
        brief::is_brief(script, made)
    }

    fn judge(
        &self,
        script: &str,
        decide: &mut dyn FnMut(TransactionNeed) -> bool,
    ) -> std::result::Result<(), ScriptError> {
        judge::judge(script, decide)
    }

    fn tenant(&self, name: &str) -> Option<Arc<dyn Database>> {
        let mut directory = self.path.clone().into_os_string();
        directory.push(".tenants");
        let path = PathBuf::from(directory).join(format!("{name}.db"));
        Some(Arc::new(Self {
            name: format!("sqlite:{}", path.display()),
            path,
            is_tenant: true,
            was_there: Arc::default(),
            waiting: Waiting::default(),
            ..self.clone()
        }))
    }

    async fn dump_schema(&self, stop: &Stop) -> Result<String> {
        let mut session = self.open(Access::Read, stop).await?;
        session.begin_read().await?;
        let dump = schema::dump(&mut *session).await?;
        session.rollback().await?;
        Ok(dump)
    }

    async fn open(&self, access: Access, stop: &Stop) -> Result<Box<dyn Session>> {
        Ok(Box::new(SqliteSession::open(self.clone(), access, stop)?))
    }
}

/// How many values of full length SQLite may hold at the same time, in all connections of this process.
const FULL_VALUES: u64 = 8;

/// What it may hold in any case.
const LEAST_MEMORY: u64 = 256 << 20;

/// The memory that SQLite may take. Stops a statement that builds many values, each of which is short enough.
fn most_memory(limits: &SessionLimits) -> u64 {
    limits
        .value_bytes
        .saturating_mul(FULL_VALUES)
        .max(LEAST_MEMORY)
}

/// Opens a connection with everything switched off that a target does not need.
fn connect(
    path: &Path,
    access: Access,
    stop: &Stop,
    limits: &SessionLimits,
) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match access {
        Access::Write => Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_CREATE)?,
        Access::Read | Access::Rehearsal if !path.exists() => Connection::open_in_memory()?,
        Access::Read | Access::Rehearsal => Connection::open_with_flags(path, flags)?,
    };
    connection.busy_timeout(BUSY_SLICE)?;
    math::add(&connection)?;
    readable::add(&connection)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, LIKE_PATTERN_BYTES)?;
    connection.set_limit(
        Limit::SQLITE_LIMIT_LENGTH,
        i32::try_from(limits.value_bytes).unwrap_or(i32::MAX),
    )?;
    // It holds for the whole process and can only be lowered, also by what a component is described in, which has other limits.
    if access != Access::Read {
        let most_memory = i64::try_from(most_memory(limits)).unwrap_or(i64::MAX);
        connection.pragma_update(None, "hard_heap_limit", most_memory)?;
    }
    match access {
        Access::Read => connection.pragma_update(None, "query_only", true)?,
        Access::Write => {
            enter_wal_mode(path, &connection, stop, limits)?;
            connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        }
        Access::Rehearsal => {}
    }
    Ok(connection)
}

/// Switches to WAL, once in a file's life. Readers of the old mode hold it up; they are waited for.
fn enter_wal_mode(
    path: &Path,
    connection: &Connection,
    stop: &Stop,
    limits: &SessionLimits,
) -> rusqlite::Result<()> {
    retry_busy(path, stop, limits.lock_wait, || {
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| {
            row.get::<_, String>(0).map(|_| ())
        })
    })
}

/// Tries again while the database is busy, until `wait` is over or there is a new reason to stop. (After a stop the host
/// still has to write down what happened.)
fn retry_busy<R>(
    path: &Path,
    stop: &Stop,
    wait: Duration,
    mut attempt: impl FnMut() -> rusqlite::Result<R>,
) -> rusqlite::Result<R> {
    let began = Instant::now();
    let give_up = began + wait;
    let mut told = None;
    let is_winding_up = stop.reason().is_some();
    loop {
        match attempt() {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && Instant::now() < give_up
                    && (is_winding_up || stop.reason().is_none()) =>
            {
                // SQLite has waited for BUSY_SLICE already, unless it saw a deadlock; then this keeps the loop cool.
                std::thread::sleep(Duration::from_millis(5));
                if Wait::is_worth_telling(began.elapsed(), told) {
                    told = Some(Instant::now());
                    let holder = lock_holder::in_words(lock_holder::of(path));
                    stop.tell(&Wait {
                        whom: format!("sqlite:{}", path.display()),
                        why: format!("another process has it locked ({holder})"),
                        waited: began.elapsed(),
                        at_most: wait,
                    });
                }
            }
            done => return done,
        }
    }
}
