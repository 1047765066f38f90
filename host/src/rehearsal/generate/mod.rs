//! Rows made from the schema, at the edges of what it allows.
//!
//! Each column has a pool of values by its type: NULL, the empty, the longest, the extremes, what people forget. Rows go
//! through the pools so that each value is used, with foreign keys to rows that are there; what a constraint refuses is
//! left out, so that checks need not be understood. The same seed makes the same rows.

pub(super) mod halves;
mod pool;
pub(super) mod shrink;

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use self::halves::Halves;
use super::fixture::TableRows;
use super::scratch::ScratchDatabase;
use super::shape;
use crate::database::{
    Access, ColumnShape, Content, Durability, Result, Session, Shape, Stop, Value,
};

/// How many rows a table gets beyond those that its pools need.
const MORE_ROWS: usize = 8;

/// How often a value is looked for that no other row has.
const TRIES: usize = 8;

/// What kind of rows to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// At the edges.
    Edges,
    /// This many plain rows a table.
    Plain(usize),
}

/// Makes rows for the tables of a database, which is left as it was but for PostgreSQL's sequences. `known` are contents
/// whose values are taken as examples.
pub(super) async fn generate(
    database: &ScratchDatabase,
    seed: u64,
    kind: Kind,
    known: &[&Content],
) -> Result<Vec<TableRows>> {
    let mut session = database
        .database()
        .open(Access::Write, &Stop::default())
        .await?;
    session.begin(Durability::Deferred).await?;
    let shapes = session.shapes().await?;
    let mut made: BTreeMap<String, TableRows> = BTreeMap::new();
    let mut all = Vec::new();
    for name in shape::in_order(&shapes) {
        let Some(shape) = shapes.get(&name) else {
            continue;
        };
        let mut maker = Maker {
            name: &name,
            shape,
            made: &made,
            known,
            random: StdRng::seed_from_u64(seed ^ hash(&name)),
            used: BTreeMap::new(),
        };
        let rows = maker.rows(kind);
        let accepted = accept(&mut *session, rows, kind).await?;
        made.insert(name.clone(), accepted.clone());
        if !accepted.rows.is_empty() {
            all.push(accepted);
        }
    }
    session.rollback().await?;
    Ok(all)
}

/// Those of the rows that another database takes, too.
pub(super) async fn taken(
    database: &ScratchDatabase,
    rows: Vec<TableRows>,
) -> Result<Vec<TableRows>> {
    let mut session = database
        .database()
        .open(Access::Write, &Stop::default())
        .await?;
    session.begin(Durability::Deferred).await?;
    let mut taken = Vec::new();
    for rows in rows {
        taken.push(accept(&mut *session, rows, Kind::Edges).await?);
    }
    session.rollback().await?;
    Ok(taken)
}

/// The rows that the database takes, put in one after the other.
async fn accept(session: &mut dyn Session, rows: TableRows, kind: Kind) -> Result<TableRows> {
    let mut halves = Halves::of(rows, matches!(kind, Kind::Plain(_)));
    while let Some(rows) = halves.next() {
        match try_load(session, &rows).await? {
            true => halves.taken(rows),
            false => halves.refused(rows),
        }
    }
    Ok(halves.accepted())
}

async fn try_load(session: &mut dyn Session, rows: &TableRows) -> Result<bool> {
    let savepoint = session.savepoint().await?;
    let loaded = session
        .load(&rows.table, &rows.columns, &rows.batch())
        .await;
    let loaded = match loaded {
        Ok(_) => session.settle().await.map(|()| 0),
        failed => failed,
    };
    match loaded {
        Ok(_) => session.release(savepoint).await.map(|()| true),
        Err(_) => session.roll_back_to(savepoint).await.map(|()| false),
    }
}

/// Makes the rows of one table.
struct Maker<'m> {
    name: &'m str,
    shape: &'m Shape,
    /// The rows of the tables before.
    made: &'m BTreeMap<String, TableRows>,
    known: &'m [&'m Content],
    random: StdRng,
    /// The values that each set of unique columns has already.
    used: BTreeMap<usize, BTreeSet<String>>,
}

