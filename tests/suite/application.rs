//! The application's side of a place: its connection to the database, on each kind of it.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use postgres::{Client, NoTls, SimpleQueryMessage};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use wasmigrate_test_server::Cluster;

use crate::place::given;

/// How long a server may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// The databases that the suite runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// The database that this run of the suite is on.
pub fn kind() -> Kind {
    static KIND: OnceLock<Kind> = OnceLock::new();
    *KIND.get_or_init(|| match std::env::var("WASMIGRATE_TEST_ON").as_deref() {
        Err(_) | Ok("sqlite") => Kind::Sqlite,
        Ok("postgres") => Kind::Postgres,
        Ok(other) => panic!("WASMIGRATE_TEST_ON: `{other}` is neither sqlite nor postgres"),
    })
}

/// A row's cells as text.
pub type Row = Vec<Option<String>>;

/// A connection.
pub enum Application {
    Sqlite(Connection),
    Postgres(Box<Client>),
}

impl Application {
    pub fn open_file(path: &Path) -> Self {
        Self::Sqlite(Connection::open(path).unwrap())
    }

    pub fn open_url(url: &str) -> Self {
        let client = Client::connect(url, NoTls).unwrap_or_else(|error| panic!("{url}: {error}"));
        Self::Postgres(Box::new(client))
    }

    /// The same for one that looks into the journal by the names of its tables.
    fn that_sees_the_journal(url: &str) -> Self {
        let mut application = Self::open_url(url);
        application.run(
            "SELECT set_config('search_path', current_setting('search_path') || ', wasmigrate', false)",
        );
        application
    }

    /// Whether its server still answers.
    pub fn is_open(&mut self) -> bool {
        match self {
            Self::Sqlite(_) => true,
            Self::Postgres(client) => client.is_valid(PATIENCE).is_ok(),
        }
    }

    /// Runs statements, the first failure of which is told.
    pub fn try_run(&mut self, sql: &str) -> Result<(), String> {
        match self {
            Self::Sqlite(connection) => connection
                .execute_batch(sql)
                .map_err(|error| error.to_string()),
            Self::Postgres(client) => client
                .batch_execute(sql)
                .map_err(|error| format!("{error:?}")),
        }
    }

