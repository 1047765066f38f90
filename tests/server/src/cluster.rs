//! A PostgreSQL cluster.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::{as_user, directory, free_port};

/// How long a server may take to start, recovery included.
const START: Duration = Duration::from_secs(60);

/// The variable that names the data of a stopped server, of which new ones take a copy: making them takes seconds.
pub const TEMPLATE: &str = "WASMIGRATE_TEST_CLUSTER";

/// What lets a server leave commits that nobody waits for in its memory.
const FORGETFUL: [&str; 2] = ["wal_writer_delay=10s", "wal_writer_flush_after=1GB"];

/// What the server does about the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// What a fresh installation does.
    Default,
    /// It never waits for the disk: its process may be killed, the machine must not.
    None,
}

/// A running server, with the superuser `postgres` and the ordinary role `app`, both trusted on loopback.
pub struct Cluster {
    directory: TempDir,
    binaries: PathBuf,
    port: u16,
    durability: Durability,
    /// Further settings of its server.
    settings: &'static [&'static str],
    process: Option<Child>,
}

impl Cluster {
    /// Makes a cluster and starts its server.
    pub fn start(durability: Durability) -> Result<Self> {
        Self::start_with(durability, &[])
    }

    /// The same, but for a server that leaves commits that nobody waits for in its memory, so that they go when it is killed.
    pub fn start_forgetful() -> Result<Self> {
        Self::start_with(Durability::None, &FORGETFUL)
    }

