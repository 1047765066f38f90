//! Bulk loading: COPY, in its binary form where every column of the batch has one that the table's column reads, else in
//! its text form, which every type reads.
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html>

use std::collections::HashMap;

use bytes::{BufMut as _, BytesMut};
use postgres_protocol::message::frontend::{self, CopyData};

use super::super::{
    Authority, Batch, Cell, ColumnData, ColumnValues, Error, ErrorKind, JOURNAL_PREFIX, Result,
    expect_columns, quote,
};
use super::pipeline::{Answer, Asked, Request};
use super::state::{Loaded, PostgresSession};
use super::text::{self, oid};
use super::under_way::{UnderWay, Work};
use super::{errors, full_names, guard, results};

/// How many bytes go into one message.
const MESSAGE: usize = 64 << 10;

/// The head of the binary form: signature, flags, and the length of what else there is in it.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// How a column of the table reads a binary value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Boolean,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Text,
    Jsonb,
    Bytes,
}

impl PostgresSession {
    /// Inserts a batch into the columns of a table, which may be named with its schema.
    pub(super) fn copy_in(&mut self, table: &str, columns: &[String], rows: &Batch) -> Result<u64> {
        expect_columns(columns, rows)?;
        if let Some(name) = columns
            .iter()
            .map(String::as_str)
            .chain([table])
            .find(|name| name.contains('\0'))
        {
            return Err(Error::invalid_argument(format!(
                "the name `{}` holds a NUL byte",
                name.replace('\0', "\u{fffd}")
            )));
        }
        let parts: Vec<&str> = table.splitn(2, '.').collect();
        if let Some(name) = parts.last().filter(|name| name.starts_with(JOURNAL_PREFIX)) {
            return Err(guard::belongs_to_the_host(name));
        }
        let table = parts.into_iter().map(quote).collect::<Vec<_>>().join(".");
        self.set_lock_timeout_for("")?;
        let known = self.loaded.take().filter(|loaded| loaded.table == table);
        self.enter(Authority::Step)?;
        let types = match known {
            Some(loaded) => loaded.types,
            None => self.types_of_columns(&table)?,
        };
        let forms: Option<Vec<Form>> = columns
            .iter()
            .zip(&rows.columns)
            .map(|(name, column)| form(*types.get(name)?, column))
            .collect();
        let names: Vec<String> = columns.iter().map(|name| quote(name)).collect();
        let format = if forms.is_some() { "binary" } else { "text" };
        let copy = format!(
            "COPY {table} ({}) FROM STDIN (FORMAT {format})",
            names.join(", ")
        );
        self.ask(Asked::Awaited, &Request::once(&copy), std::iter::empty())?;
        if let Err(error) = self.send_rows(rows, forms.as_deref()) {
            return Err(self.abandon(error));
        }
        let inserted = self.settle_copy()?;
        let is_locked = self
            .transaction
            .as_ref()
            .is_some_and(|transaction| !transaction.is_autocommit);
        self.loaded = is_locked.then_some(Loaded { table, types });
        Ok(inserted)
    }

    /// Runs a `COPY … FROM STDIN` of a script with the rows that come after it, as they are.
    pub(super) fn copy_rows(&mut self, copy: &str, rows: &str) -> Result<u64> {
        self.ask(Asked::Awaited, &Request::once(copy), std::iter::empty())?;
        let mut parts = rows.as_bytes().chunks(MESSAGE);
        let sent = self.send_parts(&mut |buffer| {
            let part = parts.next();
            buffer.put_slice(part.unwrap_or_default());
            Ok(part.is_some())
        });
        if let Err(error) = sent {
            return Err(self.abandon(error));
        }
        self.settle_copy()
    }

    /// Waits for the server to take the rows; returns how many it inserted.
    fn settle_copy(&mut self) -> Result<u64> {
        let mut inserted = 0;
        self.settle(Authority::Step, &mut |_, answer| {
            if let Answer::Done(rows) = answer {
                inserted = rows;
            }
            Ok(())
        })?;
        Ok(inserted)
    }