    /// Runs statements.
    #[track_caller]
    pub fn run(&mut self, sql: &str) {
        self.try_run(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Runs a statement; returns how many rows it changed.
    #[track_caller]
    pub fn change(&mut self, sql: &str) -> u64 {
        match self {
            Self::Sqlite(connection) => connection.execute(sql, []).unwrap() as u64,
            Self::Postgres(client) => client.execute(sql, &[]).unwrap(),
        }
    }

    /// The rows of a query.
    #[track_caller]
    pub fn rows(&mut self, query: &str) -> Vec<Row> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection
                    .prepare(query)
                    .unwrap_or_else(|error| panic!("{query}: {error}"));
                let width = statement.column_count();
                let mut rows = statement.query([]).unwrap();
                let mut all = Vec::new();
                while let Some(row) = rows.next().unwrap() {
                    all.push(
                        (0..width)
                            .map(|cell| text_of(row.get_ref(cell).unwrap()))
                            .collect(),
                    );
                }
                all
            }
            Self::Postgres(client) => {
                let messages = client
                    .simple_query(query)
                    .unwrap_or_else(|error| panic!("{query}: {error:?}"));
                messages
                    .iter()
                    .filter_map(|message| match message {
                        SimpleQueryMessage::Row(row) => Some(
                            (0..row.len())
                                .map(|cell| row.get(cell).map(str::to_owned))
                                .collect(),
                        ),
                        _ => None,
                    })
                    .collect()
            }
        }
    }

    /// The first cell of each row, as text.
    #[track_caller]
    pub fn texts(&mut self, query: &str) -> Vec<String> {
        let rows = self.rows(query).into_iter();
        rows.map(|row| row.into_iter().next().flatten().unwrap_or_default())
            .collect()
    }

    /// Whether there is such a table.
    pub fn has_table(&mut self, name: &str) -> bool {
        let tables = match self {
            Self::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'table'",
            Self::Postgres(_) => "SELECT relname FROM pg_class WHERE relkind = 'r'",
        };
        self.texts(tables).iter().any(|table| table == name)
    }

    /// Demands that the database finds nothing wrong with itself.
    #[track_caller]
    pub fn is_whole(&mut self) {
        if let Self::Sqlite(_) = self {
            assert_eq!(self.texts("PRAGMA integrity_check"), ["ok"]);
            let orphans = self.texts("SELECT \"table\" FROM pragma_foreign_key_check");
            assert!(orphans.is_empty(), "{orphans:?}");
            return;
        }
        let wrong = "SELECT conname FROM pg_constraint WHERE NOT convalidated
                     UNION ALL SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                     WHERE NOT (indisvalid AND indisready)";
        let wrong = self.texts(wrong);
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    /// Schema and rows of every table but the journal's, as text.
    pub fn content(&mut self) -> String {
        let (objects, tables) = match self {
            Self::Sqlite(_) => (
                "SELECT sql FROM sqlite_master
                 WHERE name NOT LIKE 'wasmigrate\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                 ORDER BY type, name",
                "SELECT name FROM sqlite_master WHERE upper(sql) LIKE 'CREATE TABLE%'
                 AND name NOT LIKE 'wasmigrate\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
            ),
            Self::Postgres(_) => (POSTGRES_OBJECTS, POSTGRES_TABLES),
        };
        let mut content = String::new();
        for row in self.rows(objects) {
            content.push_str(&format!(
                "{};\n",
                row.into_iter().flatten().collect::<Vec<_>>().join(" ")
            ));
        }
        for table in self.rows(tables).into_iter().flatten().flatten() {
            let mut rows: Vec<String> = self
                .rows(&format!("SELECT * FROM \"{table}\""))
                .iter()
                .map(|row| format!("{table}: {row:?}\n"))
                .collect();
            rows.sort();
            content.extend(rows);
        }
        content
    }

    /// Every row of a server's tables, the journal's among them, with the transaction that wrote it.
    pub fn versions_of_rows(&mut self) -> String {
        let mut versions = self.content();
        let tables = "SELECT relname FROM pg_class
                      WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1";
        for table in self.rows(tables).into_iter().flatten().flatten() {
            let rows = self.rows(&format!("SELECT ctid, xmin, * FROM \"{table}\""));
            versions.push_str(&format!("{table}: {rows:?}\n"));
        }
        versions
    }

    /// Copies the tables of a SQLite file, which are plain.
    pub fn copy_from_sqlite(&mut self, path: &Path) {
        let mut file = Self::open_file(path);
        let Self::Postgres(client) = self else {
            panic!("the copy goes to a server");
        };
        let tables =
            file.rows("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid");
        for table in tables {
            let [Some(name), Some(sql)] = <[Option<String>; 2]>::try_from(table).unwrap() else {
                panic!("a table without SQL");
            };
            client
                .batch_execute(&sql)
                .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            let mut copy = client
                .copy_in(&format!("COPY \"{name}\" FROM STDIN"))
                .unwrap();
            for row in file.rows(&format!("SELECT * FROM \"{name}\"")) {
                let cells: Vec<String> = row.into_iter().map(copy_text).collect();
                std::io::Write::write_all(&mut copy, format!("{}\n", cells.join("\t")).as_bytes())
                    .unwrap();
            }
            copy.finish().unwrap();
        }
    }
}

/// A cell in the text form of COPY.
fn copy_text(cell: Option<String>) -> String {
    match cell {
        None => "\\N".to_owned(),
        Some(text) => text
            .replace('\\', "\\\\")
            .replace('\t', "\\t")
            .replace('\n', "\\n")
            .replace('\r', "\\r"),
    }
}

fn text_of(value: ValueRef<'_>) -> Option<String> {
    Some(match value {
        ValueRef::Null => return None,
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => value.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("{bytes:02x?}"),
    })
}

const POSTGRES_TABLES: &str = "SELECT relname FROM pg_class
    WHERE relkind IN ('r', 'S') AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'wasmigrate\\_%' ORDER BY 1";

const POSTGRES_OBJECTS: &str = "SELECT * FROM (
    SELECT 'relation', relkind::text, relname::text, '' FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'wasmigrate\\_%'
    UNION ALL
    SELECT 'column', relname, attnum::text, concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull,
            attidentity, attgenerated, pg_get_expr(adbin, adrelid))
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm') AND attnum > 0 AND NOT attisdropped
        AND relname NOT LIKE 'wasmigrate\\_%'
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) || convalidated FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE 'wasmigrate\\_%'
    UNION ALL
    SELECT 'index', indrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid::text FROM pg_index
        JOIN pg_class ON pg_class.oid = indrelid
        WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'wasmigrate\\_%'
    UNION ALL
    SELECT 'trigger', tgrelid::regclass::text, tgname::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'routine', proname::text, pg_get_function_identity_arguments(oid), md5(prosrc) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'type', typname::text, typtype::text, '' FROM pg_type
        WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
) AS object ORDER BY 1, 2, 3, 4";

/// A database of its own on the suite's server, where it is dropped with this, or on one that is the test's own.
pub struct Database {
    /// Host and port of the server.
    address: String,
    is_on_the_suites_server: bool,
    name: String,
}

