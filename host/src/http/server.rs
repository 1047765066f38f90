//! Takes connections, as many as can be served, and ends them in good order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use super::connections::Connections;
use super::pushed::Pushed;
use super::unparsable::Worded;

/// What the server bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, of one address half of them. More get the answer to come back later; stops a flood from taking all
    /// file descriptors, and one client from taking all connections.
    pub connections: usize,
    /// How long a client may take to send the head of a request, and how long a connection may be idle. Stops slow
    /// senders from holding connections.
    pub header_wait: Duration,
    /// How long an answer may be stuck because its client does not read. Stops slow readers from holding connections.
    pub write_wait: Duration,
    /// Connections beyond the limit that are looked at: those that ask how the service is are answered.
    pub probes: usize,
    /// How long answers that are being written may take once the server has to stop.
    pub stop_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            header_wait: Duration::from_secs(10),
            write_wait: Duration::from_secs(10),
            probes: 256,
            stop_wait: Duration::from_millis(300),
        }
    }
}

/// What a connection beyond the limit is answered with.
const REFUSAL: &str =
    r#"{"success":false,"message":"There are too many connections; come back in a second."}"#;

/// How long to wait after the system could not accept a connection, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stopped` is ready; then takes no more connections, and lets go of those it has. May be dropped: answers
/// that are being written are cut off.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stopped: impl Future<Output = ()>,
) {
    let connections = Connections::new(limits.connections);
    let probes = Connections::new(limits.probes);
    let graceful = GracefulShutdown::new();
    tokio::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => break,
        };
        let (connection, address): (TcpStream, SocketAddr) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(seat) = connections.take(address.ip()) else {
            tracing::debug!(%address, "too many connections");
            match probes.take(address.ip()) {
                Some(seat) => {
                    let router = router.clone();
                    tokio::spawn(async move {
                        match is_probe(&connection).await {
                            true => {
                                let _ = connect(connection, address, router, limits, false).await;
                            }
                            false => refuse(connection, LINGER).await,
                        }
                        drop(seat);
                    });
                }
                None => {
                    tokio::spawn(refuse(connection, Duration::ZERO));
                }
            }
            continue;
        };
        let connection = connect(connection, address, router.clone(), limits, true);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // What clients do to their connections is their business.
            let _ = connection.await;
            drop(seat);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(limits.stop_wait, graceful.shutdown()).await;
}

/// The requests and answers of one connection.
fn connect(
    connection: TcpStream,
    address: SocketAddr,
    router: Router,
    limits: Limits,
    keeps: bool,
) -> impl GracefulConnection<Error = hyper::Error> + Send + use<> {
    let service = TowerToHyperService::new(
        router
            .map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(ConnectInfo(address));
                request.map(Body::new)
            })
            .map_err(|error: Infallible| match error {}),
    );
    let connection = Worded::new(Pushed::new(connection, limits.write_wait));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_wait)
        .keep_alive(keeps)
        .serve_connection(TokioIo::new(connection), service)
}

/// How long a connection beyond the limit may take to say that it only asks how the service is. A machine that has much to do
/// takes its time to send it.
const PROBE_WAIT: Duration = Duration::from_secs(1);

/// How long what a refused client still sends is taken, so that it reads why.
const LINGER: Duration = Duration::from_millis(500);

/// Whether a client asks how the service is: orchestrators end one that does not answer.
async fn is_probe(connection: &TcpStream) -> bool {
    let mut head = [0; 16];
    let peeked = tokio::time::timeout(PROBE_WAIT, connection.peek(&mut head)).await;
    let Ok(Ok(length)) = peeked else { return false };
    let head = head.get(..length).unwrap_or_default();
    [&b"GET /healthz "[..], b"GET /readyz "]
        .iter()
        .any(|probe| head.starts_with(probe))
}

/// Says no without waiting for anything of the client's, but for the end of what it sends: a connection that is closed while
/// something is unread is reset, and the answer may be lost.
async fn refuse(mut connection: TcpStream, linger: Duration) {
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Retry-After: 1\r\nConnection: close\r\n\r\n{REFUSAL}",
        REFUSAL.len()
    );
    let _ = tokio::time::timeout(ACCEPT_PAUSE, connection.write_all(answer.as_bytes())).await;
    let _ = connection.shutdown().await;
    let rest = async {
        let mut rest = [0; 4096];
        while matches!(connection.read(&mut rest).await, Ok(1..)) {}
    };
    let _ = tokio::time::timeout(linger, rest).await;
}
