//! The target in a database of a server: where it is, and the connections to it that are kept for the next session.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::{Cell, Error, ErrorKind, Result, SessionLimits, Stop};
use super::address::Address;
use super::connection::{Bounds, Connection, READ_ONLY};
use super::home::{self, Home, Surroundings};
use super::path::{self, WrittenPath};
use super::patience::Patience;
use super::pipeline;
use super::reach;

/// How many idle connections are kept for the next session.
const MOST_IDLE: usize = 4;

/// How long a server may say nothing, beyond the longest time that a step may take.
const SILENCE_MARGIN: Duration = Duration::from_secs(60);

/// How long to wait for the lock of a target at least. Longer than a session may keep it whose host says nothing.
const TARGET_LOCK: Duration = Duration::from_secs(20);

/// What the operator settles for this database alone.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// How long a statement waits for a lock before the step is rolled back and tried again later, so that nobody queues
    /// up behind it.
    pub lock_timeout: Duration,
    /// The role in whose name steps work; none for that of the connection.
    pub role: Option<String>,
    /// The file whose whole content is the password.
    pub password_file: Option<PathBuf>,
    /// Variables such as `PGUSER` that count where the environment has none of that name.
    pub variables: BTreeMap<String, String>,
    /// The schema of the journal; none for the one that is usual for the target.
    pub journal_schema: Option<String>,
}

/// How long a journal that was looked at is taken to be whose it was. Only those could change that whose it is, or a superuser;
/// a service that is up for long looks again.
const TRUST: Duration = Duration::from_secs(30);

/// What the server says of the connection, and of its search path, by the role $1 in whose name steps work.
fn search_path(has_role: bool) -> String {
    // The server looks through no catalog for it where there is no such role.
    let role = match has_role {
        true => {
            ", CASE WHEN EXISTS (
                SELECT FROM pg_catalog.pg_roles WHERE rolname::pg_catalog.text OPERATOR(pg_catalog.=) $1::pg_catalog.text
                AND pg_catalog.pg_has_role(oid, 'MEMBER')
            ) THEN pg_catalog.set_config('role', $1::pg_catalog.text, true) END"
        }
        false => "",
    };
    format!(
        "SELECT pg_catalog.current_schemas(false)::pg_catalog.text, pg_catalog.current_schema()::pg_catalog.text,
         pg_catalog.current_setting('server_version'), is_superuser, pg_catalog.current_setting('search_path'),
         coalesce($1::pg_catalog.text, session_user::pg_catalog.text)
         FROM (SELECT pg_catalog.current_setting('is_superuser') AS is_superuser{role} OFFSET 0) AS role"
    )
}

/// A target in one schema of a PostgreSQL database.
#[derive(Clone)]
pub struct Postgres(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) address: Address,
    pub(super) name: String,
    pub(super) options: PostgresOptions,
    pub(super) limits: SessionLimits,
    pub(super) target: Mutex<Option<Target>>,
    /// The schema whose journal was found to be nobody else's, and when.
    pub(super) trusted: Mutex<Option<(String, Instant)>>,
    pub(super) idle: Mutex<Vec<Connection>>,
    /// Whether a connection has told that `standard_conforming_strings` is off.
    pub(super) escapes_in_strings: AtomicBool,
}

/// What is the same for all connections to the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) home: Home,
    /// The schemas of the search path, as an array in text.
    pub(super) search_path: String,
    /// The names in it, as an array in text, whether there are such schemas or not.
    pub(super) names_in_path: String,
    /// The search path of steps.
    pub(super) path_of_steps: String,
    /// Whether the migrated schema is the one for which `"$user"` stands, and nobody has named it.
    pub(super) is_implied: bool,
    /// The first schema of the search path, where tables of others are looked for.
    pub(super) own_schema: String,
    pub(super) version: String,
    pub(super) is_superuser: bool,
}

impl Postgres {
    /// The target that a URL `postgres://…` names. Connects to nothing yet; the error says what is wrong with the URL.
    pub fn new(
        url: &str,
        options: PostgresOptions,
        limits: SessionLimits,
    ) -> std::result::Result<Self, String> {
        let variable = |name: &str| {
            let beside = || options.variables.get(name).cloned();
            std::env::var(name).ok().or_else(beside)
        };
        let address = Address::parse(url, options.password_file.as_deref(), &variable)?;
        Ok(Self(Arc::new(Shared {
            name: address.to_string(),
            address,
            options,
            limits,
            target: Mutex::default(),
            trusted: Mutex::default(),
            idle: Mutex::default(),
            escapes_in_strings: AtomicBool::new(false),
        })))
    }

