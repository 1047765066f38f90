//! PgBouncer before a cluster, in transaction mode: each transaction may be another server process's.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::{Cluster, Durability, as_user, directory, free_port};

/// How long it may take to start.
const START: Duration = Duration::from_secs(20);

/// A running pooler.
pub struct Pooler {
    _directory: TempDir,
    port: u16,
    process: Child,
}

impl Pooler {
    /// Starts a pooler that shares `connections` of them for each database among all clients.
    pub fn start(cluster: &Cluster, connections: u32) -> Result<Self> {
        let directory = directory(Durability::Default)?;
        let port = free_port()?;
        let users = directory.path().join("users");
        std::fs::write(&users, "\"app\" \"\"\n\"postgres\" \"\"\n")?;
        let settings = directory.path().join("pgbouncer.ini");
        std::fs::write(
            &settings,
            format!(
                "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\n\
                 default_pool_size = {connections}\nmax_client_conn = 500\n",
                cluster.port(),
                users.display(),
            ),
        )?;
        let mut process = as_user(Path::new("/usr/sbin/pgbouncer"))
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start pgbouncer")?;
        let give_up = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = process.try_wait()? {
                bail!("pgbouncer ended with {status}");
            }
            ensure!(Instant::now() < give_up, "pgbouncer does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            _directory: directory,
            port,
            process,
        })
    }

    /// The URL of a database through the pooler, for a user.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // Its clients are gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
