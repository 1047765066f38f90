//! Directories among the steps that are none: passed over, unless somebody may take what is in them for steps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{file_name, script};
use crate::output::printable;

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
    stepless(name, path)
}

/// Why a directory that is called as one of a step, or holds what was its step, cannot be passed over without one.
fn stepless(name: &str, path: &Path) -> io::Result<Option<String>> {
    let mut held = BTreeSet::new();
    for entry in fs::read_dir(path)? {
        held.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    let was_step = |inner: &&String| {
        let inner = inner.trim_start_matches(['.', '#']).to_ascii_lowercase();
        UP.iter().any(|up| inner.starts_with(up))
    };
    let found = held.iter().find(was_step).or(held.first());
    let is_called_so = file_name::is_of_a_step(name);
    let put_into_it = format!("put `{}` into it", UP.join("` or `"));
    Ok(match found.map(|found| printable(found)) {
        None if is_called_so => Some(format!(
            "is called as a step and is empty: {put_into_it}, or remove it"
        )),
        Some(found) if is_called_so || held.iter().any(|inner| was_step(&inner)) => Some(format!(
            "is a directory with `{found}` in it, and has lost its step or is none: {put_into_it}, give it a name that does \
             not begin as that of a step, or move it away"
        )),
        _ => None,
    })
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
    file_name.starts_with(['.', '#']) || file_name.ends_with('~')
}
