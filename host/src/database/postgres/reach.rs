//! Which of an address's servers is connected to.

use std::time::Duration;

use super::super::{Error, ErrorKind, Result};
use super::address::{Address, Wanted};
use super::connection::{Bounds, Connection};
use super::patience::Patience;
use super::pipeline;

/// How long to wait before servers are tried again of which one is starting up.
const STARTING_PAUSE: Duration = Duration::from_millis(100);

/// SQLSTATE `cannot_connect_now`: the server is starting, recovering or shutting down.
const CANNOT_CONNECT_NOW: &str = "57P03";

/// Connects. A server that is starting up is waited for, as long as there is patience.
pub(super) fn connect(
    address: &Address,
    bounds: Bounds,
    patience: &Patience,
) -> Result<Connection> {
    loop {
        match first(address, bounds, patience) {
            Err(error)
                if error.code == CANNOT_CONNECT_NOW && patience.pause(STARTING_PAUSE).is_ok() => {}
            done => return done,
        }
    }
}

/// The first server that lets us in and is what is wanted. After one that refuses us no other is tried, as by libpq.
fn first(address: &Address, bounds: Bounds, patience: &Patience) -> Result<Connection> {
    let mut failed: Option<Error> = None;
    for one in address.each() {
        let opened = Connection::open(&one, bounds, patience)
            .and_then(|connection| wanted(connection, &one, patience));
        let error = match opened {
            Err(error) if error.code.is_empty() || error.code == CANNOT_CONNECT_NOW => error,
            done => return done,
        };
        failed = Some(match failed {
            None => error,
            Some(before) => Error {
                message: format!("{}; {}", before.message, error.message),
                ..error
            },
        });
    }
    Err(failed.unwrap_or_else(|| {
        Error::new(ErrorKind::Unavailable, format!("{address} names no server"))
    }))
}

/// The connection, when its server is what the address wants.
fn wanted(
    mut connection: Connection,
    address: &Address,
    patience: &Patience,
) -> Result<Connection> {
    let (query, why) = match address.wanted {
        Wanted::Any => return Ok(connection),
        Wanted::Primary => ("SELECT pg_catalog.pg_is_in_recovery()", "is a standby"),
        Wanted::ReadWrite => (
            "SELECT pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('transaction_read_only') = 'on'",
            "can only be read",
        ),
    };
    let rows = pipeline::ask(&mut connection, query, &[], patience)?;
    let answer = rows.into_iter().flatten().next().flatten();
    match answer.as_deref() {
        Some("f") => Ok(connection),
        _ => Err(Error::new(
            ErrorKind::Unavailable,
            format!("{address} {why}, and `target_session_attrs` asks for another"),
        )),
    }
}
