//! PostgreSQL as a target.
//!
//! A session is one connection that lives on the run's own thread and never blocks for longer than a look at [`Stop`]. All
//! statements go through the extended protocol, so that each is one statement; those that nobody waits for are sent
//! together with the next one (`pipeline`). Parameters and results travel in the database's own text. What a step may not
//! say is refused before it is sent (`guard`); what it could have done all the same is looked for inside the transaction,
//! before its commit (`verify`). Behind a pooler, which may hand each transaction to another server process, nothing is
//! kept from one transaction to the next; without one, the host's own statements stay prepared (`kept`).

mod address;
mod advice;
mod capabilities;
mod connection;
mod conversation;
mod coordinate;
mod copy;
mod cursors;
mod errors;
mod guard;
mod interruptions;
mod introspect;
mod kept;
mod lexer;
mod locks;
mod pipeline;
mod results;
mod schema;
mod script;
mod session;
mod state;
mod text;
mod throwaway;
mod tls;
mod transaction;
mod verify;
mod wire;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Access, Advice, Capabilities, Database, Error, ErrorKind, JOURNAL_PREFIX, Kind, Result,
    Session, SessionLimits, Stop,
};
use address::Address;
use capabilities::CAPABILITIES;
use connection::Connection;
use state::PostgresSession;

pub(super) use lexer::dollar_tag;

/// How many idle connections are kept for the next session.
const MOST_IDLE: usize = 4;

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
}

/// A target in one schema of a PostgreSQL database.
#[derive(Clone)]
pub struct Postgres(Arc<Shared>);

struct Shared {
    address: Address,
    name: String,
    options: PostgresOptions,
    limits: SessionLimits,
    target: OnceLock<Target>,
    idle: Mutex<Vec<Connection>>,
}

/// What is the same for all connections to the target.
#[derive(Clone, Debug)]
struct Target {
    /// The schema, as an identifier in quotes.
    schema: String,
    version: String,
    is_superuser: bool,
}

impl Postgres {
    /// The target that a URL `postgres://…` names. Connects to nothing yet; the error says what is wrong with the URL.
    pub fn new(
        url: &str,
        options: PostgresOptions,
        limits: SessionLimits,
    ) -> std::result::Result<Self, String> {
        let variable = |name: &str| std::env::var(name).ok();
        let address = Address::parse(url, options.password_file.as_deref(), &variable)?;
        Ok(Self(Arc::new(Shared {
            name: address.to_string(),
            address,
            options,
            limits,
            target: OnceLock::new(),
            idle: Mutex::default(),
        })))
    }

    /// A connection that was used before, or a new one.
    fn connect(&self) -> Result<Connection> {
        while let Some(mut connection) = self.idle().pop() {
            if !connection.wire.is_disturbed() {
                return Ok(connection);
            }
        }
        self.connect_anew()
    }

    fn connect_anew(&self) -> Result<Connection> {
        // A row has some bytes for each of its cells, too.
        let most_message = usize::try_from(self.0.limits.value_bytes)
            .unwrap_or(usize::MAX)
            .saturating_add(64 << 10);
        Connection::open(&self.0.address, most_message)
    }

    /// Keeps a connection without a transaction for the next session.
    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        } else {
            drop(idle);
            connection.close();
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is the same for all connections, asked on the first one.
    fn target(&self, connection: &mut Connection) -> Result<&Target> {
        if let Some(target) = self.0.target.get() {
            return Ok(target);
        }
        // The first schema of the search path with a journal, and only else the first of all: a step may make one whose
        // name comes earlier in the path, such as the role's own.
        let query = format!(
            "SELECT pg_catalog.quote_ident(coalesce((
                SELECT nspname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
                WHERE relname = '{JOURNAL_PREFIX}journal' AND relkind IN ('r', 'p')
                AND nspname = ANY (pg_catalog.current_schemas(false))
                ORDER BY pg_catalog.array_position(pg_catalog.current_schemas(false), nspname) LIMIT 1
             ), pg_catalog.current_schema())), pg_catalog.current_setting('server_version'),
             pg_catalog.current_setting('is_superuser')"
        );
        let rows = pipeline::ask(connection, &query, &[])?;
        let mut cells = rows.into_iter().flatten();
        let mut cell = || cells.next().flatten();
        let (schema, version, is_superuser) = (cell(), cell(), cell());
        let Some(schema) = schema else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "{}: no schema of the search path exists; create one, or name another with `options=-csearch_path%3D…`",
                    self.0.name
                ),
            ));
        };
        let target = Target {
            schema,
            version: version.unwrap_or_default(),
            is_superuser: is_superuser.as_deref() == Some("on"),
        };
        Ok(self.0.target.get_or_init(|| target))
    }
}

#[async_trait]
impl Database for Postgres {
    fn name(&self) -> &str {
        &self.0.name
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

    fn tenant(&self, _name: &str) -> Option<Arc<dyn Database>> {
        // A tenant is a schema of the target.
        None
    }

    async fn open(&self, access: Access, stop: &Stop) -> Result<Box<dyn Session>> {
        Ok(Box::new(PostgresSession::open(self.clone(), access, stop)?))
    }
}
