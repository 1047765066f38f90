//! One connection: how it is opened, proved and ended, and how a running statement is interrupted from outside.
//!
//! The protocol: <https://www.postgresql.org/docs/current/protocol-flow.html>. Its messages are written and read by
//! `postgres-protocol`. `tokio-postgres` on top of that would hide what a migration needs: results in the database's own
//! text, the state of the transaction after each statement, and portals that are read in portions.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use rustix::net::sockopt;

use super::super::{Error, ErrorKind, Result};
use super::address::{Address, Endpoint, SslMode};
use super::binding::Binding;
use super::errors;
use super::lexer::Rules;
use super::patience::{Patience, Patiently};
use super::prepared::PreparedStatements;
use super::required::Method;
use super::socket::Socket;
use super::tls;
use super::wire::Wire;

/// The longest message that is read before the session's own limit is known: rows are not among them.
const LONGEST_GREETING: usize = 1 << 20;

/// How long a connection says nothing before the system asks whether the other machine is still there.
const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(30);

/// How long it waits for an answer to that before it asks again.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How often it asks before the connection is given up.
const KEEP_ALIVE_TRIES: u32 = 3;

const STANDARD_STRINGS: &str = "standard_conforming_strings";

/// Whether transactions may not write unless they ask for it.
pub(super) const READ_ONLY: &str = "default_transaction_read_only";

/// The settings of which the host remembers whether they are on, as the server tells.
const PARAMETERS: [&str; 2] = [STANDARD_STRINGS, READ_ONLY];

/// How long a server's process may take to end after it was said good-bye to.
const HANGING_UP: Duration = Duration::from_secs(1);

/// What a server may not go beyond.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The longest message, in bytes.
    pub(super) most_message: usize,
    /// How long it may say nothing to a question.
    pub(super) longest_silence: Duration,
}

/// An open connection.
pub(super) struct Connection {
    pub(super) wire: Wire,
    pub(super) canceller: Canceller,
    /// What the server told of its settings.
    pub(super) parameters: HashMap<&'static str, bool>,
    /// How the server reads strings where no step has set anything else.
    pub(super) rules: Rules,
    /// The state of the transaction when the server was last ready: `I` none, `T` open, `E` failed.
    pub(super) status: u8,
    /// What it calls types that are not built in, by number and modifier.
    pub(super) type_names: HashMap<(u32, i32), String>,
    pub(super) prepared: PreparedStatements,
    /// Whether nobody was found to stand between the host and the server's process.
    pub(super) is_direct: bool,
}

impl Connection {
    /// Connects to the first of the address's servers.
    pub(super) fn open(address: &Address, bounds: Bounds, patience: &Patience) -> Result<Self> {
        let cannot = |error: &dyn std::fmt::Display| {
            Error::new(
                ErrorKind::Unavailable,
                format!("cannot connect to {address}: {error}"),
            )
        };
        let socket = reach(address, patience).map_err(|error| cannot(&error))?;
        let (socket, tls) = secure(socket, address, patience).map_err(|error| cannot(&error))?;
        let most_message = LONGEST_GREETING.max(bounds.most_message);
        let mut connection = Self {
            wire: Wire::new(socket, tls, most_message, bounds.longest_silence),
            canceller: Canceller {
                address: address.clone(),
                process: 0,
                secret: 0,
            },
            parameters: HashMap::new(),
            rules: Rules::default(),
            status: b'I',
            type_names: HashMap::new(),
            prepared: PreparedStatements::default(),
            is_direct: false,
        };
        connection
            .greet(address, patience)
            .map_err(|error| match error {
                Refused::Io(error) => cannot(&error),
                Refused::Database(error) => Error {
                    kind: ErrorKind::Unavailable,
                    message: format!("cannot connect to {address}: {}", error.message),
                    ..error
                },
            })?;
        Ok(connection)
    }

