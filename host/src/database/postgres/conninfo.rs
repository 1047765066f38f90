//! Connection strings of PostgreSQL, taken apart: URLs and `key=value` pairs.
//!
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>
//!
//! An error never quotes what could be a part of a password, however badly the string is written.

use super::misplaced::refuse_in_user;

const MUST_BE_ENCODED: &str = "a user, a password or a name with @ : / # ? or % in it must be percent-encoded (@ is %40, : is %3A, \
                               / is %2F, # is %23, ? is %3F, % is %25)";

/// What a connection string says, in its order.
pub(super) type Pairs = Vec<(String, String)>;

/// Whether a text is a connection string in one of the two forms, as far as its beginning tells.
pub(crate) fn is_conninfo(text: &str) -> bool {
    is_url(text)
        || text.split_once('=').is_some_and(|(name, _)| {
            let name = name.trim();
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        })
}

fn is_url(text: &str) -> bool {
    ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
}

/// Takes a connection string apart.
pub(super) fn parse(text: &str) -> Result<Pairs, String> {
    match text.split_once("://") {
        Some((_, rest)) if is_url(text) => url(rest),
        _ => pairs(text),
    }
}

/// A URL without its scheme.
fn url(rest: &str) -> Result<Pairs, String> {
    let unclear = || format!("the database's URL cannot be taken apart: {MUST_BE_ENCODED}");
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).ok_or_else(unclear)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    // What looks like a name or a parameter may be the rest of a password.
    let is_unclear = authority.matches('@').count() > 1
        || path.contains(['@', '#', ':'])
        || query.contains(['#', '?'])
        || path.matches('/').count() > 1;
    if is_unclear {
        return Err(unclear());
    }
    let mut pairs = Pairs::new();
    let mut add = |name: &str, value: &str| -> Result<(), String> {
        if !value.is_empty() {
            pairs.push((name.to_owned(), decoded(value)?));
        }
        Ok(())
    };
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (user, hosts),
        None => ("", authority),
    };
    let (user, password) = match user.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (user, None),
    };
    add("user", user)?;
    if let Some(password) = password {
        add("password", password)?;
    }
    let (hosts, ports) = hosts_and_ports(hosts)?;
    add("host", &hosts)?;
    if ports.chars().any(|letter| letter != ',') {
        add("port", &ports)?;
    }
    add("dbname", path.trim_start_matches('/'))?;
    let has_at = query.contains('@');
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(unclear)?;
        let is_plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if name.is_empty() || !is_plain || (has_at && !super::parameters::is_known(name)) {
            return Err(unclear());
        }
        refuse_in_user(name, value)?;
        let value = match name {
            // So do forms write a space.
            "options" => value.replace('+', "%20"),
            _ => value.to_owned(),
        };
        pairs.push((name.to_owned(), decoded(&value)?));
    }
    Ok(pairs)
}

/// The hosts and the ports of an authority, each with commas in between.
fn hosts_and_ports(text: &str) -> Result<(String, String), String> {
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    for one in text.split(',') {
        let (host, port) = match one.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest
                    .split_once(']')
                    .ok_or("the database's URL: the bracket of an address is not closed")?;
                (host, after.strip_prefix(':').unwrap_or(after))
            }
            None => one.split_once(':').unwrap_or((one, "")),
        };
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!(
                "the database's URL: what comes after the host is no port; {MUST_BE_ENCODED}"
            ));
        }
        hosts.push(host);
        ports.push(port);
    }
    Ok((hosts.join(","), ports.join(",")))
}

/// A part of a URL without its percent signs.
fn decoded(part: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let byte = tail
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .filter(|byte| *byte != 0)
            .ok_or_else(|| {
                format!(
                    "the database's URL has a percent sign that encodes nothing; {MUST_BE_ENCODED}"
                )
            })?;
        bytes.push(byte);
        rest = tail.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes)
        .map_err(|_| "the database's URL is not UTF-8 when it is decoded".to_owned())
}

