//! PostgreSQL's own program that writes a database down. It connects for itself, under the same conditions as the host does: a
//! proof of the password is worth as little as the weakest way to get it.
//! <https://www.postgresql.org/docs/current/libpq-connect.html>

use std::io;
use std::net::IpAddr;
use std::process::Command;

use super::super::{Error, ErrorKind, Result};
use super::address::{Address, Endpoint, SslMode, Wanted};
use super::binding::Binding;
use super::pool::Postgres;
use super::required::Method;

/// The program, which must be as new as the server.
pub(super) const PROGRAM: &str = "pg_dump";

/// The first version that can be told which proofs of the password to give.
const KNOWS_REQUIRED: u32 = 16;

/// A file of passwords without any.
const NO_PASSWORDS: &str = "/dev/null";

/// The program with what it needs to connect to this database. Its arguments are there for everybody to see, so that the password
/// is in its environment.
pub(super) fn command(database: &Postgres) -> Result<Command> {
    let address = &database.0.address;
    let failed = |message: String| Error::new(ErrorKind::Unavailable, message);
    let variable = |name: &str| std::env::var(name).ok();
    let password = address.password(&variable).map_err(failed)?;
    let connection = database.connect(&database.brief_patience())?;
    let has_tls = connection.wire.certificate().is_some();
    database.give_back(connection);
    let conditions =
        conditions(address, has_tls, password.is_some(), version()?).map_err(failed)?;
    let mut command = Command::new(PROGRAM);
    command.arg(format!("--dbname={}", conninfo(address, &conditions)));
    // It would look for one by itself.
    command.env("PGPASSFILE", NO_PASSWORDS);
    match password {
        Some(password) => command.env("PGPASSWORD", password),
        None => command.env_remove("PGPASSWORD"),
    };
    Ok(command)
}

/// Why the program cannot be started.
pub(super) fn not_started(error: &io::Error) -> Error {
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!(
            "there is no `{PROGRAM}`, which writes down what a database of PostgreSQL holds: install the package \
             `postgresql-client` (Debian, Ubuntu), `postgresql` (Fedora, Arch) or `libpq` (Homebrew), as new as the server"
        ),
        _ => format!("`{PROGRAM}` cannot be started: {error}"),
    };
    Error::new(ErrorKind::Unavailable, message)
}

/// The program's version.
fn version() -> Result<u32> {
    let said = Command::new(PROGRAM).arg("--version").output();
    let said = said.map_err(|error| not_started(&error))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let mut words = said.split(|letter: char| !letter.is_ascii_digit());
    Ok(words.find_map(|word| word.parse().ok()).unwrap_or(0))
}

/// Under which conditions the program may give the password to a server.
#[derive(Debug, PartialEq, Eq)]
struct Conditions {
    ssl_mode: &'static str,
    required: Option<String>,
    binding: &'static str,
}

fn conditions(
    address: &Address,
    has_tls: bool,
    has_password: bool,
    version: u32,
) -> std::result::Result<Conditions, String> {
    let ssl_mode = match address.ssl_mode {
        // What the server could do for the host, it can do for the program.
        SslMode::Prefer if has_tls => "require",
        SslMode::Disable => "disable",
        SslMode::Prefer => "prefer",
        SslMode::Require => "require",
        SslMode::VerifyCa => "verify-ca",
        SslMode::VerifyFull => "verify-full",
    };
    let binding = match address.binding {
        Binding::Disable => "disable",
        Binding::Prefer => "prefer",
        Binding::Require => "require",
    };
    let conditions = |required: Option<String>, binding| Conditions {
        ssl_mode,
        required,
        binding,
    };
    let named = address.required.text();
    let is_named = named.is_some();
    let must_not_be_clear = !has_tls && address.each().any(|server| is_tcp(&server.endpoint));
    let required = named.or_else(|| must_not_be_clear.then(|| "!password".to_owned()));
    if version >= KNOWS_REQUIRED || required.is_none() || !has_password {
        let known = required.filter(|_| version >= KNOWS_REQUIRED);
        return Ok(conditions(known, binding));
    }
    // A bound proof is one by SCRAM, and needs TLS.
    if has_tls && address.required.is_only(Method::Scram) && address.binding != Binding::Disable {
        return Ok(conditions(None, "require"));
    }
    if !is_named && address.each().all(|server| is_here(&server.endpoint)) {
        return Ok(conditions(None, binding));
    }
    Err(format!(
        "`{PROGRAM}` is of version {version}, and cannot be kept from sending the password in a way that {}: install version \
         {KNOWS_REQUIRED} or newer{}",
        match is_named {
            true => "`require_auth` does not let it",
            false => "others on the network can read",
        },
        match has_tls {
            true => "",
            false => ", or connect with TLS (`sslmode=verify-full`)",
        }
    ))
}

fn is_tcp(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Tcp(..))
}

/// Whether what is sent there does not leave the machine.
fn is_here(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Unix(..) => true,
        Endpoint::Tcp(host, _) => {
            host == "localhost"
                || host
                    .parse()
                    .is_ok_and(|address: IpAddr| address.is_loopback())
        }
    }
}

/// The address for a program that uses libpq, but for the password.
fn conninfo(address: &Address, conditions: &Conditions) -> String {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for server in address.each() {
        let (host, port) = match &server.endpoint {
            Endpoint::Tcp(host, port) => (host.clone(), port),
            Endpoint::Unix(directory, port) => (directory.display().to_string(), port),
        };
        hosts.push(host);
        ports.push(port.to_string());
    }
    let wanted = match address.wanted {
        Wanted::Any => None,
        Wanted::Primary => Some("primary".to_owned()),
        Wanted::ReadWrite => Some("read-write".to_owned()),
    };
    let root = address.root_certificate.as_ref();
    let said = [
        ("host", Some(hosts.join(","))),
        ("port", Some(ports.join(","))),
        ("user", Some(address.user.clone())),
        ("dbname", Some(address.database.clone())),
        ("sslmode", Some(conditions.ssl_mode.to_owned())),
        ("sslrootcert", root.map(|file| file.display().to_string())),
        ("channel_binding", Some(conditions.binding.to_owned())),
        ("require_auth", conditions.required.clone()),
        ("target_session_attrs", wanted),
        ("options", address.options.clone()),
    ];
    let said = said.into_iter().filter_map(|(name, value)| {
        let value = value?.replace('\\', "\\\\").replace('\'', "\\'");
        Some(format!("{name}='{value}'"))
    });
    said.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Address {
        Address::parse(url, None, &|_| None).unwrap()
    }

    #[test]
    fn the_password_is_sent_only_as_the_host_would_send_it() {
        let far = address("postgres://a@db.example/d");
        let near = address("postgres://a@127.0.0.1/d");
        let scram = address("postgres://a@127.0.0.1/d?require_auth=scram-sha-256");
        let of = |address, has_tls, version| conditions(address, has_tls, true, version);
        assert_eq!(of(&far, false, 16).unwrap().required.unwrap(), "!password");
        assert!(of(&far, false, 15).unwrap_err().contains("can read"));
        assert_eq!(of(&far, true, 15).unwrap().ssl_mode, "require");
        assert!(conditions(&far, false, false, 15).is_ok());
        assert_eq!(of(&near, false, 15).unwrap().required, None);
        assert_eq!(of(&scram, true, 15).unwrap().binding, "require");
        assert_eq!(
            of(&scram, false, 16).unwrap().required.unwrap(),
            "scram-sha-256"
        );
        assert!(of(&scram, false, 15).unwrap_err().contains("require_auth"));
    }
}
