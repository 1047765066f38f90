//! The work of the guest `normalize` on its table: the same chunks, threads and bulk writes, without a sandbox and without
//! anything that survives a crash.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context as _, Result};
use rusqlite::params;

/// How many rows a chunk has.
const CHUNK: i64 = 20_000;

const ADD_COLUMNS: [&str; 4] = [
    "ALTER TABLE customer ADD COLUMN given_name TEXT",
    "ALTER TABLE customer ADD COLUMN family_name TEXT",
    "ALTER TABLE customer ADD COLUMN address TEXT",
    "ALTER TABLE customer ADD COLUMN balance BIGINT",
];

/// What the function is given, and what it returns.
type Input = (i64, String, Option<String>, i64, i64);
type Derived = (Option<String>, String, Option<String>, i64);

fn normalize((_, name, email, debit, credit): &Input) -> Derived {
    let name = name.trim();
    let (given, family) = match name.rsplit_once(' ') {
        Some((given, family)) => (Some(given.trim_end()), family),
        None => (None, name),
    };
    (
        given.map(str::to_owned),
        family.to_owned(),
        email.as_ref().map(|email| email.trim().to_lowercase()),
        credit - debit,
    )
}

/// Chunks of numbers, for as many workers as want them.
struct Chunks {
    next: AtomicI64,
    last: i64,
}

impl Chunks {
    fn take(&self) -> Option<(i64, i64)> {
        let first = self.next.fetch_add(CHUNK, Ordering::Relaxed);
        (first <= self.last).then(|| (first, first + CHUNK - 1))
    }
}

/// On a SQLite file: many compute, one writes.
pub(crate) fn sqlite(path: &std::path::Path, workers: usize) -> Result<()> {
    let open = || -> Result<rusqlite::Connection> {
        let connection = rusqlite::Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "wal_autocheckpoint", 10_000)?;
        Ok(connection)
    };
    let connection = open()?;
    for statement in ADD_COLUMNS {
        connection.execute_batch(statement)?;
    }
    let last = connection.query_row("SELECT max(id) FROM customer", [], |row| row.get(0))?;
    let chunks = Chunks {
        next: AtomicI64::new(1),
        last,
    };
    let writer = Mutex::new(());
    on_threads(workers, || {
        let mut connection = open()?;
        while let Some((first, last)) = chunks.take() {
            let rows: Vec<Input> = connection
                .prepare_cached("SELECT id, name, email, debit, credit FROM customer WHERE id BETWEEN ? AND ? ORDER BY id")?
                .query_map([first, last], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
                })?
                .collect::<rusqlite::Result<_>>()?;
            let derived: Vec<Derived> = rows.iter().map(normalize).collect();
            let _turn = writer.lock();
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            {
                let mut update = transaction.prepare_cached(
                    "UPDATE customer SET given_name = ?, family_name = ?, address = ?, balance = ?
                     WHERE id = ? AND name IS ? AND email IS ? AND debit IS ? AND credit IS ?",
                )?;
                for ((id, name, email, debit, credit), (given, family, address, balance)) in
                    rows.iter().zip(&derived)
                {
                    update.execute(params![
                        given, family, address, balance, id, name, email, debit, credit
                    ])?;
                }
            }
            transaction.commit()?;
        }
        Ok(())
    })
}

/// On a server: each worker has a connection.
pub(crate) fn postgres(url: &str, workers: usize) -> Result<()> {
    let open = || postgres::Client::connect(url, postgres::NoTls).context("cannot connect");
    let mut client = open()?;
    client.batch_execute(&ADD_COLUMNS.join(";"))?;
    let last: i64 = client
        .query_one("SELECT max(id) FROM customer", &[])?
        .get(0);
    let chunks = Chunks {
        next: AtomicI64::new(1),
        last,
    };
    on_threads(workers, || {
        let mut client = open()?;
        client.batch_execute("SET synchronous_commit = off")?;
        let read = client.prepare(
            "SELECT id, name, email, debit, credit FROM customer WHERE id BETWEEN $1 AND $2 ORDER BY id",
        )?;
        let write = client.prepare(
            "UPDATE customer SET given_name = derived.given_name, family_name = derived.family_name,
             address = derived.address, balance = derived.balance
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[])
             AS derived (id, given_name, family_name, address, balance) WHERE customer.id = derived.id",
        )?;
        while let Some((first, last)) = chunks.take() {
            let mut transaction = client.transaction()?;
            let mut ids = Vec::new();
            let (mut given, mut family, mut addresses, mut balances) =
                (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for row in transaction.query(&read, &[&first, &last])? {
                let input = (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4));
                let derived = normalize(&input);
                ids.push(input.0);
                given.push(derived.0);
                family.push(derived.1);
                addresses.push(derived.2);
                balances.push(derived.3);
            }
            transaction.execute(&write, &[&ids, &given, &family, &addresses, &balances])?;
            transaction.commit()?;
        }
        Ok(())
    })
}

fn on_threads(workers: usize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(&work)).collect();
        for thread in threads {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a worker broke down"))??;
        }
        Ok(())
    })
}
