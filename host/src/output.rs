//! Lines of output: how much they matter, and what is safe to show.

use serde::{Deserialize, Serialize};

/// How much a line of output matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Shown on request only.
    Debug,
    /// What the operator may want to know.
    Info,
    /// What the operator should look at.
    Warning,
    /// What went wrong.
    Error,
}

impl Level {
    /// The spelling in the journal and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    pub(crate) fn from_journal(name: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warning, Self::Error]
            .into_iter()
            .find(|level| level.as_str() == name)
    }
}

/// So many of something, in words: `1 row`, `2 rows`.
pub(crate) fn counted(count: impl TryInto<u64>, one: &str, more: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    }
}

/// The verb after [`counted`].
pub(crate) fn has_or_have(count: impl TryInto<u64>) -> &'static str {
    match count.try_into() {
        Ok(1) => "has",
        _ => "have",
    }
}

/// The line without what could steer a terminal or hide text in it: control characters but for tabs, and the Unicode
/// characters that turn the direction of writing.
pub(crate) fn printable(line: &str) -> String {
    line.chars()
        .filter(|character| !steers(*character))
        .collect()
}

/// Whether a character steers a terminal or turns the direction of writing.
pub(crate) fn steers(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character != '\t' && (character.is_control() || turns)
}

/// The text without the user and the password in anything that looks like a URL: for what others wrote, in messages that
/// quote it.
pub(crate) fn without_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let (url, behind) = after.split_at(after.find(is_end).unwrap_or(after.len()));
        shown.push_str(&without_users(before));
        shown.push_str("://");
        let (user, host) = match url.rsplit_once('@') {
            Some((_, host)) => ("…@", host),
            None => ("", url),
        };
        // A parameter may be a password, too.
        let (host, query) = match host.split_once('?') {
            Some((host, _)) => (host, "?…"),
            None => (host, ""),
        };
        // And so may what comes after a colon in the place of a port.
        let port = host
            .split(['/', '#'])
            .next()
            .and_then(|host| host.split_once(':'));
        let is_unclear = |port: &str| !port.bytes().all(|byte| byte.is_ascii_digit());
        let host = match port {
            Some((_, port)) if !host.starts_with('[') && is_unclear(port) => "…",
            _ => host,
        };
        for part in [user, host, query] {
            shown.push_str(part);
        }
        rest = behind;
    }
    shown.push_str(&without_users(rest));
    without_passwords(&shown)
}

/// Whether a word ends with this letter, as words of messages do.
fn is_end(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || matches!(letter, '"' | '`' | '<' | '>')
}

/// The same without users and passwords of URLs that have lost their scheme, such as `app:secret@host`.
fn without_users(text: &str) -> String {
    const USER: &str = "user=";
    let words = text.split_inclusive(is_end).map(|word| {
        if let Some((before, user)) = word.split_once(USER)
            && user.contains(':')
        {
            return Some(format!("{before}{USER}…"));
        }
        let (user, host) = word.rsplit_once('@')?;
        let (_, password) = user.split_once(':')?;
        (!password.is_empty()).then(|| format!("…@{host}"))
    });
    let all = text.split_inclusive(is_end).zip(words);
    all.map(|(word, shown)| shown.unwrap_or_else(|| word.to_owned()))
        .collect()
}

/// How the key of a password may end, in small letters.
const PASSWORD_KEYS: [&str; 4] = ["password", "passwd", "passphrase", "pwd"];

/// Where the first value begins that stands after a key such as `password` or `sslpassword` and an equals sign.
fn password_value(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let value_of = |key: &str, at: usize| {
        let rest = lower.get(at + key.len()..)?.trim_start();
        // The equals sign may be percent-encoded.
        let value = rest
            .strip_prefix('=')
            .or_else(|| rest.strip_prefix("%3d"))?;
        Some(lower.len() - value.len())
    };
    let values = PASSWORD_KEYS.iter().filter_map(|key| {
        let mut places = lower.match_indices(key);
        places.find_map(|(at, key)| value_of(key, at))
    });
    values.min()
}

/// Whether a text holds the key of a password with a value after it.
pub(crate) fn names_a_password(text: &str) -> bool {
    password_value(text).is_some()
}

/// The same without what is given as the password in a string of pairs such as `host=h password=p`.
fn without_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = password_value(rest) {
        let (before, value) = rest.split_at(at);
        shown.push_str(before);
        let value = value.trim_start_matches([' ', '\t']);
        let end = match value.strip_prefix('\'') {
            Some(quoted) => quoted.find('\'').map_or(value.len(), |end| end + 2),
            // What separates the pairs may be a part of the password.
            None => value
                .find(|letter: char| is_end(letter) || letter == '\'')
                .unwrap_or(value.len()),
        };
        let (password, after) = value.split_at(end);
        if !password.is_empty() {
            shown.push('…');
        }
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// The printable part of a line, of bearable length.
pub(crate) fn cut(line: &str, most: usize) -> String {
    if line.len() <= most {
        return printable(line);
    }
    let end = line.floor_char_boundary(most);
    let kept = line.get(..end).unwrap_or_default();
    format!("{} … ({} bytes cut)", printable(kept), line.len() - end)
}

/// What is kept of a text that somebody else wrote, such as a database's message: it may quote a whole value.
pub(crate) const MOST_TEXT: usize = 8 << 10;

/// A text that somebody else wrote, of bearable length; its lines stay.
pub(crate) fn shortened(text: String) -> String {
    if text.len() <= MOST_TEXT {
        return text;
    }
    let end = text.floor_char_boundary(MOST_TEXT);
    let kept = text.get(..end).unwrap_or_default();
    format!("{kept} … ({} bytes cut)", text.len() - end)
}

/// A time in milliseconds since 1970, in UTC: <https://www.rfc-editor.org/rfc/rfc3339>
pub(crate) fn rfc3339(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| String::new(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn what_is_before_the_host_of_a_url_is_not_shown() {
        assert_eq!(
            without_secrets("unexpected `postgres://app:p@ss/w@h/d` and http://h/a, x@y"),
            "unexpected `postgres://…@h/d` and http://h/a, x@y"
        );
        assert_eq!(without_secrets("postgres://app:geheim/x"), "postgres://…");
        assert_eq!(
            without_secrets("`postgres://a:b@h/d?password=c`"),
            "`postgres://…@h/d?…`"
        );
        assert_eq!(
            without_secrets("argument 'password=geheim' or Password='a b' host=h, ?password="),
            "argument 'password=…' or Password=… host=h, ?password="
        );
        assert_eq!(
            without_secrets("`a;pwd=x,y&z` sslpassword = b host=h app:geheim@h/d, me@h"),
            "`a;pwd=…` sslpassword =… host=h …@h/d, me@h"
        );
        assert_eq!(
            without_secrets("http://[::1]:9002 http://h:9002/a"),
            "http://[::1]:9002 http://h:9002/a"
        );
    }
}