/// Pairs such as `host=db.example dbname='my shop'`.
fn pairs(text: &str) -> Result<Pairs, String> {
    let mut pairs = Pairs::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(
            "the database's connection string: a name has no value; a value with a space must be in single quotes",
        )?;
        let name = name.trim_end();
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Err(
                "the database's connection string: a pair has no name; a value with a space must be in single quotes".to_owned(),
            );
        }
        let (value, after) = conninfo_value(after.trim_start())
            .ok_or("the database's connection string: the single quotes of a value do not end")?;
        let is_after_password = pairs.iter().any(|(name, _)| name == "password");
        if is_after_password && !super::parameters::is_known(name) {
            return Err(
                "the database's connection string: a name after the password is not known; a value with a space must be in \
                 single quotes"
                    .to_owned(),
            );
        }
        refuse_in_user(name, &value)?;
        pairs.push((name.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// The value that a text begins with, and what comes after it; none when its quotes do not end.
pub(crate) fn conninfo_value(text: &str) -> Option<(String, &str)> {
    let quoted = text.strip_prefix('\'');
    let mut value = String::new();
    let mut characters = quoted.unwrap_or(text).chars();
    loop {
        let rest = characters.as_str();
        match characters.next() {
            Some('\\') => value.extend(characters.next()),
            Some('\'') if quoted.is_some() => return Some((value, characters.as_str())),
            Some(space) if quoted.is_none() && space.is_whitespace() => return Some((value, rest)),
            Some(other) => value.push(other),
            None if quoted.is_some() => return None,
            None => return Some((value, "")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let pairs = parse(text).unwrap();
        let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn urls_are_taken_apart_as_libpq_does() {
        for (url, pairs) in [
            ("postgres://", ""),
            ("postgresql://h", "host=h"),
            (
                "postgres://ada:p%40ss@db.example:6432/shop?sslmode=require",
                "user=ada password=p@ss host=db.example port=6432 dbname=shop sslmode=require",
            ),
            (
                "postgres://a,b:2,[::1]:3/d",
                "host=a,b,::1 port=,2,3 dbname=d",
            ),
            (
                "postgres://ada@/d?host=/var/run/postgresql&port=5432",
                "user=ada dbname=d host=/var/run/postgresql port=5432",
            ),
            ("postgres://ada@%2Ftmp/d", "user=ada host=/tmp dbname=d"),
            (
                "postgres:///d?user=ada@corp&password=a+b",
                "dbname=d user=ada@corp password=a+b",
            ),
            (
                "postgres://h?options=-c+search_path%3Da",
                "host=h options=-c search_path=a",
            ),
            (
                "postgres://ada:a:b@h/d",
                "user=ada password=a:b host=h dbname=d",
            ),
        ] {
            assert_eq!(read(url), pairs, "{url}");
        }
    }

    #[test]
    fn pairs_are_taken_apart_as_libpq_does() {
        assert_eq!(
            read(r"host=h  user = ada password='it\'s a \\ secret' dbname=shop"),
            r"host=h user=ada password=it's a \ secret dbname=shop"
        );
        assert!(is_conninfo("host=h dbname=d") && is_conninfo("postgres://h"));
        assert!(!is_conninfo("app.db") && !is_conninfo("sqlite:a=b"));
    }

    #[test]
    fn no_error_quotes_a_password() {
        for text in [
            "postgres://app:geheim@sesam/oeffnedich@127.0.0.1:1/t",
            "postgres://app:geheim@sesam@127.0.0.1/t",
            "postgres://app:ge/heim@h/t",
            "postgres://app:ge?heim@h/t",
            "postgres://app:ge?heim=geheim@h/t",
            "postgres://app:ge#heim@h/t",
            "postgres://app:geheim",
            "postgres://app:geheim/t",
            "postgres://app:geheim%zz@h/t",
            "postgres://app:geheim%@h/t",
            "postgres://app:x@h:geheim/t",
            "postgres://app:x@h/t?geheim",
            "postgres://app:x@h/t/geheim@i/u",
            "password=a geheim",
            "password=a geheim=b",
            "password='geheim",
            "password=a b geheim=b",
            "=geheim",
            "host=h user=u:geheim",
            "postgres:///d?user=u:geheim",
        ] {
            let error = parse(text).unwrap_err();
            for part in ["geheim", "heim", "sesam", "oeffnedich"] {
                assert!(!error.contains(part), "{text}: {error}");
            }
        }
    }
}
