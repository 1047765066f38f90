//! What a script in Python imports, told without running it: whatever reads as an import of something under the library.

/// The files of the library that a text may import, seen from the module `base`: which of them are there is not known here.
pub(super) fn paths(library: &str, base: &str, text: &str) -> Vec<String> {
    let text = text.replace("\\\n", " ");
    let mut paths = Vec::new();
    for (place, word) in words(&text) {
        let rest = text.get(place + word.len()..).unwrap_or_default();
        match word {
            "from" => {
                let (module, rest) = name(rest);
                let names = rest
                    .trim_start_matches([' ', '\t'])
                    .strip_prefix("import")
                    .map(imported_names)
                    .unwrap_or_default();
                let Some(module) = resolved(library, base, module) else {
                    continue;
                };
                files(&module, &mut paths);
                for name in names {
                    let mut inner = module.clone();
                    inner.push(name);
                    files(&inner, &mut paths);
                }
            }
            "import" => {
                for part in line(rest).split(',') {
                    if let Some(module) = resolved(library, base, name(part).0) {
                        files(&module, &mut paths);
                    }
                }
            }
            _ => {}
        }
    }
    paths
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
    let text = text.trim_start_matches([' ', '\t']);
    let end = text.find(|letter| !is_letter(letter) && letter != '.');
    text.split_at(end.unwrap_or(text.len()))
}

/// What is left of the statement on this line.
fn line(text: &str) -> &str {
    let end = text.find(['\n', ';', '#']);
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// The names after `import`, on this line or between brackets.
fn imported_names(text: &str) -> Vec<String> {
    let text = text.trim_start_matches([' ', '\t']);
    let all = match text.strip_prefix('(') {
        None => line(text).to_owned(),
        Some(inner) => {
            let inner = inner.split(')').next().unwrap_or_default();
            let lines = inner.lines().map(|line| line.split('#').next());
            lines.flatten().collect::<Vec<_>>().join(" ")
        }
    };
    let names = all.split(',').map(|part| name(part).0.to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

/// The parts of a module's name under the library, seen from the module `base`; none for one that is elsewhere.
fn resolved(library: &str, base: &str, name: &str) -> Option<Vec<String>> {
    let relative = name.trim_start_matches('.');
    let dots = name.len() - relative.len();
    let mut parts: Vec<String> = Vec::new();
    if dots > 0 {
        parts = base.split('/').map(str::to_owned).collect();
        for _ in 0..dots {
            parts.pop()?;
        }
    }
    let own = relative.split('.').filter(|part| !part.is_empty());
    parts.extend(own.map(str::to_owned));
    let is_library = parts.first().is_some_and(|first| first == library);
    is_library.then_some(parts)
}

/// The files of a module, and of the packages that it is in.
fn files(module: &[String], paths: &mut Vec<String>) {
    for length in 1..=module.len() {
        let path = module.get(..length).unwrap_or_default().join("/");
        if length > 1 {
            paths.push(format!("{path}.py"));
        }
        paths.push(format!("{path}/__init__.py"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_in_all_their_forms() {
        let found = |base: &str, text: &str| {
            let mut paths = paths("lib", base, text);
            paths.retain(|path| !path.ends_with("__init__.py"));
            paths.dedup();
            paths
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
                "from lib import (  # two\n  a,\n  b as c,\n)",
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
                "lib/deep.py",
                "lib/deep/b.py",
                "lib/deep.py",
                "lib/deep/b.py",
                "lib/deep/b/c.py",
                "lib/d.py",
                "lib/d/e.py"
            ]
        );
        assert_eq!(found("0001_x.py", "from . import a"), [""; 0]);
        assert!(paths("lib", "0001_x.py", "import lib.a").contains(&"lib/__init__.py".to_owned()));
    }
}
