//! Connection strings as programs of Go write them, as URLs.
//!
//! A string is either a URL or `key=value` pairs:
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE>. In both, Go's driver `pq`
//! takes a name that it does not know for a setting of the session.

use url::Url;
use url::form_urlencoded::Serializer;

use crate::database::conninfo_value;

/// What a URL of ours may name.
const KNOWN: [&str; 10] = [
    "host",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "sslrootcert",
    "options",
    "application_name",
    "connect_timeout",
];

/// What says how the other driver talks to the server, and nothing of what it says.
const MEANINGLESS: [&str; 2] = ["binary_parameters", "disable_prepared_binary_result"];

/// What only the other driver can do.
const IMPOSSIBLE: [&str; 6] = [
    "sslcert",
    "sslkey",
    "sslinline",
    "sslpassword",
    "krbsrvname",
    "service",
];

/// The URL that means the same as a connection string, and beside it what `variable` says. An error never quotes the string, which may hold a password.
pub(super) fn url(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let is_url = ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    if is_url {
        let mut url = Url::parse(text).map_err(|error| format!("it is no URL: {error}"))?;
        let pairs = url.query_pairs().into_owned().collect();
        let query = query(pairs)?;
        url.set_query(
            Some(&query)
                .filter(|query| !query.is_empty())
                .map(|it| &**it),
        );
        return Ok(url.into());
    }
    let mut pairs = pairs(text)?;
    // The driver looks for a server on this machine's network, where ours looks for a socket first.
    let has_host = pairs.iter().any(|(name, _)| name == "host");
    if !has_host && variable("PGHOST").is_none() {
        pairs.push(("host".to_owned(), "localhost".to_owned()));
    }
    Ok(format!("postgres:///?{}", query(pairs)?))
}

/// The pairs as a query of ours.
fn query(pairs: Vec<(String, String)>) -> Result<String, String> {
    let mut query = Serializer::new(String::new());
    let mut options = String::new();
    for (name, value) in pairs {
        match &*name {
            "options" => options.insert_str(0, &value),
            known if KNOWN.contains(&known) => {
                query.append_pair(known, &value);
            }
            "fallback_application_name" => {
                query.append_pair("application_name", &value);
            }
            name if MEANINGLESS.contains(&name) => {}
            name if IMPOSSIBLE.contains(&name) => {
                return Err(format!("`{name}` is not possible here"));
            }
            session => {
                let value = value.replace('\\', "\\\\").replace(' ', "\\ ");
                options.push_str(&format!(" -c {session}={value}"));
            }
        }
    }
    if !options.is_empty() {
        query.append_pair("options", options.trim());
    }
    // A plus is no space in a URL of libpq.
    Ok(query.finish().replace('+', "%20"))
}

fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(
            "it is neither a URL (`postgres://…`) nor pairs such as `host=… dbname=…`: a name has no `=` after it",
        )?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err("a pair in it has no name, or a name with a space".to_owned());
        }
        let (value, after) = conninfo_value(after.trim_start())
            .ok_or_else(|| format!("the quotes of `{name}` do not end"))?;
        pairs.push((name.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    fn url(text: &str) -> Result<String, String> {
        super::url(text, &|_| None)
    }

    #[test]
    fn pairs_become_a_url() {
        let text = r"user=ada password = 'it\'s a \\ secret' host=db.example port=55432 dbname=shop sslmode=disable binary_parameters=yes";
        assert_eq!(
            url(text).unwrap(),
            "postgres:///?user=ada&password=it%27s%20a%20%5C%20secret&host=db.example&port=55432&dbname=shop&sslmode=disable"
        );
        assert_eq!(
            url("host=h search_path=app").unwrap(),
            "postgres:///?host=h&options=-c%20search_path%3Dapp"
        );
    }

    #[test]
    fn a_url_keeps_what_ours_have() {
        let same = "postgres://ada:p%40ss@db.example:6432/shop?sslmode=disable";
        assert_eq!(url(same).unwrap(), same);
        assert_eq!(
            url("postgres://h/d?binary_parameters=yes").unwrap(),
            "postgres://h/d"
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_without_the_password() {
        for text in [
            "password=secret host",
            "password='secret",
            "=secret",
            "sslkey=secret",
        ] {
            let error = url(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
