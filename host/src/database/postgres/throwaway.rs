//! What makes databases on a server, fills one, and drops them again: for databases that are thrown away.

use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::super::{
    Access, Authority, Batch, Cell, ColumnBuilder, ColumnForm, Content, Durability, Error, Result,
    ScriptError, Session, Stop, quote, texts,
};
use super::address::Address;
use super::connection::Connection;
use super::content::full_name;
use super::errors::NO_PRIVILEGE;
use super::lexer::{self, Rules};
use super::patience::Patience;
use super::pipeline;
use super::pool::{Postgres, PostgresOptions, Shared};
use super::state::PostgresSession;
use super::statements::{self, Piece};
use super::triggers_off::{self, On};
use super::verify;

/// Databases of this pattern that the role may drop, to which nobody is connected, and of whose beginning nobody says that it is
/// in use.
const STALE: &str = "
    SELECT datname::pg_catalog.text FROM pg_catalog.pg_database AS stale
    WHERE datname::pg_catalog.text OPERATOR(pg_catalog.~) $1::pg_catalog.text
    AND pg_catalog.pg_has_role(datdba, 'USAGE') AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_stat_activity AS session
        WHERE pg_catalog.left(stale.datname::pg_catalog.text, $2::pg_catalog.text::pg_catalog.int4) IN (
            session.application_name, pg_catalog.left(session.datname::pg_catalog.text, $2::pg_catalog.text::pg_catalog.int4)))";