    fn greet(
        &mut self,
        address: &Address,
        patience: &Patience,
    ) -> std::result::Result<(), Refused> {
        let mut parameters = vec![
            ("user", address.user.as_str()),
            ("database", &address.database),
            ("client_encoding", "UTF8"),
        ];
        parameters.extend(
            address
                .options
                .as_deref()
                .map(|options| ("options", options)),
        );
        parameters.push((
            "application_name",
            address.application_name.as_deref().unwrap_or("wasmigrate"),
        ));
        frontend::startup_message(parameters, &mut self.wire.outgoing)?;
        let mut wait = || patience.check();
        let password = || -> std::result::Result<String, Refused> {
            let variable = |name: &str| std::env::var(name).ok();
            let password = address.password(&variable).map_err(io::Error::other)?;
            Ok(password.ok_or_else(|| {
                io::Error::other("the server asks for a password: put it into PGPASSWORD, `postgres.password_file` or ~/.pgpass")
            })?)
        };
        let mut scram = None;
        // What the server asked for, and whether it has proved that it knows the password itself.
        let (mut asked, mut is_proved) = (Method::None, false);
        loop {
            match self.wire.receive(&mut wait)? {
                Message::AuthenticationOk => {
                    address.required.allow(asked).map_err(io::Error::other)?;
                    if asked != Method::Scram && address.binding == Binding::Require {
                        return Err(io::Error::other(
                            "the server asks for no proof that can be bound to its certificate, which `channel_binding=require` asks for",
                        )
                        .into());
                    }
                    if asked == Method::Scram && !is_proved {
                        return Err(io::Error::other(
                            "the server lets everybody in without proving that it knows the password: it may be another one",
                        )
                        .into());
                    }
                }
                Message::AuthenticationCleartextPassword => {
                    asked = Method::Password;
                    address.required.allow(asked).map_err(io::Error::other)?;
                    let is_private = self.wire.is_encrypted()
                        || matches!(address.endpoint, Endpoint::Unix(..))
                        || address.required.names(Method::Password);
                    if !is_private {
                        return Err(io::Error::other(
                            "the server asks for the password in clear, which everybody on the way could read: it is not sent \
                             without TLS (`sslmode=require`, better `verify-full`), unless `require_auth=password` says so",
                        )
                        .into());
                    }
                    frontend::password_message(password()?.as_bytes(), &mut self.wire.outgoing)?;
                }
                Message::AuthenticationMd5Password(body) => {
                    asked = Method::Md5;
                    address.required.allow(asked).map_err(io::Error::other)?;
                    let hash =
                        md5_hash(address.user.as_bytes(), password()?.as_bytes(), body.salt());
                    frontend::password_message(hash.as_bytes(), &mut self.wire.outgoing)?;
                }
                Message::AuthenticationSasl(body) => {
                    asked = Method::Scram;
                    address.required.allow(asked).map_err(io::Error::other)?;
                    let offers =
                        |wanted: &str| body.mechanisms().any(|mechanism| Ok(mechanism == wanted));
                    if !offers(SCRAM_SHA_256)? {
                        return Err(io::Error::other(
                            "the server asks for a proof that is not known here",
                        )
                        .into());
                    }
                    let chosen = address
                        .binding
                        .choose(offers(SCRAM_SHA_256_PLUS)?, self.wire.certificate());
                    let (mechanism, binding) = chosen.ok_or_else(|| {
                        io::Error::other(
                            "the proof cannot be bound to the server's certificate, which `channel_binding=require` asks for",
                        )
                    })?;
                    let exchange = ScramSha256::new(password()?.as_bytes(), binding);
                    frontend::sasl_initial_response(
                        mechanism,
                        exchange.message(),
                        &mut self.wire.outgoing,
                    )?;
                    scram = Some(exchange);
                }
                Message::AuthenticationSaslContinue(body) => {
                    let exchange = scram.as_mut().ok_or_else(unexpected)?;
                    exchange.update(body.data())?;
                    frontend::sasl_response(exchange.message(), &mut self.wire.outgoing)?;
                }
                Message::AuthenticationSaslFinal(body) => {
                    scram.as_mut().ok_or_else(unexpected)?.finish(body.data())?;
                    is_proved = true;
                }
                Message::BackendKeyData(body) => {
                    self.canceller.process = body.process_id();
                    self.canceller.secret = body.secret_key();
                }
                Message::ParameterStatus(body) => self.note_parameter(body.name()?, body.value()?),
                Message::ErrorResponse(body) => {
                    return Err(Refused::Database(errors::translate(&mut body.fields())?));
                }
                Message::ReadyForQuery(body) => {
                    self.status = body.status();
                    self.rules = self.current_rules();
                    return Ok(());
                }
                Message::NoticeResponse(_) => {}
                _ => {
                    return Err(io::Error::other(
                        "the server asks for a proof that is not known here",
                    )
                    .into());
                }
            }
        }
    }

    /// Takes note of one of the [`PARAMETERS`]; a server may tell of as many others as it likes.
    pub(super) fn note_parameter(&mut self, name: &str, value: &str) {
        if let Some(name) = PARAMETERS.iter().find(|known| **known == name) {
            self.parameters.insert(name, value == "on");
        }
    }

    /// How the server reads strings now.
    pub(super) fn current_rules(&self) -> Rules {
        let strings = self.parameters.get(STANDARD_STRINGS);
        Rules {
            standard_strings: strings.is_none_or(|is_on| *is_on),
        }
    }

    /// Says good-bye.
    pub(super) fn close(mut self) {
        frontend::terminate(&mut self.wire.outgoing);
        let mut wait = || Err(io::ErrorKind::TimedOut.into());
        // Whether it is heard does not matter.
        let _ = self.wire.receive(&mut wait);
    }

