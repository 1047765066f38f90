//! What a script in Python imports, told without running it: whatever reads as an import of something under the library.
//!
//! The text is anybody's. What is looked at more often than once, because imports read as if they stood within one another, is
//! counted, and a name that no module has is an error: neither time nor memory grows faster than the text.

use std::collections::BTreeSet;

/// How many parts the name of a module may have, with dots between them: each prefix is a package that may be a file.
const MOST_PARTS: usize = 64;

/// How long it may be, in bytes.
const MOST_NAME_BYTES: usize = 1_000;

/// How many files a text may name.
const MOST_FILES: usize = 20_000;

/// How often each byte may be looked at, on the average.
const MOST_LOOKS: usize = 16;

/// How much may be looked at in a short text, too.
const FREE_LOOKS: usize = 64 << 10;

/// What stands for the end of a line after which the statement goes on. No text has this letter otherwise.
const CONTINUED: char = '\r';

/// The files of the library that a text may import, seen from the module `base`: which of them are there is not known here. The
/// error names the line.
pub(super) fn paths(library: &str, base: &str, text: &str) -> Result<BTreeSet<String>, String> {
    let text = text.replace("\\\n", &format!(" {CONTINUED}"));
    let mut paths = BTreeSet::new();
    let mut looks = text.len() * MOST_LOOKS + FREE_LOOKS;
    for (place, word) in words(&text) {
        // Within a dotted name there is no import.
        let is_keyword = matches!(word, "from" | "import");
        if !is_keyword
            || text
                .get(..place)
                .is_some_and(|before| before.ends_with('.'))
        {
            continue;
        }
        let rest = text.get(place + word.len()..).unwrap_or_default();
        let statement = match word {
            "from" => Statement::of_from(rest),
            _ => Statement::of_import(rest),
        };
        looks = looks.saturating_sub(statement.looked_at);
        let found = match looks {
            0 => Err("too much reads as imports within one another"),
            _ => statement.files(library, base, &mut paths),
        };
        found.map_err(|why| format!("line {}: {why}", line_number(&text, place)))?;
    }
    Ok(paths)
}

/// What reads as an import.
#[derive(Default)]
struct Statement<'t> {
    modules: Vec<&'t str>,
    /// What is imported from the module, which may be modules themselves.
    names: BTreeSet<&'t str>,
    /// How many bytes were looked at.
    looked_at: usize,
}

impl<'t> Statement<'t> {
    /// What follows `import`.
    fn of_import(text: &'t str) -> Self {
        let line = line(text);
        Self {
            modules: line.split(',').map(|part| name(part).0).collect(),
            names: BTreeSet::new(),
            looked_at: line.len(),
        }
    }

    /// What follows `from`.
    fn of_from(text: &'t str) -> Self {
        let (module, rest) = name(text);
        let mut statement = Self {
            modules: vec![module],
            looked_at: text.len() - rest.len(),
            ..Self::default()
        };
        if let Some(rest) = rest.trim_start_matches(BLANK).strip_prefix("import") {
            statement.add_names(rest);
        }
        statement
    }

    /// The names after `import`, on this line or between brackets.
    fn add_names(&mut self, text: &'t str) {
        let text = text.trim_start_matches(BLANK);
        let Some(inner) = text.strip_prefix('(') else {
            self.add_list(line(text));
            return;
        };
        for line in inner.split('\n') {
            let code = line.split('#').next().unwrap_or_default();
            let end = code.find(['(', ')']);
            self.add_list(code.get(..end.unwrap_or(code.len())).unwrap_or_default());
            if end.is_some() {
                break;
            }
            self.looked_at += line.len() - code.len() + 1;
        }
    }

    fn add_list(&mut self, list: &'t str) {
        self.looked_at += list.len();
        let names = list.split(',').map(|part| name(part).0);
        self.names.extend(names.filter(|name| !name.is_empty()));
    }

    /// The files that it may mean.
    fn files(
        &self,
        library: &str,
        base: &str,
        paths: &mut BTreeSet<String>,
    ) -> Result<(), &'static str> {
        for module in &self.modules {
            let Some(parts) = resolved(library, base, module)? else {
                continue;
            };
            for length in 1..=parts.len() {
                let path = parts.get(..length).unwrap_or_default().join("/");
                if length > 1 {
                    paths.insert(format!("{path}.py"));
                }
                paths.insert(format!("{path}/__init__.py"));
            }
            let module = parts.join("/");
            for name in &self.names {
                if name.len() > MOST_NAME_BYTES {
                    return Err(TOO_LONG);
                }
                paths.insert(format!("{module}/{name}.py"));
                paths.insert(format!("{module}/{name}/__init__.py"));
                if paths.len() > MOST_FILES {
                    return Err(TOO_MANY);
                }
            }
            if paths.len() > MOST_FILES {
                return Err(TOO_MANY);
            }
        }
        Ok(())
    }
}

