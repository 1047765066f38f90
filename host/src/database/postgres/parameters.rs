//! What a connection string may name: what is understood, what asks for nothing else than what is done, and what is impossible.

/// What a connection string may name.
pub(super) const KNOWN: [&str; 15] = [
    "host",
    "port",
    "user",
    "password",
    "passfile",
    "dbname",
    "sslmode",
    "sslrootcert",
    "require_auth",
    "channel_binding",
    "options",
    "application_name",
    "fallback_application_name",
    "connect_timeout",
    "target_session_attrs",
];

/// What else it may name, with the values that ask for nothing but what is done anyway.
const FIXED: [(&str, &[&str]); 14] = [
    (
        "client_encoding",
        &["utf8", "UTF8", "utf-8", "UTF-8", "auto"],
    ),
    ("gssdelegation", &["0"]),
    ("gssencmode", &["disable", "prefer"]),
    ("keepalives", &["1"]),
    ("load_balance_hosts", &["disable"]),
    ("min_protocol_version", &["3.0"]),
    ("replication", &["false", "off", "no", "0"]),
    ("requiressl", &["0"]),
    ("ssl_min_protocol_version", &["TLSv1", "TLSv1.1", "TLSv1.2"]),
    ("sslcertmode", &["disable", "allow"]),
    ("sslcompression", &["0"]),
    ("sslnegotiation", &["postgres"]),
    ("sslsni", &["1"]),
    ("requirepeer", &[""]),
];

/// What libpq knows and only it can do.
const IMPOSSIBLE: [&str; 17] = [
    "gsslib",
    "hostaddr",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "max_protocol_version",
    "oauth_client_id",
    "oauth_issuer",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslpassword",
    "tcp_user_timeout",
];

/// What other programs read from a URL; they may be named in a message.
const OF_OTHERS: [&str; 10] = [
    "connection_limit",
    "max_conns",
    "pgbouncer",
    "pool_max_conns",
    "pool_timeout",
    "prepareThreshold",
    "socket_timeout",
    "sslaccept",
    "statement_cache_size",
    "uselibpqcompat",
];

/// How similar a name must be to one that is known, so that it can only be meant, from 0 to 1.
const SIMILAR: f64 = 0.85;

/// Whether it is a parameter's name.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
        || FIXED.iter().any(|(known, _)| *known == name)
        || IMPOSSIBLE.contains(&name)
}

/// Why a parameter is refused; none when it asks for what is done anyway. Its value may be a secret.
pub(super) fn objection(name: &str, value: &str) -> Option<String> {
    if let Some((_, values)) = FIXED.iter().find(|(known, _)| *known == name) {
        return (!values.contains(&value)).then(|| {
            format!(
                "the database's `{name}` can only be {} here",
                values.join(" or ")
            )
        });
    }
    Some(match name {
        _ if IMPOSSIBLE.contains(&name) => {
            format!("the database's `{name}` is not possible here: leave it out")
        }
        "schema" | "search_path" | "currentSchema" => format!(
            "the database's URL: `{name}` is not known; write `options=-csearch_path%3DNAME` for the schema"
        ),
        "ssl" => "the database's URL: `ssl` is not known; write `sslmode=require`".to_owned(),
        _ if OF_OTHERS.contains(&name) => format!(
            "the database's URL: `{name}` is not known; there are {}",
            KNOWN.join(", ")
        ),
        _ => unknown(name),
    })
}

/// What is said of a name that nobody knows. It is not quoted: it may be what follows a `&` in a password.
fn unknown(name: &str) -> String {
    let similar = KNOWN
        .into_iter()
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    match similar {
        Some((_, known)) => {
            format!("the database's URL has a parameter that is not known; is `{known}` meant?")
        }
        None => format!(
            "the database's URL has a parameter that is not known (it is not shown, as it may be a part of a password, \
             where & must be %26); there are {}",
            KNOWN.join(", ")
        ),
    }
}