    /// A connection to a database that may be written to. One that somebody has set to be read alone is refused: to ask for
    /// more would be easy, and against their will.
    pub(super) fn writable(
        &self,
        mut connection: Connection,
        patience: &Patience,
    ) -> Result<Connection> {
        if !is_read_only(&mut connection, patience)? {
            return Ok(connection);
        }
        // An idle connection may be from before it was turned off.
        self.idle().clear();
        let mut connection = self.connect_anew(patience)?;
        match is_read_only(&mut connection, patience)? {
            false => Ok(connection),
            true => Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "{}: the database is set to read-only (default_transaction_read_only): nothing is written to it before that is \
                     off again",
                    self.0.name
                ),
            )),
        }
    }

    /// How long to wait for the server to let a session in.
    pub(super) fn patience(&self, stop: &Stop) -> Patience {
        Patience::new(&self.0.name, self.0.address.connect_timeout, stop)
    }

    /// The same for what is only asked about a statement that does not end.
    pub(super) fn brief_patience(&self) -> Patience {
        Patience::brief(self.0.address.connect_timeout)
    }

    /// How long to wait for the lock of the target, for which nobody of the application queues up.
    pub(super) fn target_lock_timeout(&self) -> Duration {
        self.0.options.lock_timeout.max(TARGET_LOCK)
    }

    /// How long the server may say nothing: it ends a statement by itself before that.
    pub(super) fn longest_silence(&self) -> Duration {
        self.0.limits.deadline + SILENCE_MARGIN
    }

    /// A connection that was used before, or a new one.
    pub(super) fn connect(&self, patience: &Patience) -> Result<Connection> {
        while let Some(mut connection) = self.idle().pop() {
            if !connection.wire.is_disturbed() {
                return Ok(connection);
            }
        }
        self.connect_anew(patience)
    }

    pub(super) fn connect_anew(&self, patience: &Patience) -> Result<Connection> {
        // A row has some bytes for each of its cells, too.
        let most_message = usize::try_from(self.0.limits.value_bytes)
            .unwrap_or(usize::MAX)
            .saturating_add(64 << 10);
        let bounds = Bounds {
            most_message,
            longest_silence: self.longest_silence(),
        };
        let connection = reach::connect(&self.0.address, bounds, patience)?;
        let escapes = !connection.rules.standard_strings;
        self.0.escapes_in_strings.store(escapes, Ordering::Relaxed);
        Ok(connection)
    }

    /// Keeps a connection without a transaction for the next session.
    pub(super) fn give_back(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        } else {
            drop(idle);
            connection.close();
        }
    }

    pub(super) fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is the same for all connections, asked on the first one.
    pub(super) fn target(
        &self,
        connection: &mut Connection,
        patience: &Patience,
    ) -> Result<Target> {
        if let Some(target) = &*self.known_target() {
            return Ok(target.clone());
        }
        let options = &self.0.options;
        let role = options.role.as_deref().map_or(Cell::Null, Cell::Text);
        let query = search_path(options.role.is_some());
        let rows = pipeline::ask_in_full_names(connection, &query, &[role], patience)?;
        let mut cells = rows.into_iter().flatten();
        let mut cell = || cells.next().flatten();
        let (schemas, own_schema, version) = (cell(), cell(), cell());
        let is_superuser = cell();
        let search_path = schemas.unwrap_or_default();
        let (written, user) = (cell().unwrap_or_default(), cell().unwrap_or_default());
        let path = WrittenPath::read(&written, &user);
        let names_in_path = path.names_as_array();
        let parameters = [
            Cell::Text(&search_path),
            options
                .journal_schema
                .as_deref()
                .map_or(Cell::Null, Cell::Text),
            options.role.as_deref().map_or(Cell::Null, Cell::Text),
            Cell::Text(&names_in_path),
        ];
        let rows = pipeline::ask(connection, home::ASK, &parameters, patience)?;
        let answer = rows.into_iter().flatten().flatten().next();
        let surroundings = Surroundings::read(&answer.unwrap_or_default())?;
        let in_words = |error: Error| Error {
            message: format!("{}: {}", self.0.name, error.message),
            ..error
        };
        let home = surroundings.home().map_err(in_words)?;
        let own_schema = own_schema.unwrap_or_default();
        let mut stranger = None;
        if let Some(implied) = path.implied(&surroundings) {
            let parameters = [Cell::Text(implied), role];
            let rows = pipeline::ask(connection, &path::stranger(), &parameters, patience)?;
            stranger = rows.into_iter().flatten().flatten().next();
        }
        let is_implied = path.only_implies(&own_schema);
        if let Some(owner) = stranger.as_deref().filter(|_| is_implied) {
            return Err(in_words(home::of_a_stranger(&home.schema, owner)));
        }
        let target = Target {
            home,
            path_of_steps: path.of_steps(&own_schema, &surroundings, stranger.is_some()),
            is_implied,
            search_path,
            names_in_path,
            own_schema,
            version: version.unwrap_or_default(),
            is_superuser: is_superuser.as_deref() == Some("on"),
        };
        *self.known_target() = Some(target.clone());
        Ok(target)
    }

    /// Whether the journal in a schema was found to be nobody else's a short time ago.
    pub(super) fn is_trusted(&self, schema: &str) -> bool {
        let trusted = self.trusted();
        let known = trusted.as_ref();
        known.is_some_and(|(known, since)| known == schema && since.elapsed() < TRUST)
    }

    /// Takes note that the journal in a schema is nobody else's.
    pub(super) fn remember_trusted(&self, schema: &str) {
        *self.trusted() = Some((schema.to_owned(), Instant::now()));
    }

    fn trusted(&self) -> std::sync::MutexGuard<'_, Option<(String, Instant)>> {
        self.0
            .trusted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the target, unless it has to be asked.
    pub(super) fn known_target(&self) -> std::sync::MutexGuard<'_, Option<Target>> {
        self.0.target.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the session's transactions may not write unless they ask for it.
fn is_read_only(connection: &mut Connection, patience: &Patience) -> Result<bool> {
    // Servers before version 14 do not tell of it, and poolers may not.
    if let Some(is_on) = connection.parameters.get(READ_ONLY) {
        return Ok(*is_on);
    }
    let setting = "SELECT pg_catalog.current_setting('default_transaction_read_only')";
    let rows = pipeline::ask_in_full_names(connection, setting, &[], patience)?;
    Ok(rows.into_iter().flatten().flatten().any(|it| it == "on"))
}
