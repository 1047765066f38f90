//! Where the server is and who connects to it: from the URL, then from the variables and the password file that every
//! client of PostgreSQL knows.
//!
//! The URL's form: <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::binding::Binding;
use super::conninfo;
use super::misplaced;
use super::parameters::{KNOWN, objection};
use super::required::Required;
use crate::input;

const DEFAULT_PORT: u16 = 5432;

/// Where Debian and its relatives keep the server's socket.
const SOCKET_DIRECTORY: &str = "/var/run/postgresql";

/// How much of the transport must be proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SslMode {
    /// No TLS.
    Disable,
    /// TLS when the server offers it; nothing is proved.
    Prefer,
    /// TLS; nothing is proved, unless a root certificate is given.
    Require,
    /// TLS with a certificate of a trusted root.
    VerifyCa,
    /// The same, made out to the host's name.
    VerifyFull,
}

/// How to reach a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// By a host's name or address.
    Tcp(String, u16),
    /// By a socket in this directory.
    Unix(PathBuf, u16),
}

/// All that a connection needs to know.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) endpoint: Endpoint,
    /// Servers to try when that one cannot be reached or is not what is wanted.
    others: Vec<Endpoint>,
    pub(super) wanted: Wanted,
    pub(super) user: String,
    pub(super) database: String,
    password: Option<String>,
    /// The file whose whole content is the password.
    password_file: Option<PathBuf>,
    /// The file of passwords for many addresses, when it is another than the user's own.
    pass_file: Option<PathBuf>,
    pub(super) ssl_mode: SslMode,
    pub(super) root_certificate: Option<PathBuf>,
    /// The ways of proving that the server may ask for.
    pub(super) required: Required,
    /// Whether proofs are bound to the server's certificate.
    pub(super) binding: Binding,
    pub(super) options: Option<String>,
    pub(super) application_name: Option<String>,
    pub(super) connect_timeout: Duration,
}

/// What a server must be to be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Any.
    Any,
    /// No standby.
    Primary,
    /// One whose transactions may write.
    ReadWrite,
}

impl Address {
    /// Reads a connection string; what it leaves open is taken from the `PG…` variables.
    pub(super) fn parse(
        text: &str,
        password_file: Option<&Path>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut said = BTreeMap::new();
        for (name, value) in conninfo::parse(text)? {
            match KNOWN.iter().find(|known| **known == name) {
                // The last word counts.
                Some(known) => _ = said.insert(*known, value),
                None => {
                    if let Some(why) = objection(&name, &value) {
                        return Err(why);
                    }
                }
            }
        }
        // What the string says, or else the first of these variables.
        let mut take = |name: &str, variables: &[&str]| {
            let value = said.remove(name).filter(|value| !value.is_empty());
            let value = value.or_else(|| variables.iter().find_map(|name| variable(name)));
            match &value {
                Some(value) => misplaced::refuse(name, value).map(|()| Some(value.clone())),
                None => Ok(None),
            }
        };
        let user = take("user", &["PGUSER", "USER"])?.ok_or(
            "the database's URL names no user: write postgres://USER@HOST/NAME, or set PGUSER",
        )?;
        let host = take("host", &["PGHOST"])?.unwrap_or_else(|| {
            let has_sockets = Path::new(SOCKET_DIRECTORY).is_dir();
            (if has_sockets {
                SOCKET_DIRECTORY
            } else {
                "localhost"
            })
            .to_owned()
        });
        let port = take("port", &["PGPORT"])?.unwrap_or_default();
        let [endpoint, others @ ..] = &*endpoints(&host, &port)? else {
            return Err("the database's URL names no host".to_owned());
        };
        let connect_timeout = match take("connect_timeout", &["PGCONNECT_TIMEOUT"])? {
            Some(seconds) => match number("connect_timeout", &seconds)? {
                // Without end, as far as anybody waits.
                0 => 3_600,
                seconds => seconds,
            },
            None => 10,
        };
        let wanted = take("target_session_attrs", &["PGTARGETSESSIONATTRS"])?;
        let fallback_name = take("fallback_application_name", &[])?;
        Ok(Self {
            endpoint: endpoint.clone(),
            others: others.to_vec(),
            wanted: wanted_of(wanted.as_deref())?,
            database: take("dbname", &["PGDATABASE"])?.unwrap_or_else(|| user.clone()),
            user,
            password: take("password", &["PGPASSWORD"])?,
            password_file: password_file.map(Path::to_owned),
            pass_file: take("passfile", &["PGPASSFILE"])?.map(PathBuf::from),
            ssl_mode: ssl_mode_of(take("sslmode", &["PGSSLMODE"])?.as_deref())?,
            root_certificate: take("sslrootcert", &["PGSSLROOTCERT"])?.map(PathBuf::from),
            required: take("require_auth", &["PGREQUIREAUTH"])?
                .filter(|methods| !methods.is_empty())
                .map(|methods| Required::parse(&methods))
                .transpose()?
                .unwrap_or_default(),
            binding: Binding::parse(take("channel_binding", &["PGCHANNELBINDING"])?.as_deref())?,
            options: take("options", &["PGOPTIONS"])?,
            application_name: take("application_name", &["PGAPPNAME"])?.or(fallback_name),
            connect_timeout: Duration::from_secs(connect_timeout),
        })
    }

