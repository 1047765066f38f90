//! Databases that are thrown away: made empty or as copies, and gone when they are dropped.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;

use super::Error;
use crate::database::{
    self, Content, Database, Elsewhere, Keeper, Kind, Postgres, ScriptError, SessionLimits, Sqlite,
};

/// How the names of throw-away databases on a server begin.
pub const SCRATCH_PREFIX: &str = "wasmigrate_test_";

/// Where throw-away databases of one kind are made.
pub(super) struct ScratchServer {
    place: Place,
    made: AtomicU32,
}

enum Place {
    Files {
        directory: TempDir,
        limits: SessionLimits,
    },
    Server {
        server: Postgres,
        /// Begins all names, and is nobody else's.
        prefix: String,
        /// Keeps others from dropping them as left behind.
        keeper: Box<OnceLock<Keeper>>,
    },
}

impl ScratchServer {
    /// SQLite files in a directory of their own.
    pub(super) fn of_files(limits: SessionLimits) -> Result<Self, Error> {
        let directory = tempfile::Builder::new()
            .prefix(SCRATCH_PREFIX)
            .tempdir()
            .map_err(|error| Error::Setup(format!("cannot make a directory: {error}")))?;
        Ok(Self {
            place: Place::Files { directory, limits },
            made: AtomicU32::new(0),
        })
    }

    /// Databases on a PostgreSQL server.
    pub(super) fn on_server(server: Postgres) -> Self {
        use std::hash::{BuildHasher as _, Hasher as _, RandomState};
        let number = RandomState::new().build_hasher().finish() & 0xffff_ffff;
        Self {
            place: Place::Server {
                server,
                prefix: format!("{SCRATCH_PREFIX}{number:08x}"),
                keeper: Box::default(),
            },
            made: AtomicU32::new(0),
        }
    }

    /// Of which kind the databases are.
    pub(super) fn kind(&self) -> Kind {
        match self.place {
            Place::Files { .. } => Kind::Sqlite,
            Place::Server { .. } => Kind::Postgres,
        }
    }

    /// Whether the databases are a superuser's.
    pub(super) fn is_superuser(&self) -> Result<bool, Error> {
        match &self.place {
            Place::Files { .. } => Ok(false),
            Place::Server { server, .. } => server.is_superuser().map_err(|error| {
                Error::Setup(format!("cannot ask the server for its role: {error}"))
            }),
        }
    }

    /// Whether a database has several schemas, one of which is the target.
    pub(super) fn has_schemas(&self) -> bool {
        matches!(self.place, Place::Server { .. })
    }

    /// An empty database in which steps make their tables in this schema, where databases have several.
    pub(super) fn make_in(
        self: &Arc<Self>,
        schema: Option<&str>,
    ) -> Result<ScratchDatabase, Error> {
        let made = self.make()?;
        if let (Held::Database { database, .. }, Some(schema)) = (&made.held, schema) {
            database.live_in(schema).map_err(|error| {
                Error::Setup(format!(
                    "cannot make the schema `{schema}` in a throw-away database: {error}"
                ))
            })?;
        }
        Ok(made)
    }

    /// An empty database.
    pub(super) fn make(self: &Arc<Self>) -> Result<ScratchDatabase, Error> {
        self.make_from(None)
    }

    fn make_from(
        self: &Arc<Self>,
        source: Option<&ScratchDatabase>,
    ) -> Result<ScratchDatabase, Error> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let setup = |error: database::Error| {
            Error::Setup(format!("cannot make a throw-away database: {error}"))
        };
        let held = match (&self.place, source.map(|source| &source.held)) {
            (Place::Files { directory, limits }, source) => {
                let path = directory.path().join(format!("{number}.db"));
                if let Some(Held::File { database, .. }) = source {
                    database.clone_to(&path).map_err(setup)?;
                }
                Held::File {
                    database: Sqlite::new(path.clone(), *limits).throwaway(),
                    path,
                }
            }
            (
                Place::Server {
                    server,
                    prefix,
                    keeper,
                },
                source,
            ) => {
                if keeper.get().is_none() {
                    let pattern = format!("^{SCRATCH_PREFIX}[0-9a-f]{{8}}_[0-9]+$");
                    let kept = server.keep_siblings(prefix, &pattern).map_err(setup)?;
                    // Another thread may have been first.
                    let _ = keeper.set(kept);
                }
                let name = format!("{prefix}_{number}");
                let template = match source {
                    Some(Held::Database { database, name }) => {
                        database.disconnect();
                        Some(name.as_str())
                    }
                    _ => None,
                };
                Held::Database {
                    database: server.create_sibling(&name, template).map_err(setup)?,
                    name,
                }
            }
        };
        Ok(ScratchDatabase {
            server: Arc::clone(self),
            held,
        })
    }
}