impl Maker<'_> {
    fn rows(&mut self, kind: Kind) -> TableRows {
        let columns: Vec<&ColumnShape> = self
            .shape
            .columns
            .iter()
            .filter(|column| !column.is_computed)
            .collect();
        let pools: Vec<Vec<Value>> = columns
            .iter()
            .map(|column| self.pool(column, kind))
            .collect();
        let count = match kind {
            Kind::Edges => pools.iter().map(Vec::len).max().unwrap_or(0) + MORE_ROWS,
            Kind::Plain(count) => count,
        };
        let mut rows = Vec::new();
        for number in 0..count {
            for attempt in 0..TRIES {
                let mut row: Vec<Value> = pools
                    .iter()
                    .zip(&columns)
                    .enumerate()
                    .map(|(position, (pool, column))| {
                        self.value(pool, column, number, position, attempt, kind)
                    })
                    .collect();
                self.refer(&columns, &mut row);
                if self.is_unique(&columns, &row) {
                    rows.push(row);
                    break;
                }
            }
        }
        TableRows {
            table: self.name.to_owned(),
            columns: columns.iter().map(|column| column.name.clone()).collect(),
            rows,
        }
    }

    fn pool(&self, column: &ColumnShape, kind: Kind) -> Vec<Value> {
        let mut pool = match kind {
            Kind::Edges => pool::edges(&column.type_name),
            Kind::Plain(_) => Vec::new(),
        };
        if !column.is_nullable {
            pool.retain(|value| *value != Value::Null);
        }
        if pool::is_text(&column.type_name) {
            pool.extend(pool::literals(&self.shape.checks, &column.name));
        }
        for snapshot in self.known {
            let Some(table) = snapshot.tables.get(self.name) else {
                continue;
            };
            let Some(position) = table.columns.iter().position(|own| *own == column.name) else {
                continue;
            };
            let step = (table.rows.len() / 8).max(1);
            let examples = table
                .rows
                .iter()
                .step_by(step)
                .filter_map(|row| row.cells.get(position));
            pool.extend(
                examples
                    .take(8)
                    .filter(|value| **value != Value::Null)
                    .cloned(),
            );
        }
        pool
    }

    fn value(
        &mut self,
        pool: &[Value],
        column: &ColumnShape,
        number: usize,
        position: usize,
        attempt: usize,
        kind: Kind,
    ) -> Value {
        let is_key = self
            .shape
            .unique
            .iter()
            .any(|columns| columns.contains(&column.name));
        if (is_key && (attempt > 0 || kind != Kind::Edges)) || pool.is_empty() {
            return pool::numbered(&column.type_name, number + attempt * 1_000);
        }
        let place = match number < pool.len() {
            // Each value once, beside others than the columns next to it.
            true => (number + position * 5) % pool.len(),
            false => self.random.random_range(0..pool.len()),
        };
        pool.get(place).cloned().unwrap_or(Value::Null)
    }

    /// Lets foreign keys name rows that are there.
    fn refer(&mut self, columns: &[&ColumnShape], row: &mut [Value]) {
        for key in &self.shape.foreign_keys {
            let Some(target) = self.made.get(&key.target) else {
                continue;
            };
            let is_nullable = columns
                .iter()
                .filter(|column| key.columns.contains(&column.name))
                .all(|column| column.is_nullable);
            let chosen = match target.rows.len() {
                0 => None,
                _ if is_nullable && self.random.random_range(0..6) == 0 => None,
                count => target.rows.get(self.random.random_range(0..count)),
            };
            for (own, theirs) in key.columns.iter().zip(&key.target_columns) {
                let position = columns.iter().position(|column| column.name == *own);
                let value = target
                    .columns
                    .iter()
                    .position(|column| column == theirs)
                    .and_then(|position| chosen?.get(position).cloned());
                if let Some(cell) = position.and_then(|position| row.get_mut(position)) {
                    *cell = value.unwrap_or(Value::Null);
                }
            }
        }
    }

    fn is_unique(&mut self, columns: &[&ColumnShape], row: &[Value]) -> bool {
        let mut keys = Vec::new();
        for (number, unique) in self.shape.unique.iter().enumerate() {
            let cells: Vec<&Value> = columns
                .iter()
                .zip(row)
                .filter(|(column, _)| unique.contains(&column.name))
                .map(|(_, value)| value)
                .collect();
            if cells.contains(&&Value::Null) {
                continue;
            }
            keys.push((number, format!("{cells:?}")));
        }
        let is_used = |(number, key): &(usize, String)| {
            self.used.get(number).is_some_and(|used| used.contains(key))
        };
        if keys.iter().any(is_used) {
            return false;
        }
        for (number, key) in keys {
            self.used.entry(number).or_default().insert(key);
        }
        true
    }
}

/// A number for a name, so that the rows of a table do not depend on the tables beside it.
fn hash(name: &str) -> u64 {
    let hash = twox_hash::XxHash3_128::oneshot(name.as_bytes()) & u128::from(u64::MAX);
    u64::try_from(hash).unwrap_or_default()
}