    /// The same with each of its servers alone, in their order.
    pub(super) fn each(&self) -> impl Iterator<Item = Self> + '_ {
        let all = std::iter::once(&self.endpoint).chain(&self.others);
        all.map(|endpoint| Self {
            endpoint: endpoint.clone(),
            others: Vec::new(),
            ..self.clone()
        })
    }

    /// The password: from the URL or `PGPASSWORD`, then the file that the settings name, then `.pgpass`.
    pub(super) fn password(
        &self,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<String>, String> {
        if let Some(password) = &self.password {
            return Ok(Some(password.clone()));
        }
        if let Some(file) = &self.password_file {
            let text = input::read_text(file).map_err(|error| {
                format!(
                    "cannot read the database's password from {}: {error}",
                    file.display()
                )
            })?;
            return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
        }
        let named = self.pass_file.clone();
        let file = named.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".pgpass")));
        let Some(file) = file.filter(|file| file.is_file()) else {
            return Ok(None);
        };
        if is_open_to_others(&file) {
            return Err(format!(
                "{} can be read by others, so that it is not used: `chmod 600 {}`",
                file.display(),
                file.display()
            ));
        }
        let text = input::read_text(&file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        Ok(text.lines().find_map(|line| self.password_in(line)))
    }

    /// The password in one line `host:port:database:user:password`, when it is meant for this address.
    /// <https://www.postgresql.org/docs/current/libpq-pgpass.html>
    fn password_in(&self, line: &str) -> Option<String> {
        if line.starts_with('#') {
            return None;
        }
        let mut fields = vec![String::new()];
        let mut characters = line.chars();
        while let Some(character) = characters.next() {
            match character {
                ':' if fields.len() < 5 => fields.push(String::new()),
                '\\' => fields.last_mut()?.extend(characters.next()),
                other => fields.last_mut()?.push(other),
            }
        }
        let [host, port, database, user, password] = <[String; 5]>::try_from(fields).ok()?;
        let (ours, our_port) = match &self.endpoint {
            Endpoint::Tcp(host, port) => (host.clone(), port),
            Endpoint::Unix(directory, port) if directory == Path::new(SOCKET_DIRECTORY) => {
                ("localhost".to_owned(), port)
            }
            Endpoint::Unix(directory, port) => (directory.display().to_string(), port),
        };
        let fits = |field: &str, value: &str| field == "*" || field == value;
        (fits(&host, &ours)
            && fits(&port, &our_port.to_string())
            && fits(&database, &self.database)
            && fits(&user, &self.user))
        .then_some(password)
    }
}

impl fmt::Display for Address {
    /// The URL, without any secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, database, .. } = self;
        match &self.endpoint {
            Endpoint::Unix(directory, port) if self.others.is_empty() => {
                write!(
                    formatter,
                    "postgres://{user}@/{database}?host={}&port={port}",
                    directory.display()
                )
            }
            first => {
                let all = std::iter::once(first).chain(&self.others);
                let all: Vec<String> = all.map(shown).collect();
                write!(formatter, "postgres://{user}@{}/{database}", all.join(","))
            }
        }
    }
}