/// A database that goes when this is dropped.
pub(super) struct ScratchDatabase {
    server: Arc<ScratchServer>,
    held: Held,
}

enum Held {
    File { database: Sqlite, path: PathBuf },
    Database { database: Postgres, name: String },
}

impl ScratchDatabase {
    /// Another one with the same content. Nobody may work on this one meanwhile.
    pub(super) fn copy(&self) -> Result<Self, Error> {
        self.server.make_from(Some(self))
    }

    /// The database.
    pub(super) fn database(&self) -> Arc<dyn Database> {
        match &self.held {
            Held::File { database, .. } => Arc::new(database.clone()),
            Held::Database { database, .. } => Arc::new(database.clone()),
        }
    }

    /// The database, whose queries without an order give their rows in another one, where it has a switch for that.
    pub(super) fn reversed(&self) -> Arc<dyn Database> {
        match &self.held {
            Held::File { database, .. } => Arc::new(database.clone().reversed()),
            Held::Database { database, .. } => Arc::new(database.clone()),
        }
    }

    /// Lets an owner who is no superuser do all that an owner may.
    pub(super) fn let_owner_in(&self) -> Result<(), Error> {
        match &self.held {
            Held::File { .. } => Ok(()),
            Held::Database { database, .. } => database.let_owner_in().map_err(|error| {
                Error::Setup(format!("cannot give a throw-away database away: {error}"))
            }),
        }
    }

    /// The database for steps of an owner who is no superuser.
    pub(super) fn as_owner(&self) -> Arc<dyn Database> {
        match &self.held {
            Held::File { database, .. } => Arc::new(database.clone()),
            Held::Database { database, .. } => Arc::new(database.as_owner()),
        }
    }

    /// Whether settings of a client or of its server change what statements mean.
    pub(super) fn has_environment(&self) -> bool {
        matches!(self.held, Held::Database { .. })
    }

    /// The database as it is elsewhere, where that is something else.
    pub(super) fn elsewhere(&self, differences: &[Elsewhere]) -> Arc<dyn Database> {
        match &self.held {
            Held::File { database, .. } => Arc::new(database.clone()),
            Held::Database { database, .. } => Arc::new(database.elsewhere(differences)),
        }
    }

    /// Closes connections that were used before: what PostgreSQL counts in them would be taken for a step's deeds.
    pub(super) fn disconnect(&self) {
        if let Held::Database { database, .. } = &self.held {
            database.disconnect();
        }
    }

    /// Where others of its kind are made.
    pub(super) fn server(&self) -> Arc<ScratchServer> {
        Arc::clone(&self.server)
    }

    /// Where its file is, when it is one.
    pub(super) fn file(&self) -> Option<&std::path::Path> {
        match &self.held {
            Held::File { path, .. } => Some(path),
            Held::Database { .. } => None,
        }
    }

    /// Which database it is.
    pub(super) fn kind(&self) -> Kind {
        self.server.kind()
    }

    /// Whether to make another one takes longer than to clear this one.
    pub(super) fn is_dear(&self) -> bool {
        matches!(self.held, Held::Database { .. })
    }

    /// Deletes all rows that are in its content.
    pub(super) async fn clear(&self, content: &Content) -> Result<(), ScriptError> {
        match &self.held {
            Held::File { database, .. } => database.clear(content),
            Held::Database { database, .. } => database.clear(content).await,
        }
    }

    /// Its content as a script that makes it again, where there is this schema.
    pub(super) fn dump(&self, schema: Option<&str>) -> Result<String, database::Error> {
        match &self.held {
            Held::File { database, .. } => database.dump_content(),
            Held::Database { database, .. } => database.dump_content(schema),
        }
    }

    /// Runs a script that may do everything.
    pub(super) async fn restore(&self, script: &str) -> Result<(), ScriptError> {
        match &self.held {
            Held::File { database, .. } => database.restore(script),
            Held::Database { database, .. } => database.restore(script).await,
        }
    }
}

impl Drop for ScratchDatabase {
    fn drop(&mut self) {
        // What cannot be removed is left to the directory's end, or told by its name on the server.
        match (&self.held, &self.server.place) {
            (Held::File { path, .. }, _) => {
                let _ = std::fs::remove_file(path);
                for ending in ["-wal", "-shm"] {
                    let mut name = path.clone().into_os_string();
                    name.push(ending);
                    let _ = std::fs::remove_file(name);
                }
            }
            (Held::Database { database, name }, Place::Server { server, .. }) => {
                database.disconnect();
                let _ = server.drop_sibling(name);
            }
            (Held::Database { .. }, Place::Files { .. }) => {}
        }
    }
}