const TOO_LONG: &str = "the name of what it imports has more than 64 parts with dots between them, or than 1,000 bytes";

const TOO_MANY: &str = "until here it names more than 20,000 files that it may import";

/// What may stand between words of a statement.
const BLANK: [char; 3] = [' ', '\t', CONTINUED];

fn line_number(text: &str, place: usize) -> usize {
    let before = text.get(..place).unwrap_or_default();
    before.matches(['\n', CONTINUED]).count() + 1
}

fn is_letter(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

/// The words of a text, and where they are.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let words = text.split(|letter| !is_letter(letter));
    let start = text.as_ptr() as usize;
    words
        .filter(|word| !word.is_empty())
        .map(move |word| (word.as_ptr() as usize - start, word))
}

/// The dotted name that a text begins with, and what follows it.
fn name(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches(BLANK);
    let end = text.find(|letter| !is_letter(letter) && letter != '.');
    text.split_at(end.unwrap_or(text.len()))
}

/// What is left of the statement on this line.
fn line(text: &str) -> &str {
    let end = text.find(['\n', ';', '#']);
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// The parts of a module's name under the library, seen from the module `base`; none for one that is elsewhere.
fn resolved<'t>(
    library: &str,
    base: &'t str,
    name: &'t str,
) -> Result<Option<Vec<&'t str>>, &'static str> {
    let relative = name.trim_start_matches('.');
    let dots = name.len() - relative.len();
    let mut parts: Vec<&str> = Vec::new();
    if dots > 0 {
        parts = base.split('/').collect();
        for _ in 0..dots {
            if parts.pop().is_none() {
                return Ok(None);
            }
        }
    }
    let own = relative.split('.').filter(|part| !part.is_empty());
    parts.extend(own.take(MOST_PARTS + 1));
    if parts.first() != Some(&library) {
        return Ok(None);
    }
    let bytes: usize = parts.iter().map(|part| part.len() + 1).sum();
    match parts.len() > MOST_PARTS || bytes > MOST_NAME_BYTES {
        true => Err(TOO_LONG),
        false => Ok(Some(parts)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_in_all_their_forms() {
        let found = |base: &str, text: &str| {
            let mut paths = paths("lib", base, text).unwrap();
            paths.retain(|path| !path.ends_with("__init__.py"));
            paths.into_iter().collect::<Vec<_>>()
        };
        for (text, expected) in [
            ("import lib.names", &["lib/names.py"][..]),
            (
                "import re, lib.a.b as c; x = 1",
                &["lib/a.py", "lib/a/b.py"],
            ),
            (
                "from lib.names import first",
                &["lib/names.py", "lib/names/first.py"],
            ),
            (
                "from lib import (  # two (import\n  a,  # from (here)\n  b as c,\n)",
                &["lib/a.py", "lib/b.py"],
            ),
            ("if True:\n    from lib \\\n      import a\n", &["lib/a.py"]),
            (
                "import library.x\nfrom other import lib\nx = 'lib/a.py'",
                &[],
            ),
        ] {
            assert_eq!(found("0001_x.py", text), expected, "{text}");
        }
        assert_eq!(
            found(
                "lib/deep/a.py",
                "from .b import c\nfrom ..d import e\nfrom ... import f"
            ),
            [
                "lib/d.py",
                "lib/d/e.py",
                "lib/deep.py",
                "lib/deep/b.py",
                "lib/deep/b/c.py",
            ]
        );
        assert_eq!(found("0001_x.py", "from . import a"), [""; 0]);
        let package = paths("lib", "0001_x.py", "import lib.a").unwrap();
        assert!(package.contains("lib/__init__.py"));
    }

    #[test]
    fn what_no_module_is_called_is_an_error_that_names_the_line() {
        let error = |text: &str| paths("lib", "0001_x.py", text).unwrap_err();
        let deep = format!(
            "import re\nx = 1 + \\\n  2\nimport lib{}\n",
            ".a".repeat(50_000)
        );
        assert!(error(&deep).starts_with("line 4: the name of what it imports has"));
        let long = format!("from lib import {}", "a".repeat(2_000));
        assert!(error(&long).starts_with("line 1: the name of what it imports has"));
        let names: Vec<String> = (0..30_000).map(|number| format!("a{number}")).collect();
        let many = format!("from lib import {}", names.join(", "));
        assert!(error(&many).starts_with("line 1: until here it names more than"));
        let within = "from lib import (#".repeat(50_000);
        assert!(error(&within).ends_with("too much reads as imports within one another"));
    }

    #[test]
    fn the_time_grows_with_the_text() {
        for text in [
            "from lib import (\n",
            "from.",
            "import lib,\n",
            "import.lib ",
        ] {
            let began = std::time::Instant::now();
            // Some of it is refused.
            let _ = paths("lib", "0001_x.py", &text.repeat(100_000));
            assert!(
                began.elapsed() < std::time::Duration::from_secs(10),
                "{text}"
            );
        }
    }
}