    /// Tells the server that no more rows come.
    fn abandon(&mut self, error: Error) -> Error {
        let told = self.connection.as_mut().map(|connection| {
            frontend::copy_fail("the host gave up", &mut connection.wire.outgoing)
        });
        match (told, error.kind) {
            (Some(Ok(())), kind) if kind != ErrorKind::Unavailable => {
                // It says no more than that we gave up.
                let _ = self.settle_quietly(Authority::Step);
            }
            _ => self.give_up(),
        }
        error
    }

    fn send_rows(&mut self, rows: &Batch, forms: Option<&[Form]>) -> Result<()> {
        let mut row = 0;
        self.send_parts(&mut |buffer| {
            if row == 0 && forms.is_some() {
                buffer.put_slice(SIGNATURE);
            }
            if row == rows.row_count {
                if forms.is_some() {
                    buffer.put_i16(-1);
                }
                return Ok(false);
            }
            match forms {
                Some(forms) => write_binary_row(rows, row, forms, buffer)?,
                None => write_text_row(rows, row, buffer),
            }
            row += 1;
            Ok(true)
        })
    }

    /// Sends rows as `write` writes them, until it says that there are no more.
    fn send_parts(&mut self, write: &mut dyn FnMut(&mut BytesMut) -> Result<bool>) -> Result<()> {
        let database = self.database.clone();
        let process = self.pipeline.begun.as_ref().map(|begun| begun.process);
        let lost = self.lost();
        let connection = self.connection.as_mut().ok_or(lost)?;
        let mut under_way = UnderWay::new(
            database.clone(),
            self.stop.clone(),
            Work::Copy,
            self.label.as_ref().map(|label| label.name.clone()),
            self.lock_wait,
            None,
            connection,
        );
        // A server that is busy with a row takes no other.
        let mut look = || under_way.look(process);
        let mut buffer = BytesMut::with_capacity(2 * MESSAGE);
        while write(&mut buffer)? {
            if buffer.len() >= MESSAGE {
                send(buffer.split(), &mut connection.wire.outgoing)?;
                // The server reads these rows while the next ones are written.
                connection
                    .wire
                    .push()
                    .and_then(|()| connection.wire.relieve(&mut look))
                    .map_err(|error| errors::broken(&database.0.name, &error))?;
            }
        }
        send(buffer, &mut connection.wire.outgoing)?;
        frontend::copy_done(&mut connection.wire.outgoing);
        Ok(())
    }

    /// The types of a table's columns, by name.
    fn types_of_columns(&mut self, table: &str) -> Result<HashMap<String, u32>> {
        // The binary form of an enumeration is its text. A domain is read as text, as all types are that are not known here.
        let query = "SELECT attname, CASE WHEN typtype OPERATOR(pg_catalog.=) 'e' THEN 25 ELSE atttypid END
                     FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_type ON pg_type.oid OPERATOR(pg_catalog.=) atttypid
                     WHERE attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid
                     AND attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT attisdropped";
        debug_assert!(full_names::is_in_full(query));
        self.ask(
            Asked::Awaited,
            &Request::once(query),
            [Cell::Text(table)].into_iter(),
        )?;
        let mut types = HashMap::new();
        self.settle(Authority::Step, &mut |_, answer| {
            if let Answer::Row(row) = answer
                && let Ok([Some(name), Some(number)]) =
                    <[Option<String>; 2]>::try_from(results::texts(&row)?)
            {
                types.insert(name, number.parse().unwrap_or(0));
            }
            Ok(())
        })?;
        Ok(types)
    }
}

fn send(data: BytesMut, outgoing: &mut BytesMut) -> Result<()> {
    match CopyData::new(data.freeze()) {
        Ok(message) => {
            message.write(outgoing);
            Ok(())
        }
        Err(error) => Err(Error::new(
            ErrorKind::Other,
            format!("the rows cannot be sent: {error}"),
        )),
    }
}

