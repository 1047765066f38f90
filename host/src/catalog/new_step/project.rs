//! A new step in a compiled language: a directory of sources beside the migrations, and what they are compiled with.

use std::path::{Path, PathBuf};

use super::super::Error;
use super::super::step_sources::note_of;
use super::super::whole_file::make_all;
use super::lengths::check_lengths;
use super::sdk;
use super::wanted::{Language, NewStep};

/// What tools keep is not for others.
const IGNORED: (&str, &str) = (".gitignore", "/target/\n");

/// Makes the sources of a step for a directory of migrations of this name; returns the paths of its own files, and that of the SDK
/// when it was not there.
pub(super) fn make(
    projects: &Path,
    migrations: &str,
    stem: &str,
    name: &str,
    step: NewStep,
) -> Result<Vec<PathBuf>, Error> {
    let summary = name.replace('_', " ");
    let filled = |template: &str| {
        parts(template, step.with_reset)
            .replace("WHAT_IT_DOES", &summary)
            .replace("PACKAGE", &package(stem))
    };
    let (own, mut shared) = match (step.language, step.is_transformation) {
        (Language::Rust, is_transformation) => {
            let source = match is_transformation {
                true => include_str!("templates/transform_rust.txt"),
                false => include_str!("templates/step_rust.txt"),
            };
            let manifest = include_str!("templates/manifest.toml");
            (
                vec![("Cargo.toml", manifest), ("src/lib.rs", source)],
                sdk::rust(),
            )
        }
        (Language::Zig, true) => (
            vec![("step.zig", include_str!("templates/transform.zig"))],
            sdk::zig(),
        ),
        (Language::Zig, false) => (
            vec![("step.zig", include_str!("templates/step.zig"))],
            sdk::zig(),
        ),
        (_, true) => (
            vec![("step.c", include_str!("templates/transform.c"))],
            sdk::c(),
        ),
        (_, false) => (vec![("step.c", include_str!("templates/step.c"))], sdk::c()),
    };
    check_lengths(name, std::iter::once(format!("{stem}.wasm").as_str()))?;
    let directory = projects.join(stem);
    let mut new: Vec<(PathBuf, String)> = own
        .into_iter()
        .map(|(file, template)| (directory.join(file), filled(template)))
        .collect();
    let (note, text) = note_of(migrations);
    new.push((directory.join(note), text));
    let mut made: Vec<PathBuf> = new.iter().map(|(path, _)| path.clone()).collect();
    shared.push((IGNORED.0.to_owned(), IGNORED.1.to_owned()));
    for (file, text) in shared {
        let path = projects.join(&file);
        // What is there may have been changed.
        if !path.exists() {
            let mut of_sdk = file.splitn(3, '/');
            if let (Some("sdk"), Some(language)) = (of_sdk.next(), of_sdk.next()) {
                let directory = projects.join("sdk").join(language);
                if !made.contains(&directory) {
                    made.push(directory);
                }
            }
            new.push((path, text));
        }
    }
    let root = projects.parent().unwrap_or(projects);
    let files = new
        .iter()
        .map(|(path, text)| (path.as_path(), text.as_str()));
    make_all(root, files).map_err(|(path, source)| Error::New { path, source })?;
    Ok(made)
}

/// A template with or without its part for the reset, which stands between two marks.
fn parts(template: &str, with_reset: bool) -> String {
    let mut text = String::new();
    let mut is_reset = false;
    for line in template.lines() {
        match line.trim() {
            "// RESET" | "// END" => is_reset = line.trim() == "// RESET",
            _ if is_reset && !with_reset => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

/// What a crate is called: letters, digits and underscores of ASCII.
fn package(stem: &str) -> String {
    let letters = stem.chars().map(|letter| match letter {
        'a'..='z' | '0'..='9' => letter,
        'A'..='Z' => letter.to_ascii_lowercase(),
        _ => '_',
    });
    format!("step_{}", letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_has_a_name_of_letters() {
        assert_eq!(package("0007_größe"), "step_0007_gr__e");
    }
}
