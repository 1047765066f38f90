//! The database, as functions that the prelude makes an object of.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rquickjs::{Array, Ctx, Exception, Function, Object, Result};
use wasmigrate_sdk::bindings::wasmigrate::migration::database::{self, Cursor, Savepoint};
use wasmigrate_sdk::bindings::wasmigrate::migration::report;
use wasmigrate_sdk::{Batch, Column, Kind, ValueRef};

use crate::failure::throw;
use crate::rows::{batch, columns, parameters, sdk};
use crate::values::from_database;

/// What is open, by number. A collector of garbage would close it at some time; the prelude does in time.
struct Open<T>(BTreeMap<u32, T>, u32);

impl<T> Open<T> {
    const fn new() -> Self {
        Self(BTreeMap::new(), 0)
    }

    fn add(&mut self, item: T) -> u32 {
        self.1 = self.1.wrapping_add(1);
        self.0.insert(self.1, item);
        self.1
    }
}

thread_local! {
    static CURSORS: RefCell<Open<Cursor>> = const { RefCell::new(Open::new()) };
    static SAVEPOINTS: RefCell<Open<Savepoint>> = const { RefCell::new(Open::new()) };
}

/// Adds the functions to the object that the prelude takes.
pub(crate) fn offer<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("server", Function::new(ctx.clone(), server)?)?;
    host.set("execute", Function::new(ctx.clone(), execute)?)?;
    host.set("executeMany", Function::new(ctx.clone(), execute_many)?)?;
    host.set("load", Function::new(ctx.clone(), load)?)?;
    host.set("query", Function::new(ctx.clone(), query)?)?;
    host.set("open", Function::new(ctx.clone(), open)?)?;
    host.set("next", Function::new(ctx.clone(), next)?)?;
    host.set("close", Function::new(ctx.clone(), close)?)?;
    host.set("savepoint", Function::new(ctx.clone(), savepoint)?)?;
    host.set("release", Function::new(ctx.clone(), release)?)?;
    host.set("rollBack", Function::new(ctx.clone(), roll_back)?)?;
    host.set("checkpoint", Function::new(ctx.clone(), checkpoint)?)
}

fn server(ctx: Ctx<'_>) -> Result<Object<'_>> {
    let product = database::server();
    let object = Object::new(ctx.clone())?;
    let kind = match &product.kind {
        Kind::Sqlite => "sqlite",
        Kind::Postgres => "postgres",
        Kind::Other(name) => name,
    };
    object.set("kind", kind)?;
    object.set("version", product.version)?;
    Ok(object)
}

#[allow(clippy::cast_precision_loss, reason = "no statement changes 2^53 rows")]
fn execute<'js>(ctx: Ctx<'js>, statement: String, values: Array<'js>) -> Result<f64> {
    let values = parameters(&ctx, &values)?;
    let changed = database::execute(&statement, &values).map_err(|cause| throw(&ctx, cause))?;
    Ok(changed as f64)
}

#[allow(clippy::cast_precision_loss, reason = "no statement changes 2^53 rows")]
fn execute_many<'js>(
    ctx: Ctx<'js>,
    statement: String,
    rows: Array<'js>,
    width: usize,
) -> Result<f64> {
    let rows = batch(&ctx, &rows, width, &[])?;
    let changed = database::execute_many(&statement, &rows).map_err(|cause| throw(&ctx, cause))?;
    Ok(changed as f64)
}

#[allow(clippy::cast_precision_loss, reason = "no statement changes 2^53 rows")]
fn load<'js>(ctx: Ctx<'js>, table: String, names: Vec<String>, rows: Array<'js>) -> Result<f64> {
    let rows = batch(&ctx, &rows, names.len(), &names)?;
    let loaded = database::load(&table, &names, &rows).map_err(|cause| throw(&ctx, cause))?;
    Ok(loaded as f64)
}

/// A small result: its columns' names and, for each row, an array of its cells.
fn query<'js>(ctx: Ctx<'js>, statement: String, values: Array<'js>) -> Result<Array<'js>> {
    let values = parameters(&ctx, &values)?;
    let found = database::query_rows(&statement, &values).map_err(|cause| throw(&ctx, cause))?;
    let columns = Array::new(ctx.clone())?;
    for column in 0..found.columns.len() {
        let cells = Array::new(ctx.clone())?;
        for (number, row) in found.rows.iter().enumerate() {
            let value = row
                .get(column)
                .map_or(ValueRef::Null, crate::values::borrowed);
            cells.set(number, from_database(&ctx, value)?)?;
        }
        columns.set(column, cells)?;
    }
    result(&ctx, &found.columns, columns, found.rows.len())
}

/// A query that is read in batches: its number and its columns' names.
fn open<'js>(ctx: Ctx<'js>, statement: String, values: Array<'js>) -> Result<Array<'js>> {
    let values = parameters(&ctx, &values)?;
    let cursor = database::query(&statement, &values).map_err(|cause| throw(&ctx, cause))?;
    let opened = Array::new(ctx.clone())?;
    opened.set(1, names(&cursor.columns()))?;
    opened.set(0, CURSORS.with_borrow_mut(|open| open.add(cursor)))?;
    Ok(opened)
}

/// The next rows of a query, column by column, and how many they are.
fn next<'js>(ctx: Ctx<'js>, number: u32, most: u32) -> Result<Array<'js>> {
    let rows = CURSORS.with_borrow(|open| open.0.get(&number).map(|cursor| cursor.next(most)));
    let rows = match rows {
        Some(Ok(rows)) => rows,
        Some(Err(cause)) => return Err(throw(&ctx, cause)),
        None => return Err(Exception::throw_type(&ctx, "the query is closed")),
    };
    let rows = Batch::checked(rows).map_err(|error| sdk(&ctx, &error))?;
    let read = Array::new(ctx.clone())?;
    read.set(0, rows.rows())?;
    read.set(1, columns(&ctx, &rows)?)?;
    Ok(read)
}

fn close(number: u32) {
    CURSORS.with_borrow_mut(|open| open.0.remove(&number));
}

fn savepoint(ctx: Ctx<'_>) -> Result<u32> {
    let savepoint = Savepoint::open().map_err(|cause| throw(&ctx, cause))?;
    Ok(SAVEPOINTS.with_borrow_mut(|open| open.add(savepoint)))
}

fn release(ctx: Ctx<'_>, number: u32) -> Result<()> {
    match SAVEPOINTS.with_borrow_mut(|open| open.0.remove(&number)) {
        Some(savepoint) => Savepoint::release(savepoint).map_err(|cause| throw(&ctx, cause)),
        None => Err(Exception::throw_type(&ctx, "the savepoint is gone")),
    }
}

fn roll_back(number: u32) {
    // Dropping it does so.
    SAVEPOINTS.with_borrow_mut(|open| open.0.remove(&number));
}

fn checkpoint(ctx: Ctx<'_>, position: String) -> Result<()> {
    // The host closes them.
    CURSORS.with_borrow_mut(|open| open.0.clear());
    report::checkpoint(position.as_bytes()).map_err(|cause| throw(&ctx, cause))
}

fn names(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

fn result<'js>(
    ctx: &Ctx<'js>,
    described: &[Column],
    columns: Array<'js>,
    rows: usize,
) -> Result<Array<'js>> {
    let result = Array::new(ctx.clone())?;
    result.set(0, names(described))?;
    result.set(1, columns)?;
    result.set(2, rows)?;
    Ok(result)
}