/// All that is done outside of a transaction that is looked at: nothing of it runs what a step or a fixture has made. Names of
/// databases are identifiers in quotes, or need none.
enum Administration<'a> {
    CreateDatabase {
        name: &'a str,
        template: &'a str,
        copies_files: bool,
    },
    DropDatabase(&'a str),
    /// The same, whoever is connected to it.
    DropUsedDatabase(&'a str),
    /// In a database in which there is nothing yet; the name as it is.
    CreateSchema(&'a str),
    /// Lets all who connect find and make their tables there; both names as they are.
    LiveIn {
        database: &'a str,
        schema: &'a str,
    },
    AskWhetherFilesAreCopiedQuickly,
    AskWhetherSuperuser,
    /// Lets the role that stands for the owner of a database make schemas in this one; the name as it is.
    LetOwnerIn(&'a str),
}

impl Administration<'_> {
    fn statement(&self) -> String {
        match self {
            Self::CreateDatabase {
                name,
                template,
                copies_files,
            } => {
                let strategy = match copies_files {
                    true => " STRATEGY file_copy",
                    false => "",
                };
                format!("CREATE DATABASE {name} TEMPLATE {template}{strategy}")
            }
            Self::DropDatabase(name) => format!("DROP DATABASE IF EXISTS {name}"),
            Self::DropUsedDatabase(name) => format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            Self::CreateSchema(name) => format!("CREATE SCHEMA {}", quote(name)),
            Self::LiveIn { database, schema } => format!(
                "ALTER DATABASE {} SET search_path TO {}, public",
                quote(database),
                quote(schema)
            ),
            Self::AskWhetherFilesAreCopiedQuickly => "SELECT pg_catalog.current_setting('fsync') OPERATOR(pg_catalog.=) 'off'
                AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 150000"
                .to_owned(),
            // The role came with version 14.
            Self::AskWhetherSuperuser => "SELECT pg_catalog.current_setting('is_superuser') OPERATOR(pg_catalog.=) 'on'
                AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 140000"
                .to_owned(),
            Self::LetOwnerIn(database) => format!(
                "GRANT CREATE, TEMPORARY ON DATABASE {} TO {OWNER}",
                quote(database)
            ),
        }
    }
}

/// Stands for the owner of whatever database it is in, and is no superuser.
/// <https://www.postgresql.org/docs/current/predefined-roles.html>
const OWNER: &str = "pg_database_owner";

/// Says as long as it lives that databases are in use.
pub struct Keeper {
    _connection: Mutex<Connection>,
}

impl Postgres {
    /// Another database of the same server, reached the same way.
    pub fn sibling(&self, database: &str) -> Self {
        let mut address = self.0.address.clone();
        database.clone_into(&mut address.database);
        self.at(address)
    }

    /// What is at another address, with connections of its own.
    pub(super) fn at(&self, address: Address) -> Self {
        self.with(address, self.0.options.clone())
    }

    fn with(&self, address: Address, options: PostgresOptions) -> Self {
        Self(Arc::new(Shared {
            name: address.to_string(),
            address,
            options,
            limits: self.0.limits,
            target: Mutex::default(),
            trusted: Mutex::default(),
            idle: Mutex::default(),
            escapes_in_strings: AtomicBool::default(),
        }))
    }

    /// Makes a database on the same server: an empty one, or a copy of another one, to which nobody may be connected.
    pub fn create_sibling(&self, name: &str, template: Option<&str>) -> Result<Self> {
        self.administer(&Administration::CreateDatabase {
            name,
            template: template.unwrap_or("template0"),
            copies_files: self.copies_files_quickly()?,
        })?;
        Ok(self.sibling(name))
    }

    /// Makes a schema in this database, in which all who connect to it from now on find and make their tables.
    pub fn live_in(&self, schema: &str) -> Result<()> {
        self.administer(&Administration::CreateSchema(schema))?;
        self.administer(&Administration::LiveIn {
            database: &self.0.address.database,
            schema,
        })?;
        self.disconnect();
        Ok(())
    }

    /// A connection that says for as long as it is open that databases whose names begin so are in use; others that were made by
    /// a process which does not run any more, and to which nobody is connected, are dropped as far as the role may: those whose
    /// names match the pattern, and have beginnings of the same length.
    pub fn keep_siblings(&self, beginning: &str, pattern: &str) -> Result<Keeper> {
        let patience = Patience::new(&self.0.name, self.0.limits.deadline, &Stop::default());
        let mut connection = self.connect(&patience)?;
        let name = "SELECT pg_catalog.set_config('application_name', $1, false)";
        let cell = Cell::Text(beginning);
        pipeline::ask_in_full_names(&mut connection, name, &[cell], &patience)?;
        let length = i64::try_from(beginning.len())
            .unwrap_or_default()
            .to_string();
        let parameters = [Cell::Text(pattern), Cell::Text(&length)];
        let stale = pipeline::ask_in_full_names(&mut connection, STALE, &parameters, &patience)?;
        for name in stale.into_iter().flatten().flatten() {
            // Somebody else may have done it, or may have connected meanwhile.
            let _ = self.administer(&Administration::DropDatabase(&quote(&name)));
        }
        Ok(Keeper {
            _connection: Mutex::new(connection),
        })
    }

    /// Drops a database of the same server, whoever is connected to it.
    pub fn drop_sibling(&self, name: &str) -> Result<()> {
        let dropped = match self.administer(&Administration::DropUsedDatabase(name)) {
            // Autovacuum is at work in it: an ordinary role may not end that by FORCE, but a plain DROP has the server end it.
            Err(error) if error.code == NO_PRIVILEGE => {
                self.administer(&Administration::DropDatabase(name))
            }
            dropped => dropped,
        };
        dropped.map(|_| ())
    }

    /// Whether the server copies the files of a database faster than its pages: it does where it never waits for the disk,
    /// because the two checkpoints around the copy then cost nothing.
    /// <https://www.postgresql.org/docs/current/sql-createdatabase.html#CREATE-DATABASE-STRATEGY>
    fn copies_files_quickly(&self) -> Result<bool> {
        self.is_so(&Administration::AskWhetherFilesAreCopiedQuickly)
    }

    /// Whether the role of the connection is a superuser, and one that can be an owner who is none.
    pub fn is_superuser(&self) -> Result<bool> {
        self.is_so(&Administration::AskWhetherSuperuser)
    }

    /// Lets the role that stands for the owner of this database do in it what an owner may.
    pub fn let_owner_in(&self) -> Result<()> {
        let database = &self.0.address.database;
        self.administer(&Administration::LetOwnerIn(database))
            .map(|_| ())
    }

    /// The same database, in which steps work as its owner and not as a superuser.
    pub fn as_owner(&self) -> Self {
        let options = PostgresOptions {
            role: Some(OWNER.to_owned()),
            ..self.0.options.clone()
        };
        self.with(self.0.address.clone(), options)
    }

    fn is_so(&self, question: &Administration<'_>) -> Result<bool> {
        let rows = self.administer(question)?;
        Ok(rows.into_iter().flatten().flatten().any(|cell| cell == "t"))
    }

    /// Runs one statement of the operator's own outside of any transaction.
    fn administer(&self, work: &Administration<'_>) -> Result<Vec<Vec<Option<String>>>> {
        // Copying a large database takes its time.
        let patience = Patience::new(&self.0.name, self.0.limits.deadline, &Stop::default());
        let mut connection = self.connect(&patience)?;
        let statement = work.statement();
        let rows = pipeline::ask_in_full_names(&mut connection, &statement, &[], &patience)?;
        self.give_back(connection);
        Ok(rows)
    }

    /// Closes the connections that nobody uses. Their processes have ended afterwards: a server that finds one in a database
    /// that is to be copied or dropped sleeps for 100 ms before it looks again.
    pub fn disconnect(&self) {
        let idle: Vec<_> = self.idle().drain(..).collect();
        for connection in idle {
            connection.close_and_wait();
        }
    }

    /// Deletes all rows of some tables, and lets their sequences begin anew. Triggers of the application do not run, and whatever runs
    /// nevertheless is looked at before the commit.
    pub async fn clear(&self, content: &Content) -> std::result::Result<(), ScriptError> {
        let tables = content.tables.keys();
        let names: Vec<String> = tables.map(|name| full_name(name)).collect();
        if names.is_empty() {
            return Ok(());
        }
        let truncate = format!("TRUNCATE {} RESTART IDENTITY;", names.join(", "));
        let statement = triggers_off::around(&names, On::Truncate, &truncate);
        let cleared = async {
            let mut opened = PostgresSession::open(self.clone(), Access::Write, &Stop::default())?;
            opened.begin_to_write(Durability::Deferred)?;
            let session: &mut dyn Session = &mut opened;
            session
                .execute(Authority::Application, &statement, &[])
                .await?;
            session.commit_throwaway().await
        };
        cleared.await.map_err(|error| ScriptError {
            line: 1,
            statement: statement.clone(),
            error,
        })
    }

    /// Runs a script of the operator's own in one transaction, such as a dump of `pg_dump`. What belongs to the whole server is
    /// not thrown away with the database, so that it is left alone.
    pub async fn restore(&self, script: &str) -> std::result::Result<(), ScriptError> {
        // What a dump sets for its session must not outlive it.
        let own = self.sibling(&self.0.address.database);
        let at_start = |error| ScriptError {
            line: 1,
            statement: String::new(),
            error,
        };
        let stop = Stop::default();
        let opened = PostgresSession::open(own.clone(), Access::Write, &stop);
        let mut session = opened.map_err(at_start)?;
        session
            .begin_to_write(Durability::Deferred)
            .map_err(at_start)?;
        let pieces =
            statements::split(script, Rules::default()).map_err(|mistake| mistake.of(script))?;
        for piece in pieces {
            restore_piece(&mut session, script, &piece)
                .await
                .map_err(|error| ScriptError::at(script, piece.at, error))?;
        }
        session.commit_script().await.map_err(at_start)?;
        drop(session);
        own.disconnect();
        Ok(())
    }
}

impl PostgresSession {
    /// Commits what a script of the operator's did, unless it changed what belongs to the whole server. What it has put off runs
    /// before that is looked at, and writes nothing after it.
    async fn commit_script(&mut self) -> Result<()> {
        self.bring_forward()?;
        let session: &mut dyn Session = self;
        let changed = session.rows(&verify::changed_on_server(), &[]).await?;
        if let Some(catalog) = texts(&changed).unwrap_or_default().first() {
            return Err(Error::not_permitted(format!(
                "such a script fills the throw-away database alone: this one changes what belongs to the whole server (`{catalog}`), \
                 as ALTER ROLE, ALTER DATABASE and GRANT of a role or on a database do"
            )));
        }
        self.commit_transaction()
    }
}

/// The words that end a transaction, after which nothing could be taken back.
const ENDING: [&str; 5] = ["abort", "commit", "end", "prepare", "rollback"];

async fn restore_piece(session: &mut dyn Session, script: &str, piece: &Piece) -> Result<()> {
    let text = |at: Range<usize>| script.get(at).unwrap_or_default();
    let first = lexer::Tokens::new(text(piece.at.clone()), Rules::default()).next();
    if first.is_some_and(|first| ENDING.iter().any(|word| first.is(word))) {
        return Err(Error::not_permitted(
            "such a script runs in one transaction of the host's, and cannot end it",
        ));
    }
    let Some(rows) = piece.rows.clone() else {
        return session
            .execute(Authority::Application, text(piece.sent.clone()), &[])
            .await
            .map(|_| ());
    };
    let (table, columns) = copied(text(piece.at.clone())).ok_or_else(|| {
        Error::invalid_argument("a COPY … FROM stdin must name its columns, as `pg_dump` writes it")
    })?;
    let rows: Vec<&str> = text(rows).lines().collect();
    session
        .load(&table, &columns, &batch(columns.len(), &rows)?)
        .await
        .map(|_| ())
}

/// The table and columns of a `COPY`.
fn copied(copy: &str) -> Option<(String, Vec<String>)> {
    let mut tokens = lexer::Tokens::new(copy, Rules::default());
    if !tokens.next()?.is("copy") {
        return None;
    }
    let mut table = tokens.next()?.name()?;
    let mut token = tokens.next()?;
    if token.is_symbol(".") {
        table = format!("{table}.{}", tokens.next()?.name()?);
        token = tokens.next()?;
    }
    let mut columns = Vec::new();
    if !token.is_symbol("(") {
        return None;
    }
    loop {
        let token = tokens.next()?;
        if token.is_symbol(")") {
            return Some((table, columns));
        }
        if !token.is_symbol(",") {
            columns.push(token.name()?);
        }
    }
}

/// Rows in the text form of COPY as a batch.
fn batch(width: usize, rows: &[&str]) -> Result<Batch> {
    let mut columns: Vec<ColumnBuilder> = (0..width)
        .map(|_| ColumnBuilder::of(Some(ColumnForm::Texts)))
        .collect();
    for row in rows {
        let cells: Vec<&str> = row.split('\t').collect();
        if cells.len() != width {
            return Err(Error::invalid_argument(format!(
                "a row has {} cells, but {width} columns are named",
                cells.len()
            )));
        }
        for (column, cell) in columns.iter_mut().zip(cells) {
            match cell {
                "\\N" => column.push(Cell::Null),
                cell => column.push(Cell::Text(&unescaped(cell))),
            }
        }
    }
    Ok(Batch {
        row_count: rows.len(),
        columns: columns.into_iter().map(ColumnBuilder::finish).collect(),
    })
}

/// <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.55.9.2>
fn unescaped(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut characters = cell.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('v') => text.push('\u{b}'),
            Some(other) => text.push(other),
            None => {}
        }
    }
    text
}