    /// The same, and waits until the server's process has left its database, for as long as that may take.
    pub(super) fn close_and_wait(mut self) {
        frontend::terminate(&mut self.wire.outgoing);
        let give_up = Instant::now() + HANGING_UP;
        let mut wait = || match Instant::now() < give_up {
            true => Ok(()),
            false => Err(io::ErrorKind::TimedOut.into()),
        };
        // The next thing that is heard is the end of the connection.
        let _ = self.wire.receive(&mut wait);
    }
}

/// What it takes to interrupt a connection's statement.
#[derive(Clone, Debug)]
pub(super) struct Canceller {
    address: Address,
    pub(super) process: i32,
    secret: i32,
}

impl Canceller {
    /// Asks the server to end the statement that the connection waits for. Returns when it was told to, so that no later
    /// statement is hit.
    pub(super) fn interrupt(&self) -> io::Result<()> {
        let patience = Patience::brief(self.address.connect_timeout);
        let socket = reach(&self.address, &patience)?;
        let (mut socket, tls) =
            secure(socket, &self.address, &patience).map_err(io::Error::other)?;
        let mut socket = Patiently {
            socket: &mut socket,
            patience: &patience,
        };
        let mut message = BytesMut::new();
        frontend::cancel_request(self.process, self.secret, &mut message);
        let mut nothing = [0];
        match tls {
            Some(tls) => {
                let mut stream = rustls::StreamOwned::new(tls, socket);
                stream.write_all(&message)?;
                stream.flush()?;
                // The server hangs up when it is done.
                let _ = stream.read(&mut nothing);
            }
            None => {
                socket.write_all(&message)?;
                let _ = socket.read(&mut nothing);
            }
        }
        Ok(())
    }
}

/// Why the server did not let us in.
enum Refused {
    Io(io::Error),
    Database(Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn unexpected() -> io::Error {
    io::Error::other("the server answers out of turn")
}

/// Opens a socket, which does not block.
fn reach(address: &Address, patience: &Patience) -> io::Result<Socket> {
    let socket = open_socket(address, patience)?;
    socket.set_non_blocking()?;
    Ok(socket)
}

fn open_socket(address: &Address, patience: &Patience) -> io::Result<Socket> {
    match &address.endpoint {
        Endpoint::Unix(directory, port) => {
            UnixStream::connect(directory.join(format!(".s.PGSQL.{port}"))).map(Socket::Unix)
        }
        Endpoint::Tcp(host, port) => {
            let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
            for resolved in (host.as_str(), *port).to_socket_addrs()? {
                match patience.connect(resolved) {
                    Ok(socket) => {
                        socket.set_nodelay(true)?;
                        keep_alive(&socket)?;
                        return Ok(Socket::Tcp(socket));
                    }
                    Err(error) => failed = error,
                }
            }
            Err(failed)
        }
    }
}

/// Lets the system notice a machine that is gone.
fn keep_alive(socket: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEP_ALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEP_ALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(socket, KEEP_ALIVE_TRIES)?;
    // The same time for what was sent and is not received.
    #[cfg(target_os = "linux")]
    {
        let most = KEEP_ALIVE_IDLE + KEEP_ALIVE_INTERVAL * KEEP_ALIVE_TRIES;
        let milliseconds = u32::try_from(most.as_millis()).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(socket, milliseconds)?;
    }
    Ok(())
}

/// Asks for TLS as the address says, and shakes hands.
fn secure(
    mut socket: Socket,
    address: &Address,
    patience: &Patience,
) -> std::result::Result<(Socket, Option<rustls::ClientConnection>), String> {
    let Endpoint::Tcp(host, _) = &address.endpoint else {
        return Ok((socket, None));
    };
    if address.ssl_mode == SslMode::Disable {
        return Ok((socket, None));
    }
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    let mut answer = [0];
    let mut patiently = Patiently {
        socket: &mut socket,
        patience,
    };
    patiently
        .write_all(&request)
        .and_then(|()| patiently.read_exact(&mut answer))
        .map_err(|error| format!("the server does not say whether it speaks TLS: {error}"))?;
    match (answer, address.ssl_mode) {
        ([b'S'], mode) => {
            let mut tls = tls::client(host, mode, address.root_certificate.as_deref())?;
            while tls.is_handshaking() {
                tls.complete_io(&mut patiently)
                    .map_err(|error| format!("TLS: {error}"))?;
            }
            Ok((socket, Some(tls)))
        }
        (_, SslMode::Prefer) => Ok((socket, None)),
        _ => Err("the server does not speak TLS, which `sslmode` asks for".to_owned()),
    }
}
