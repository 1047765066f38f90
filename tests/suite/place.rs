//! A place to try the binary in: a directory with steps and a cache of its own, and a database.
//!
//! `WASMIGRATE_TEST_ON` says on which database the suite runs. What a test says in SQL either means the same on each, or
//! is given for each ([`Place::in_sql_of`]); tests of what only one of them has stand in modules named after it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use tempfile::TempDir;
use wasmigrate_test_server::Cluster;

use crate::application::{self, Application, Kind};

/// A directory with everything that a run needs.
pub struct Place {
    directory: TempDir,
    cache: PathBuf,
    variables: Vec<(String, String)>,
    /// A connection to a server that only reads, and stays open: a new one costs the server as much as a small test.
    reader: Mutex<Option<Application>>,
    /// On a server, the database of this place.
    server: Option<application::Database>,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// An empty database, no steps. Compiled components are shared between places, as they are between a user's projects.
    pub fn new() -> Self {
        Self::with_database(match application::kind() {
            Kind::Sqlite => None,
            Kind::Postgres => Some(application::Database::create()),
        })
    }

    /// The same on a server of the test's own.
    pub fn on(cluster: &Cluster) -> Self {
        Self::with_database(Some(application::Database::create_on(cluster)))
    }

    fn with_database(server: Option<application::Database>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("migrations")).unwrap();
        Self {
            directory,
            cache: built().join("test-cache"),
            variables: Vec::new(),
            reader: Mutex::default(),
            server,
        }
    }

    /// The SQL that means the same on each database.
    pub fn in_sql_of<'s>(sqlite: &'s str, postgres: &'s str) -> &'s str {
        match application::kind() {
            Kind::Sqlite => sqlite,
            Kind::Postgres => postgres,
        }
    }

    /// The same with a cache that nobody else uses.
    pub fn with_own_cache(mut self) -> Self {
        self.cache = self.path().join("cache");
        self
    }

    /// Sets a variable for every command.
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a step made of SQL.
    pub fn with_sql(self, file_name: &str, sql: &str) -> Self {
        self.write_step(file_name, sql.as_bytes());
        self
    }

    /// Puts one of the components that `cargo xtask test` built among the steps.
    pub fn with_guest(self, file_name: &str, guest: &str) -> Self {
        let component = std::fs::read(built_guest(guest)).unwrap();
        self.write_step(file_name, &component);
        self
    }

    /// Runs SQL on the database, as the application would.
    pub fn with_data(self, sql: &str) -> Self {
        self.connect().run(sql);
        self
    }

    /// Puts the example steps among the steps.
    pub fn with_examples(self) -> Self {
        copy_files(
            &given("WASMIGRATE_EXAMPLES"),
            &self.path().join("migrations"),
        );
        self
    }

    /// Begins with the database that the example steps are written for.
    pub fn with_legacy_data(self) -> Self {
        match &self.server {
            None => {
                std::fs::copy(given("WASMIGRATE_LEGACY"), self.database()).unwrap();
            }
            Some(_) => self.connect().copy_from_sqlite(&given("WASMIGRATE_LEGACY")),
        }
        self
    }

    /// Another place that is the same in all.
    pub fn copy(&self) -> Self {
        // Nobody may be connected to what is copied.
        self.reader().take();
        let copy = Self {
            variables: self.variables.clone(),
            ..Self::with_database(self.server.as_ref().map(application::Database::copy))
        };
        copy_files(self.path(), copy.path());
        copy_files(
            &self.path().join("migrations"),
            &copy.path().join("migrations"),
        );
        if self.has_own_cache() {
            copy.with_own_cache()
        } else {
            copy
        }
    }

    pub fn has_own_cache(&self) -> bool {
        self.cache.starts_with(self.path())
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn database(&self) -> PathBuf {
        self.path().join("wasmigrate.db")
    }

    pub fn step(&self, file_name: &str) -> PathBuf {
        self.path().join("migrations").join(file_name)
    }

    pub fn write_step(&self, file_name: &str, bytes: &[u8]) {
        std::fs::write(self.step(file_name), bytes).unwrap();
    }

    /// A connection of the application.
    pub fn connect(&self) -> Application {
        match &self.server {
            None => Application::open_file(&self.database()),
            Some(server) => server.connect(),
        }
    }

    /// On a server, a connection of its superuser.
    pub fn connect_as_superuser(&self) -> Application {
        match &self.server {
            None => panic!("a file has no superuser"),
            Some(server) => server.connect_as_superuser(),
        }
    }

    /// On a server, the URL of the database.
    pub fn url(&self) -> String {
        match &self.server {
            None => format!("sqlite:{}", self.database().display()),
            Some(server) => server.url(),
        }
    }

    /// On a server, the name of the database.
    pub fn server_database(&self) -> &str {
        self.server
            .as_ref()
            .expect("this place is on a server")
            .name()
    }

    /// The first cell of the first row.
    #[track_caller]
    pub fn one<T: std::str::FromStr>(&self, query: &str) -> T {
        let text = self.texts(query).into_iter().next();
        let text = text.unwrap_or_else(|| panic!("{query}: no row"));
        text.parse().unwrap_or_else(|_| panic!("{query}: {text}"))
    }

    /// The first cell of each row, as text.
    #[track_caller]
    pub fn texts(&self, query: &str) -> Vec<String> {
        self.read(|application| application.texts(query))
    }

    /// Whether there is such a table.
    pub fn has_table(&self, name: &str) -> bool {
        self.read(|application| application.has_table(name))
    }

    /// Demands that the database finds nothing wrong with itself.
    #[track_caller]
    pub fn is_whole(&self) {
        self.read(Application::is_whole);
    }

    /// Reads on a connection that stays open for the next time, where that saves the server work.
    #[track_caller]
    fn read<T>(&self, read: impl FnOnce(&mut Application) -> T) -> T {
        let kept = self.reader().take();
        let mut application = kept
            .and_then(|mut kept| kept.is_open().then_some(kept))
            .unwrap_or_else(|| self.connect());
        let found = read(&mut application);
        if self.server.is_some() {
            *self.reader() = Some(application);
        }
        found
    }

    fn reader(&self) -> std::sync::MutexGuard<'_, Option<Application>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody has written anything yet, not even the host.
    pub fn is_untouched(&self) -> bool {
        match &self.server {
            None => !self.database().exists(),
            Some(_) => self.everything().is_empty(),
        }
    }

    /// All that is stored, of the host, too. It differs when anything at all was written.
    pub fn everything(&self) -> Vec<u8> {
        match &self.server {
            None => std::fs::read(self.database()).unwrap(),
            Some(_) => self.read(Application::versions_of_rows).into_bytes(),
        }
    }

    /// All that the application owns: schema and rows of every table but the journal's, as text.
    pub fn content(&self) -> String {
        self.read(Application::content)
    }

    /// A command that is about to run here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        self.prepare(&mut command, arguments);
        command
    }

    /// A command that runs under `strace` with the given options, to be killed at a certain system call.
    pub fn command_under_strace(&self, options: &[&str], arguments: &[&str]) -> Command {
        let mut command = Command::new("strace");
        command.args(options).arg(binary());
        self.prepare(&mut command, arguments);
        command
    }

    fn prepare(&self, command: &mut Command, arguments: &[&str]) {
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("WASMIGRATE_CACHE", &self.cache)
            .envs(match &self.server {
                Some(server) => [
                    ("WASMIGRATE_DATABASE", server.url()),
                    ("WASMIGRATE_CREATE", "false".to_owned()),
                ],
                None => [
                    ("DATABASE_URL", "sqlite:wasmigrate.db".to_owned()),
                    ("WASMIGRATE_CREATE", "true".to_owned()),
                ],
            })
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::from(self.command(arguments).output().unwrap())
    }

    /// Starts a command, with its output piped.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    /// Demands an exit status.
    #[track_caller]
    pub fn ends_with(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{self:#?}");
        self
    }

    /// Demands a text in what was said, on either stream.
    #[track_caller]
    pub fn and_says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "`{text}` is not in {self:#?}"
        );
        self
    }

    /// The last line of standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// The directory that cargo builds into, with this profile.
pub fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test_binary = std::env::current_exe().unwrap();
        test_binary.ancestors().nth(2).unwrap().to_owned()
    })
}

pub fn binary() -> PathBuf {
    let binary = built().join("wasmigrate");
    assert!(
        binary.exists(),
        "{} is missing: run `cargo xtask test`",
        binary.display()
    );
    binary
}

/// A component that `cargo xtask test` built, by the name of its crate.
pub fn built_guest(name: &str) -> PathBuf {
    given("WASMIGRATE_GUESTS").join(format!("{name}.wasm"))
}

/// A path that `cargo xtask test` passes to the tests.
pub fn given(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => panic!("{variable} is not set: run `cargo xtask test`"),
    }
}

/// Copies the files of a directory, but not what is in directories of its own.
fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
