//! Where the service listens: an address and a port.

use std::net::SocketAddr;

use serde::{Deserialize as _, Deserializer};

/// Reads an address and a port. `localhost` is 127.0.0.1.
///
/// # Errors
/// What is wrong, and what to write instead.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        return Err(format!(
            "there is no address before the port: write 127.0.0.1:{port} for this machine alone, or 0.0.0.0:{port}"
        ));
    }
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_| {
        "it is not an address with a port: write it as 127.0.0.1:9002 or [::1]:9002".to_owned()
    })
}

/// The same of a setting.
pub(super) fn setting<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    address(&text).map_err(serde::de::Error::custom)
}

/// The same of a setting that need not be there.
pub(super) fn optional_setting<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    setting(deserializer).map(Some)
}