fn shown(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
        Endpoint::Tcp(host, port) => format!("{host}:{port}"),
        Endpoint::Unix(directory, port) => {
            let directory = directory.display().to_string();
            format!("{}:{port}", directory.replace('/', "%2F"))
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The servers that hosts and ports name: as many ports as hosts, or one for all, or none.
fn endpoints(hosts: &str, ports: &str) -> Result<Vec<Endpoint>, String> {
    let hosts: Vec<&str> = hosts.split(',').map(str::trim).collect();
    let ports: Vec<&str> = ports.split(',').map(str::trim).collect();
    if ports.len() > 1 && ports.len() != hosts.len() {
        return Err(format!(
            "the database has {} hosts and {} ports: give one port, or one for each host",
            hosts.len(),
            ports.len()
        ));
    }
    let endpoint = |(place, host): (usize, &&str)| {
        let port = match ports.get(place).or(ports.first()) {
            None | Some(&"") => DEFAULT_PORT,
            Some(port) => number("port", port)?,
        };
        Ok(match *host {
            "" => Endpoint::Tcp("localhost".to_owned(), port),
            host if host.starts_with('/') => Endpoint::Unix(host.into(), port),
            host => Endpoint::Tcp(host.to_owned(), port),
        })
    };
    hosts.iter().enumerate().map(endpoint).collect()
}

/// A number; what stands in its place may be a secret.
fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("the database's {name} is no number that fits"))
}

fn wanted_of(name: Option<&str>) -> Result<Wanted, String> {
    match name {
        None | Some("any") => Ok(Wanted::Any),
        Some("primary") => Ok(Wanted::Primary),
        Some("read-write") => Ok(Wanted::ReadWrite),
        Some(_) => Err(
            "the database's target_session_attrs can be any, primary or read-write: a migration needs a server that it can \
             write to"
                .to_owned(),
        ),
    }
}

fn ssl_mode_of(name: Option<&str>) -> Result<SslMode, String> {
    match name {
        None | Some("prefer" | "allow") => Ok(SslMode::Prefer),
        Some("disable") => Ok(SslMode::Disable),
        Some("require") => Ok(SslMode::Require),
        Some("verify-ca") => Ok(SslMode::VerifyCa),
        Some("verify-full") => Ok(SslMode::VerifyFull),
        Some(_) => Err(
            "the database's sslmode is not known; there are disable, allow, prefer, require, verify-ca and verify-full"
                .to_owned(),
        ),
    }
}

#[cfg(unix)]
fn is_open_to_others(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|data| data.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_file: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, variables: &[(&str, &str)]) -> Result<Address, String> {
        let find = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Address::parse(url, None, &find)
    }

    #[test]
    fn a_url_says_it_all_and_never_shows_its_password() {
        let address = parse("postgres://ada:p%40ss@db.example:6432/shop?sslmode=verify-full&options=-csearch_path%3Dapp", &[]).unwrap();
        assert_eq!(address.endpoint, Endpoint::Tcp("db.example".into(), 6432));
        assert_eq!(address.password(&|_| None).unwrap().unwrap(), "p@ss");
        assert_eq!(address.ssl_mode, SslMode::VerifyFull);
        assert_eq!(address.options.as_deref(), Some("-csearch_path=app"));
        assert_eq!(address.to_string(), "postgres://ada@db.example:6432/shop");
        assert!(!format!("{address:?}").contains("p@ss"));
    }

    #[test]
    fn variables_fill_the_gaps() {
        let address = parse(
            "postgres://",
            &[
                ("PGUSER", "ada"),
                ("PGHOST", "/tmp/s"),
                ("PGPORT", "5433"),
                ("PGPASSWORD", "x"),
            ],
        )
        .unwrap();
        assert_eq!(address.endpoint, Endpoint::Unix("/tmp/s".into(), 5433));
        assert_eq!(address.database, "ada");
        assert_eq!(address.password(&|_| None).unwrap().unwrap(), "x");
        assert!(
            parse("postgres://h/d?sslmod=x", &[("USER", "a")])
                .unwrap_err()
                .contains("is `sslmode` meant?")
        );
        assert!(
            parse("postgres://h/d", &[])
                .unwrap_err()
                .contains("names no user")
        );
    }

    #[test]
    fn the_password_file_is_read_field_by_field() {
        let address = parse("postgres://ada@h/d", &[]).unwrap();
        assert_eq!(
            address.password_in("h:5432:d:ada:a\\:b:c").unwrap(),
            "a:b:c"
        );
        assert_eq!(address.password_in("*:*:*:ada:x").unwrap(), "x");
        assert_eq!(address.password_in("h:5433:d:ada:x"), None);
        assert_eq!(address.password_in("#h:5432:d:ada:x"), None);
    }
}
