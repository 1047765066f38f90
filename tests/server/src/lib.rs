//! Private servers: a PostgreSQL cluster in a directory of its own, on a free port of loopback, and a pooler or a proxy
//! that breaks connections off before it.
//!
//! Both run as the user `postgres` when this process is root, because they refuse to run as that. Both are stopped, and
//! all their files removed, when they are dropped.

mod cluster;
mod frames;
mod pooler;
mod proxy;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

pub use cluster::{Cluster, Durability, TEMPLATE, binaries};
pub use pooler::Pooler;
pub use proxy::{Account, Fault, Kind, Proxy};

/// Who runs the servers when this process is root.
const USER: &str = "postgres";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command that runs as somebody who may run a server.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"])
        .arg(program);
    command
}

/// Where Linux keeps files in memory.
const IN_MEMORY: &str = "/dev/shm";

/// How many bytes must be free there for a server with the largest tables of the tests.
const ENOUGH_MEMORY: u64 = 8 << 30;

/// A directory that whoever runs the server may write to; in memory, where there is enough of it and nothing has to outlive
/// the machine. A new database is a few hundred new files, which takes most disks a tenth of a second.
fn directory(durability: Durability) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("wasmigrate-server");
    let is_enough = |space: rustix::fs::StatVfs| space.f_bavail * space.f_frsize >= ENOUGH_MEMORY;
    let has_memory = rustix::fs::statvfs(IN_MEMORY).is_ok_and(is_enough);
    let directory = match durability {
        Durability::None if has_memory => builder.tempdir_in(IN_MEMORY)?,
        _ => builder.tempdir()?,
    };
    if is_root() {
        let status = Command::new("chown")
            .arg(USER)
            .arg(directory.path())
            .status()?;
        ensure!(
            status.success(),
            "cannot give {} to {USER}",
            directory.path().display()
        );
    }
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))?;
    Ok(directory)
}

/// A port that nobody listens on. Somebody else may take it before it is used; then starting fails, and says so.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}