impl Database {
    /// An empty one, which belongs to the ordinary role `app`.
    pub fn create() -> Self {
        Self::create_from(empty_template(), &suites_address(), true)
    }

    /// The same on another server.
    pub fn create_on(cluster: &Cluster) -> Self {
        let address = format!("127.0.0.1:{}", cluster.port());
        let database = Self::create_from("template0", &address, false);
        superuser_at(&address, &database.name).run(GIVE_SCHEMA);
        database
    }

    /// Another one with the same content. Nobody may be connected to the first.
    pub fn copy(&self) -> Self {
        Self::create_from(&self.name, &self.address, self.is_on_the_suites_server)
    }

    fn create_from(template: &str, address: &str, is_on_the_suites_server: bool) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let database = Self {
            address: address.to_owned(),
            is_on_the_suites_server,
            name: format!("place_{}_{number}", std::process::id()),
        };
        // Files are copied faster than pages where nobody waits for the disk. Versions before 15 know no other way.
        let strategy = match server_version() {
            15.. => " STRATEGY file_copy",
            _ => "",
        };
        let create = format!(
            "CREATE DATABASE {} OWNER app TEMPLATE {template}{strategy}",
            database.name
        );
        administer(address, &create).unwrap_or_else(|error| panic!("{create}: {error}"));
        database
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn url(&self) -> String {
        url("app", &self.address, &self.name)
    }

    /// A connection of the application, which owns the database.
    pub fn connect(&self) -> Application {
        Application::that_sees_the_journal(&self.url())
    }

    /// A connection of the server's superuser.
    pub fn connect_as_superuser(&self) -> Application {
        superuser_at(&self.address, &self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !self.is_on_the_suites_server {
            // It goes with its server.
            return;
        }
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        if let Err(error) = administer(&self.address, &drop) {
            println!("{error}");
        }
    }
}

/// Lets the role `app` do in a database what its owner could before PostgreSQL 15.
const GIVE_SCHEMA: &str = "ALTER SCHEMA public OWNER TO app";

/// The database on the suite's server that empty ones are copies of. Another run of the suite may have made it.
fn empty_template() -> &'static str {
    const NAME: &str = "place_template";
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut superuser = superuser("postgres");
        superuser.run("SELECT pg_advisory_lock(hashtext('place_template'))");
        let known = format!("SELECT 1 FROM pg_database WHERE datname = '{NAME}'");
        if superuser.rows(&known).is_empty() {
            superuser.run(&format!(
                "CREATE DATABASE {NAME} OWNER app TEMPLATE template0"
            ));
        }
        superuser_at(&suites_address(), NAME).run(GIVE_SCHEMA);
    });
    NAME
}

/// Runs a statement of a server's superuser. Connections to the suite's server stay open: a new one costs as much as a small
/// test.
fn administer(address: &str, statement: &str) -> Result<(), String> {
    static IDLE: Mutex<Vec<Application>> = Mutex::new(Vec::new());
    if address != suites_address() {
        return superuser_at(address, "postgres").try_run(statement);
    }
    let idle = IDLE.lock().unwrap().pop();
    let mut superuser = idle.unwrap_or_else(|| superuser("postgres"));
    let done = superuser.try_run(statement);
    IDLE.lock().unwrap().push(superuser);
    done
}

/// The major version of the suite's server.
pub fn server_version() -> u32 {
    static VERSION: OnceLock<u32> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let number = superuser("postgres").texts("SELECT current_setting('server_version_num')");
        number[0].parse::<u32>().unwrap() / 10_000
    })
}

/// A connection of the superuser of the suite's server.
pub fn superuser(database: &str) -> Application {
    superuser_at(&suites_address(), database)
}

fn superuser_at(address: &str, database: &str) -> Application {
    Application::that_sees_the_journal(&url("postgres", address, database))
}

fn url(user: &str, address: &str, database: &str) -> String {
    format!("postgres://{user}@{address}/{database}")
}

/// The URL of the suite's server, for a role that may make databases.
pub fn server_url() -> String {
    url("app", &suites_address(), "postgres")
}

/// The name of the database that this run of the suite is on.
pub fn kind_name() -> &'static str {
    match kind() {
        Kind::Sqlite => "sqlite",
        Kind::Postgres => "postgres",
    }
}

/// Host and port of the server that `cargo xtask test` started.
fn suites_address() -> String {
    let given = given("WASMIGRATE_TEST_POSTGRES");
    let given = given.to_str().unwrap();
    let (_, address) = given.split_once('@').unwrap();
    let (address, _) = address.split_once('/').unwrap();
    address.to_owned()
}
