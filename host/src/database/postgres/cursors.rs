//! Open results of a session: portals on the server, read in portions.

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::frontend;

use super::super::{Authority, Cell, Column, CursorId, Error, ErrorKind, Result, Value};
use super::connection::Connection;
use super::pipeline::{Answer, Asked, Request, too_much};
use super::results::{self, Cursor, Portion};
use super::state::PostgresSession;
use super::{full_names, text};

impl PostgresSession {
    /// What the server calls the columns' types; asks it for those that are not known yet.
    pub(super) fn name_types(
        &mut self,
        cursor: &mut Cursor,
        described: &[(String, u32, i32)],
    ) -> Result<()> {
        let known = |connection: Option<&Connection>, key: (u32, i32)| {
            text::type_name(key.0, key.1)
                .map(str::to_owned)
                .or_else(|| {
                    connection.and_then(|connection| connection.type_names.get(&key).cloned())
                })
        };
        let mut unknown: Vec<(u32, i32)> = described
            .iter()
            .map(|(_, number, modifier)| (*number, *modifier))
            .filter(|key| known(self.connection.as_ref(), *key).is_none())
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        if !unknown.is_empty() && cursor.authority == Authority::Step {
            let calls: Vec<String> = unknown
                .iter()
                .map(|(number, modifier)| format!("pg_catalog.format_type({number}, {modifier})"))
                .collect();
            let query = format!("SELECT {}", calls.join(", "));
            debug_assert!(full_names::is_in_full(&query));
            self.ask(Asked::Awaited, &Request::once(&query), std::iter::empty())?;
            let mut names: Vec<String> = Vec::new();
            self.settle(Authority::Step, &mut |_, answer| {
                if let Answer::Row(row) = answer {
                    names = results::texts(&row)?
                        .into_iter()
                        .map(Option::unwrap_or_default)
                        .collect();
                }
                Ok(())
            })?;
            if let Some(connection) = self.connection.as_mut() {
                connection.type_names.extend(unknown.into_iter().zip(names));
            }
        }
        cursor.columns = described
            .iter()
            .map(|(name, number, modifier)| Column {
                name: name.clone(),
                type_name: known(self.connection.as_ref(), (*number, *modifier))
                    .unwrap_or_default(),
            })
            .collect();
        cursor.types = described.iter().map(|(_, number, _)| *number).collect();
        Ok(())
    }

    pub(super) fn open_cursor(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
        first: Portion,
    ) -> Result<CursorId> {
        self.enter(authority)?;
        let id = CursorId(self.number());
        let is_autocommit = self.is_autocommit();
        let portal = format!("wasmigrate_{}", id.0);
        let (parse, name) = self.prepare(authority, statement);
        let request = Request {
            parse,
            statement: &name,
            portal: &portal,
            describe: true,
            // Without a transaction a portal ends with its statement.
            most_rows: if is_autocommit {
                0
            } else {
                i32::try_from(first.most_rows).unwrap_or(i32::MAX)
            },
        };
        self.ask(Asked::Awaited, &request, parameters.iter().map(Cell::from))?;
        let mut cursor = Cursor::new(authority, portal.clone());
        let mut described = Vec::new();
        let most_rows = request.most_rows;
        let mut row_count = 0;
        let most_bytes = self.database.0.limits.value_bytes;
        let mut bytes = 0;
        self.settle(authority, &mut |_, answer| {
            match answer {
                Answer::Columns(body) => {
                    let fields = body.fields().map(|field| {
                        Ok((
                            field.name().to_owned(),
                            field.type_oid(),
                            field.type_modifier(),
                        ))
                    });
                    described = fields
                        .collect()
                        .map_err(|error| Error::new(ErrorKind::Other, error.to_string()))?;
                }
                Answer::Row(row) => {
                    bytes += row.buffer().len() as u64;
                    row_count += 1;
                    if !is_autocommit && row_count > most_rows {
                        return Err(too_much());
                    }
                    if is_autocommit && bytes > most_bytes {
                        return Err(Error::limit(
                            "limits.value_bytes",
                            most_bytes,
                            "a result outside of a transaction is too large",
                        ));
                    }
                    // Rows that are too many bytes are left out, but never the first: no rows mean the end.
                    if cursor.rows.is_empty() || bytes <= first.most_bytes as u64 {
                        cursor.take(row);
                    }
                }
                Answer::Done(_) => cursor.portal = None,
                Answer::Parameters(_) | Answer::Suspended => {}
            }
            Ok(())
        })?;
        self.name_types(&mut cursor, &described)?;
        if cursor.portal.is_none() && !is_autocommit {
            self.close_portal(&portal);
        }
        self.cursors.insert(id, cursor);
        Ok(id)
    }

    pub(super) fn close_portal(&mut self, portal: &str) {
        if let Some(connection) = self.connection.as_mut() {
            // A name of our own fits.
            let _ = frontend::close(b'P', portal, &mut connection.wire.outgoing);
        }
    }

    /// Fetches the next portion of a cursor whose rows were all taken.
    pub(super) fn refill(&mut self, id: CursorId, max_rows: usize, max_bytes: usize) -> Result<()> {
        let Some(cursor) = self.cursors.get_mut(&id) else {
            return Ok(());
        };
        let (Some(portal), authority) = (cursor.portal.clone(), cursor.authority) else {
            return Ok(());
        };
        let portion = cursor.next_portion(max_rows, max_bytes);
        self.enter(authority)?;
        let lost = self.lost();
        let connection = self.connection.as_mut().ok_or(lost)?;
        frontend::execute(
            &portal,
            i32::try_from(portion).unwrap_or(i32::MAX),
            &mut connection.wire.outgoing,
        )
        .map_err(|error| Error::invalid_argument(error.to_string()))?;
        self.pipeline.asked(Asked::Awaited);
        let (mut rows, mut is_done) = (Vec::new(), false);
        self.settle(authority, &mut |_, answer| {
            match answer {
                Answer::Row(_) if rows.len() >= portion => return Err(too_much()),
                Answer::Row(row) => rows.push(row),
                Answer::Done(_) => is_done = true,
                _ => {}
            }
            Ok(())
        })?;
        if is_done {
            self.close_portal(&portal);
        }
        if let Some(cursor) = self.cursors.get_mut(&id) {
            rows.into_iter().for_each(|row| cursor.take(row));
            if is_done {
                cursor.portal = None;
            }
        }
        Ok(())
    }
}