/// The binary form in which a column of the table reads a column of the batch; none when it has to be read as text.
fn form(type_number: u32, column: &ColumnData) -> Option<Form> {
    Some(match (&column.values, type_number) {
        (ColumnValues::Booleans(_), oid::BOOL) => Form::Boolean,
        (ColumnValues::Integers(_), oid::INT2) => Form::Int2,
        (ColumnValues::Integers(_), oid::INT4) => Form::Int4,
        (ColumnValues::Integers(_), oid::INT8) => Form::Int8,
        (ColumnValues::Floats(_), oid::FLOAT4) => Form::Float4,
        (ColumnValues::Floats(_), oid::FLOAT8) => Form::Float8,
        (
            ColumnValues::Texts { .. },
            oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::JSON | oid::XML,
        ) => Form::Text,
        (ColumnValues::Texts { .. }, oid::JSONB) => Form::Jsonb,
        (ColumnValues::Bytes { .. }, oid::BYTEA) => Form::Bytes,
        _ => return None,
    })
}

fn write_binary_row(rows: &Batch, row: usize, forms: &[Form], buffer: &mut BytesMut) -> Result<()> {
    buffer.put_i16(
        i16::try_from(forms.len()).map_err(|_| Error::invalid_argument("too many columns"))?,
    );
    for (column, form) in rows.columns.iter().zip(forms) {
        write_binary(column.cell(row), *form, buffer).map_err(|why| {
            Error::invalid_argument(format!("row {} of the batch: {why}", row + 1))
        })?;
    }
    Ok(())
}

fn write_binary(
    cell: Cell<'_>,
    form: Form,
    buffer: &mut BytesMut,
) -> std::result::Result<(), String> {
    let narrow =
        |value: i64, form: &str| format!("{value} is out of range for a column of type {form}");
    match (cell, form) {
        (Cell::Boolean(value), Form::Boolean) => {
            buffer.put_i32(1);
            buffer.put_u8(u8::from(value));
        }
        (Cell::Integer(value), Form::Int2) => {
            buffer.put_i32(2);
            buffer.put_i16(i16::try_from(value).map_err(|_| narrow(value, "smallint"))?);
        }
        (Cell::Integer(value), Form::Int4) => {
            buffer.put_i32(4);
            buffer.put_i32(i32::try_from(value).map_err(|_| narrow(value, "integer"))?);
        }
        (Cell::Integer(value), Form::Int8) => {
            buffer.put_i32(8);
            buffer.put_i64(value);
        }
        (Cell::Float(value), Form::Float4) => {
            buffer.put_i32(4);
            #[allow(
                clippy::cast_possible_truncation,
                reason = "the column has no more digits"
            )]
            buffer.put_f32(value as f32);
        }
        (Cell::Float(value), Form::Float8) => {
            buffer.put_i32(8);
            buffer.put_f64(value);
        }
        (Cell::Text(text), Form::Text) => put_bytes(text.as_bytes(), None, buffer)?,
        // The version of the binary form comes first.
        (Cell::Text(text), Form::Jsonb) => put_bytes(text.as_bytes(), Some(1), buffer)?,
        (Cell::Bytes(bytes), Form::Bytes) => put_bytes(bytes, None, buffer)?,
        _ => buffer.put_i32(-1),
    }
    Ok(())
}

fn put_bytes(
    bytes: &[u8],
    version: Option<u8>,
    buffer: &mut BytesMut,
) -> std::result::Result<(), String> {
    let length = bytes.len() + usize::from(version.is_some());
    buffer.put_i32(i32::try_from(length).map_err(|_| "a value is too long".to_owned())?);
    buffer.extend(version);
    buffer.put_slice(bytes);
    Ok(())
}

fn write_text_row(rows: &Batch, row: usize, buffer: &mut BytesMut) {
    let mut value = BytesMut::new();
    for (position, column) in rows.columns.iter().enumerate() {
        if position > 0 {
            buffer.put_u8(b'\t');
        }
        value.clear();
        if !text::write(column.cell(row), &mut value) {
            buffer.put_slice(b"\\N");
            continue;
        }
        for byte in value.iter() {
            match byte {
                b'\\' => buffer.put_slice(b"\\\\"),
                b'\n' => buffer.put_slice(b"\\n"),
                b'\r' => buffer.put_slice(b"\\r"),
                b'\t' => buffer.put_slice(b"\\t"),
                other => buffer.put_u8(*other),
            }
        }
    }
    buffer.put_u8(b'\n');
}
