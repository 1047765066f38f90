//! Who gives the command that a request carries.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};

use super::credentials::Holder;
use crate::journal::{Commander, Via};
use crate::output::printable;

/// So many characters are kept of what a proxy says.
const MOST_FORWARDED: usize = 200;

/// The holder of a secret, as the history names them.
pub(super) fn of(
    headers: &HeaderMap,
    extensions: &Extensions,
    holder: Option<&Holder>,
    via: Via,
) -> Commander {
    let address = extensions.get::<ConnectInfo<SocketAddr>>();
    let forwarded = headers.get("x-forwarded-for");
    let forwarded = forwarded.and_then(|client| client.to_str().ok());
    Commander {
        name: holder.map_or_else(String::new, |holder| holder.name.clone()),
        via,
        from: address.map(|address| address.0.ip().to_string()),
        forwarded_for: forwarded
            .map(|client| printable(client).chars().take(MOST_FORWARDED).collect()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
