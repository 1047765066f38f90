//! The work of the benchmarks done by a plain program: what wasmigrate is compared with.

mod transform;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use rusqlite::{Connection, params};

/// Plain loops over a database.
#[derive(Parser)]
struct Arguments {
    /// The SQLite file, or for `transform` the URL of a server's database.
    database: PathBuf,
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    /// Each file of a directory in a transaction of its own
    EachInTransaction { directory: PathBuf },
    /// The same, in WAL mode
    EachInTransactionWal { directory: PathBuf },
    /// All files of a directory in one transaction
    InOneTransaction { directory: PathBuf },
    /// Read `source`, transform, write `target`
    Rewrite,
    /// Add columns to `customer` and compute them in chunks
    Transform { workers: usize },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Work::Transform { workers } = arguments.work {
        return match arguments.database.to_str() {
            Some(url) if url.starts_with("postgres:") => transform::postgres(url, workers),
            _ => transform::sqlite(&arguments.database, workers),
        };
    }
    let mut connection = Connection::open(&arguments.database)?;
    match arguments.work {
        Work::EachInTransaction { directory } => each(&mut connection, &directory),
        Work::EachInTransactionWal { directory } => {
            enter_wal_mode(&connection)?;
            each(&mut connection, &directory)
        }
        Work::InOneTransaction { directory } => {
            enter_wal_mode(&connection)?;
            let transaction = connection.transaction()?;
            for statement in statements(&directory)? {
                transaction.execute_batch(&statement)?;
            }
            Ok(transaction.commit()?)
        }
        Work::Rewrite => rewrite(&mut connection),
        // Opens connections of its own.
        Work::Transform { .. } => Ok(()),
    }
}

fn enter_wal_mode(connection: &Connection) -> Result<()> {
    Ok(connection.pragma_update(None, "journal_mode", "wal")?)
}

fn each(connection: &mut Connection, directory: &std::path::Path) -> Result<()> {
    for statement in statements(directory)? {
        let transaction = connection.transaction()?;
        transaction.execute_batch(&statement)?;
        transaction.commit()?;
    }
    Ok(())
}

fn statements(directory: &std::path::Path) -> Result<Vec<String>> {
    let mut paths = std::fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    paths
        .iter()
        .map(|path| Ok(std::fs::read_to_string(path)?))
        .collect()
}

/// The same work as the guest `rewrite`, the way that rusqlite's documentation shows.
fn rewrite(connection: &mut Connection) -> Result<()> {
    enter_wal_mode(connection)?;
    let transaction = connection.transaction()?;
    {
        let mut read = transaction.prepare("SELECT id, a, b, c, d FROM source ORDER BY id")?;
        let mut write = transaction
            .prepare("INSERT INTO target (id, a, b, c, d) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let mut rows = read.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let a: Option<i64> = row.get(1)?;
            let b: Option<String> = row.get(2)?;
            let c: Option<f64> = row.get(3)?;
            let d: Option<String> = row.get(4)?;
            write.execute(params![
                id,
                a.map(|a| a.wrapping_add(1)),
                b.map(|b| b.trim().to_uppercase()),
                c,
                d
            ])?;
        }
    }
    Ok(transaction.commit()?)
}