    fn start_with(durability: Durability, settings: &'static [&'static str]) -> Result<Self> {
        let mut cluster = Self {
            directory: directory(durability)?,
            binaries: binaries()?,
            port: free_port()?,
            durability,
            settings,
            process: None,
        };
        match std::env::var_os(TEMPLATE) {
            Some(template) => {
                cluster.copy(Path::new(&template))?;
                cluster.start_again()?;
            }
            None => {
                cluster.make()?;
                cluster.start_again()?;
                cluster.run_sql("postgres", "CREATE ROLE app LOGIN CREATEDB")?;
            }
        }
        Ok(cluster)
    }

    fn make(&self) -> Result<()> {
        let made = as_user(&self.binaries.join("initdb"))
            .arg("--pgdata")
            .arg(self.data())
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ])
            .output()
            .context("cannot run initdb")?;
        ensure!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        Ok(())
    }

    fn copy(&self, template: &Path) -> Result<()> {
        let copied = Command::new("cp")
            .arg("--archive")
            .arg(template)
            .arg(self.data())
            .output()
            .context("cannot run cp")?;
        ensure!(
            copied.status.success(),
            "cp: {}",
            String::from_utf8_lossy(&copied.stderr)
        );
        Ok(())
    }

    /// The directory of its data, of which there may be copies while it is stopped.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A server that follows this one by streaming replication, and applies each change only after `delay`.
    pub fn follow(&self, delay: Duration) -> Result<Self> {
        let directory = directory(self.durability)?;
        let copied = as_user(&self.binaries.join("pg_basebackup"))
            .args(["--dbname", &self.url("postgres", "postgres")])
            .arg("--pgdata")
            .arg(directory.path().join("data"))
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
            .output()
            .context("cannot run pg_basebackup")?;
        ensure!(
            copied.status.success(),
            "pg_basebackup: {}",
            String::from_utf8_lossy(&copied.stderr)
        );
        let settings = directory.path().join("data/postgresql.auto.conf");
        let mut text = std::fs::read_to_string(&settings)?;
        text.push_str(&format!(
            "recovery_min_apply_delay = {}\n",
            delay.as_millis()
        ));
        std::fs::write(&settings, text)?;
        let mut follower = Self {
            directory,
            binaries: self.binaries.clone(),
            port: free_port()?,
            durability: self.durability,
            settings: &[],
            process: None,
        };
        follower.start_again()?;
        Ok(follower)
    }

    /// Starts the server after it was stopped or killed.
    pub fn start_again(&mut self) -> Result<()> {
        let mut settings = vec![
            format!("port={}", self.port),
            format!(
                "unix_socket_directories={}",
                self.directory.path().display()
            ),
            "listen_addresses=127.0.0.1".to_owned(),
            "max_connections=200".to_owned(),
            "max_prepared_transactions=2".to_owned(),
        ];
        if self.durability == Durability::None {
            // Not `full_page_writes=off`, too: a process that is killed may have written half a page.
            settings.push("fsync=off".to_owned());
            // Each process of the server touches what it needs of this memory, and a checkpoint looks through all of it.
            settings.push("shared_buffers=32MB".to_owned());
            // Otherwise each process loads it at its first `DO` block.
            settings.push("shared_preload_libraries=plpgsql".to_owned());
        }
        settings.extend(self.settings.iter().map(|setting| (*setting).to_owned()));
        let mut command = as_user(&self.binaries.join("postgres"));
        command.arg("-D").arg(self.data());
        for setting in settings {
            command.arg("-c").arg(setting);
        }
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.directory.path().join("log"))?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.process = Some(command.spawn().context("cannot start postgres")?);
        let give_up = Instant::now() + START;
        while !self.is_ready() {
            if let Some(status) = self
                .process
                .as_mut()
                .map(Child::try_wait)
                .transpose()?
                .flatten()
            {
                bail!("postgres ended with {status}: {}", self.log());
            }
            ensure!(
                Instant::now() < give_up,
                "postgres does not start: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Whether it says itself that it takes connections, as `pg_ctl` asks it: in the eighth line of the file whose first is the
    /// number of its process. One that was killed has left the file behind.
    fn is_ready(&self) -> bool {
        let number = self
            .process
            .as_ref()
            .map(|process| process.id().to_string());
        let told = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = told.lines().map(str::trim);
        lines.next() == number.as_deref() && lines.nth(6) == Some("ready")
    }

    /// Kills the server as a failing machine would: all of its processes at once.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        // A child that it had between the look and its end would keep the memory that the next server needs.
        if let Some(pid) = i32::try_from(process.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            rustix::process::kill_process(pid, rustix::process::Signal::STOP)?;
        }
        let children = children(process.id());
        for child in &children {
            // One that has ended meanwhile is as good.
            let _ = rustix::process::kill_process(*child, rustix::process::Signal::KILL);
        }
        process.kill()?;
        process.wait()?;
        // As long as one has not gone yet, the next server would not start.
        let give_up = Instant::now() + START;
        while children.iter().any(|child| is_alive(*child)) {
            ensure!(
                Instant::now() < give_up,
                "a process of the killed server does not end"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Lets none of the server's processes do anything more. The system goes on taking connections for it.
    pub fn freeze(&self) -> Result<()> {
        self.signal_all(rustix::process::Signal::STOP)
    }

    /// Lets all of them go on.
    pub fn thaw(&self) -> Result<()> {
        self.signal_all(rustix::process::Signal::CONT)
    }

    fn signal_all(&self, signal: rustix::process::Signal) -> Result<()> {
        let process = self.process.as_ref().context("the server does not run")?;
        let postmaster = i32::try_from(process.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .context("its process has no number")?;
        rustix::process::kill_process(postmaster, signal)?;
        for child in children(process.id()) {
            // One that has ended meanwhile is as good.
            let _ = rustix::process::kill_process(child, signal);
        }
        Ok(())
    }

    /// Stops the server without waiting for its clients.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        // SIGINT is a "fast" shutdown: https://www.postgresql.org/docs/current/server-shutdown.html
        if let Some(pid) = i32::try_from(process.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
        }
        process.wait()?;
        Ok(())
    }

    /// The port of loopback on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its directory of sockets and files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the programs of this version of PostgreSQL are.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// The URL of a database, for a user.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL with psql, as the superuser.
    pub fn run_sql(&self, database: &str, sql: &str) -> Result<()> {
        let output = Command::new(self.binaries.join("psql"))
            .args([
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                &self.url("postgres", database),
                "-c",
                sql,
            ])
            .output()
            .context("cannot run psql")?;
        ensure!(
            output.status.success(),
            "psql: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Whatever goes wrong here, the directory is removed.
        let _ = self.stop();
    }
}

/// Whether a process still has its memory: in field 3 of `/proc/PID/stat` (proc(5)), `Z` is one that has none left.
fn is_alive(process: rustix::process::Pid) -> bool {
    let path = format!("/proc/{}/stat", process.as_raw_nonzero());
    let stat = std::fs::read_to_string(path).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, fields)| !fields.trim_start().starts_with(['Z', 'X']))
}

/// The processes that a process has started: field 4 of `/proc/PID/stat` (proc(5)) is the parent's.
fn children(parent: u32) -> Vec<rustix::process::Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let (_, fields) = stat.rsplit_once(')')?;
            let its_parent: u32 = fields.split_ascii_whitespace().nth(1)?.parse().ok()?;
            (its_parent == parent)
                .then(|| rustix::process::Pid::from_raw(pid))
                .flatten()
        })
        .collect()
}

/// The programs of the newest PostgreSQL that is installed.
pub fn binaries() -> Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, path)| path.join("postgres").exists())
        .collect();
    found.sort();
    if let Some((_, path)) = found.pop() {
        return Ok(path);
    }
    let output = Command::new("pg_config").arg("--bindir").output();
    let path = output
        .ok()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    match path
        .map(PathBuf::from)
        .filter(|path| path.join("postgres").exists())
    {
        Some(path) => Ok(path),
        None => {
            bail!("there is no PostgreSQL server: install it with the system's package manager")
        }
    }
}
