//! How a registry asks who somebody is: <https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1>

/// What a registry wants to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User name and password.
    Basic,
    /// A token that the realm gives.
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

impl Challenge {
    /// The first of all challenges that is understood; a token counts more than a password.
    pub(super) fn of<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Self> {
        let all: Vec<Self> = headers.filter_map(Self::read).collect();
        let is_bearer = |challenge: &&Self| matches!(challenge, Self::Bearer { .. });
        all.iter().find(is_bearer).or(all.first()).cloned()
    }

    fn read(header: &str) -> Option<Self> {
        let (scheme, parameters) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        for (name, text) in parameters_of(parameters) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(text),
                "service" => service = Some(text),
                _ => {}
            }
        }
        Some(Self::Bearer {
            realm: realm?,
            service,
        })
    }
}

/// `name="text", name=text`, up to what is neither.
fn parameters_of(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',']);
    while let Some((name, after)) = rest.split_once('=') {
        let (text, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted_text(quoted),
            None => {
                let end = after.find([',', ' ']).unwrap_or(after.len());
                let (text, after) = after.split_at(end);
                (text.to_owned(), after)
            }
        };
        found.push((name.trim().to_owned(), text));
        rest = after.trim_start_matches([' ', ',']);
    }
    found
}

/// A text up to the quotation mark that ends it, and what comes after.
fn quoted_text(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (text, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => text.extend(letters.next().map(|(_, letter)| letter)),
            letter => text.push(letter),
        }
    }
    (text, "")
}

/// Whether a text asks for something that is understood; for a fuzzer.
pub(in crate::releases) fn reads_challenge(text: &str) -> bool {
    Challenge::of(text.lines()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_whatever_stands_around_it() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.to_owned(),
                service: service.map(str::to_owned),
            })
        };
        let of = |headers: &[&'static str]| Challenge::of(headers.iter().copied());
        assert_eq!(of(&["Basic realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(
            of(&[
                "Bearer realm=\"https://a/t,x\",service=\"s \\\"q\\\"\",scope=\"repository:a:pull\""
            ]),
            bearer("https://a/t,x", Some("s \"q\""))
        );
        assert_eq!(of(&["basic", "bearer realm=r"]), bearer("r", None));
        for none in ["", "Digest realm=\"x\"", "Bearer", "Bearer service=\"x\""] {
            assert_eq!(Challenge::of([none].into_iter()), None, "{none}");
        }
    }
}
