//! Directories among the steps that are none: passed over, unless somebody may take what is in them for steps.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{file_name, script};

/// How deep directories are searched for files that nobody would look at.
pub(super) const DEPTH: usize = 4;

/// What the directory of a step holds: diesel's and Prisma's names.
pub(super) const UP: [&str; 2] = ["up.sql", "migration.sql"];

/// Why a directory that is no step cannot be passed over; none when it can.
pub(super) fn objection(
    name: &str,
    path: &Path,
    is_program: &dyn Fn(&str) -> bool,
) -> io::Result<Option<String>> {
    let is_library = name == script::LIBRARY;
    let is_of_a_step = file_name::is_of_a_step(name);
    // What scripts import may be called anything.
    let is_program = |name: &str| {
        is_program(name)
            && !(is_library && script::is_text(name))
            && !(is_of_a_step && file_name::could_migrate(name))
    };
    let shown = |inner: PathBuf| {
        let inner = inner.strip_prefix(path).unwrap_or(&inner);
        inner.display().to_string()
    };
    if let Some(inner) = first_file(path, DEPTH, &is_program)? {
        return Ok(Some(format!(
            "is a directory with `{}` in it, and not looked into: pass it with `--migrations`, or move that file up",
            shown(inner)
        )));
    }
    let is_migration = |name: &str| match is_of_a_step {
        true => file_name::could_migrate(name),
        // What other tools write down beside migrations is numbered, too.
        false => {
            !is_library
                && file_name::is_in_another_language(name)
                && file_name::in_another_language(name).is_some()
        }
    };
    if let Some(inner) = first_file(path, DEPTH, &is_migration)? {
        return Ok(Some(format!(
            "is a directory with `{}` in it, a migration of another form, {}",
            shown(inner),
            file_name::WAY_ON
        )));
    }
    let is_empty = is_of_a_step && fs::read_dir(path)?.next().is_none();
    Ok(is_empty.then(|| {
        format!(
            "is called as a step and is empty: put `{}` into it, or remove it",
            UP.join("` or `")
        )
    }))
}

/// A file of a certain name somewhere in a directory, the first by name.
pub(super) fn first_file(
    directory: &Path,
    depth: usize,
    is_it: &dyn Fn(&str) -> bool,
) -> io::Result<Option<PathBuf>> {
    let mut entries = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        entries.insert(name, entry.path());
    }
    for (name, path) in entries {
        if is_hidden(&name) {
            continue;
        }
        match path.is_dir() {
            true if depth > 0 => {
                if let Some(found) = first_file(&path, depth - 1, is_it)? {
                    return Ok(Some(found));
                }
            }
            true => {}
            false if is_it(&name) => return Ok(Some(path)),
            false => {}
        }
    }
    Ok(None)
}

pub(super) fn is_hidden(file_name: &str) -> bool {
    file_name.starts_with(['.', '#']) || file_name.ends_with(['~', '#'])
}
