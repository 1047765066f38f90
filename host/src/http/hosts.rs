//! Which names the service goes by.
//!
//! A page of another site can let its own name mean this machine (DNS rebinding); for a browser it then is of the same origin as
//! the service. What it cannot do is to send another name than its own in `Host`.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// What every browser takes for this machine.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Paths that tell nobody anything, and are asked for by addresses that nobody knows before.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// The names that requests may have in `Host`.
#[derive(Clone, Debug)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// The names of a loopback address, and these, each with or without a port.
    pub fn new(names: &[String]) -> Self {
        let loopback = LOOPBACK.iter().map(|name| (*name).to_owned());
        let names = names.iter().map(|name| name.trim().to_ascii_lowercase());
        Self(loopback.chain(names).collect())
    }

    fn know(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let name = match host.rsplit_once(':') {
            // Not in the middle of an address of IPv6.
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &host,
        };
        self.0.iter().any(|known| *known == host || known == name)
    }
}

/// Answers requests that mean this service; `hosts` are its names, none when it goes by any.
pub(super) async fn refuse_others(hosts: Option<Hosts>, request: Request, next: Next) -> Response {
    let named = request
        .headers()
        .get(header::HOST)
        .map(|host| host.as_bytes());
    let in_path = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    let is_known = |host: &[u8]| match (&hosts, str::from_utf8(host)) {
        (None, _) => true,
        (Some(hosts), Ok(host)) => hosts.know(host),
        (Some(_), Err(_)) => false,
    };
    // Whoever sends no name is no browser.
    let is_ours = [named, in_path].into_iter().flatten().all(is_known);
    if is_ours || PROBES.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected request",
        "this service does not go by the name in `Host`: ask it as localhost, or name its host in `serve.hosts`",
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_with_and_without_its_port() {
        let hosts = Hosts::new(&["Db.Example".to_owned(), "other:9002".to_owned()]);
        for known in [
            "localhost",
            "LOCALHOST:9002",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:9002",
            "db.example:9002",
            "other:9002",
        ] {
            assert!(hosts.know(known), "{known}");
        }
        for unknown in [
            "evil.example",
            "evil.example:9002",
            "other",
            "other:1",
            "",
            "localhost.evil.example",
            "::1",
        ] {
            assert!(!hosts.know(unknown), "{unknown}");
        }
    }
}
