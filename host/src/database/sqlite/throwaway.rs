//! What makes copies of a file, and fills one: for databases that are thrown away.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::super::{Content, Error, Result, ScriptError, quote};
use super::Sqlite;
use super::content::AUTOMATIC_KEY;
use super::errors::translate;
use super::reading;

impl Sqlite {
    /// The same target, whose queries without `ORDER BY` give their rows in another order. What leans on the order in
    /// which rows happen to be stored then shows. <https://www.sqlite.org/pragma.html#pragma_reverse_unordered_selects>
    pub fn reversed(mut self) -> Self {
        self.is_reversed = true;
        self
    }

    /// The same target, whose commits never wait for the disk: a crash of the machine may take all of it.
    pub fn throwaway(mut self) -> Self {
        self.is_throwaway = true;
        self
    }

    /// Runs a script of the operator's own, such as a dump, with all that SQLite allows in this file.
    pub fn restore(&self, script: &str) -> std::result::Result<(), ScriptError> {
        let mut connection = self.plain().map_err(|error| ScriptError {
            line: 1,
            statement: String::new(),
            error,
        })?;
        let leaves = Arc::new(AtomicBool::new(false));
        let staying = staying(Arc::clone(&leaves));
        let confined = connection.authorizer(Some(staying));
        confined.map_err(|error| ScriptError::of_none(translate(error)))?;
        for piece in reading::split(script)? {
            let text = script.get(piece.text).unwrap_or_default();
            run_all(&connection, text).map_err(|error| {
                let error = match leaves.load(Ordering::Relaxed) {
                    true => Error::not_permitted(
                        "such a script fills the throw-away database alone: it attaches no other file and writes none (ATTACH, \
                         VACUUM INTO)",
                    ),
                    false => translate(error),
                };
                ScriptError::at(script, piece.at, error)
            })?;
        }
        Ok(())
    }

    /// Deletes all rows of some tables, and lets their keys begin anew.
    pub fn clear(&self, content: &Content) -> std::result::Result<(), ScriptError> {
        // Foreign keys are not enforced here, so that the order does not matter.
        let deletes = content.tables.keys();
        let mut script: String = deletes
            .map(|name| format!("DELETE FROM {};\n", quote(name)))
            .collect();
        let mut sequences = content.sequences.keys();
        if sequences.any(|name| name.starts_with(AUTOMATIC_KEY)) {
            script.push_str(
                "DELETE FROM sqlite_sequence WHERE name NOT LIKE 'wasmigrate\\_%' ESCAPE '\\';\n",
            );
        }
        self.restore(&script)
    }

    /// The statements that make its tables and indexes, without the host's own.
    pub fn definitions(&self) -> Result<Vec<String>> {
        let query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('table', 'index')
                     AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'wasmigrate\\_%' ESCAPE '\\'
                     ORDER BY type = 'index', rowid";
        let connection = self.plain()?;
        let mut statement = connection.prepare(query).map_err(translate)?;
        let rows = statement
            .query_map([], |row| row.get(0))
            .map_err(translate)?;
        rows.collect::<rusqlite::Result<_>>().map_err(translate)
    }

    /// Copies the whole content, as one state of it, into a new file.
    pub fn copy_to(&self, path: &Path) -> Result<()> {
        let connection = self.plain()?;
        connection
            .execute("VACUUM INTO ?1", [path.display().to_string()])
            .map(|_| ())
            .map_err(translate)
    }

    /// Copies the file byte by byte. Nobody else may use it meanwhile.
    pub fn clone_to(&self, path: &Path) -> Result<()> {
        if !self.path.exists() {
            // An empty database is one that nobody has written to yet.
            return Ok(());
        }
        if self.wal().exists() {
            self.plain()?
                .pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))
                .map_err(translate)?;
        }
        std::fs::copy(&self.path, path)
            .map(|_| ())
            .map_err(|error| {
                Error::new(
                    super::ErrorKind::Unavailable,
                    format!("cannot copy {}: {error}", self.name),
                )
            })
    }

    fn wal(&self) -> std::path::PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push("-wal");
        name.into()
    }

    pub(super) fn plain(&self) -> Result<Connection> {
        let opened = Connection::open(&self.path).and_then(|connection| {
            if self.is_throwaway {
                connection.pragma_update(None, "synchronous", "OFF")?;
            }
            Ok(connection)
        });
        opened.map_err(|error| {
            let translated = translate(error);
            Error {
                message: format!("cannot open {}: {}", self.name, translated.message),
                ..translated
            }
        })
    }
}

/// What keeps a script in its file, and takes note when it would have left it. VACUUM attaches a file without a name.
fn staying(leaves: Arc<AtomicBool>) -> impl FnMut(AuthContext<'_>) -> Authorization + Send {
    move |context| match context.action {
        AuthAction::Attach { filename } if !filename.is_empty() => {
            leaves.store(true, Ordering::Relaxed);
            Authorization::Deny
        }
        _ => Authorization::Allow,
    }
}

fn run_all(connection: &Connection, text: &str) -> rusqlite::Result<()> {
    let mut statements = rusqlite::Batch::new(connection, text);
    while let Some(mut statement) = statements.next()? {
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
    }
    Ok(())
}
