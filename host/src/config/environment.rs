//! Environments: tables `[env.NAME]` of our own file, one of which is laid over the rest of it.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::variables::lay_over;

/// The key of the environments, and of none within one.
const KEY: &str = "env";

/// Takes the environments out of a file, and lays the chosen one over the rest. What only another one says is not looked at any
/// more: it may name variables that are not there.
pub(super) fn choose(file: &mut Table, chosen: Option<&str>) -> Result<(), String> {
    let mut environments = match file.remove(KEY) {
        Some(Value::Table(environments)) => environments,
        _ => Table::new(),
    };
    for (name, environment) in &environments {
        if environment.get(KEY).is_some() {
            return Err(format!(
                "`{KEY}.{name}.{KEY}`: an environment has no environments of its own"
            ));
        }
    }
    let Some(chosen) = chosen else {
        return Ok(());
    };
    let Some(Value::Table(environment)) = environments.remove(chosen) else {
        let names: Vec<&str> = environments.keys().map(String::as_str).collect();
        return Err(match names.as_slice() {
            [] => format!(
                "there is no environment `{chosen}`: the file has no table [{KEY}.{chosen}]"
            ),
            names => format!(
                "there is no environment `{chosen}`; there are {}",
                names.join(", ")
            ),
        });
    };
    lay_over(file, environment);
    Ok(())
}

/// The directories that a file in `directory` names under a key, for whichever environment.
pub(super) fn directories(file: &Table, key: &str, directory: &Path) -> Vec<PathBuf> {
    let environments = file.get(KEY).and_then(Value::as_table);
    let environments = environments.into_iter().flat_map(Table::values);
    let tables = environments.filter_map(Value::as_table).chain([file]);
    let named = tables.filter_map(|table| table.get(key)?.as_str());
    named.map(|named| directory.join(named)).collect()
}

/// Refuses an environment where there can be none.
pub(super) fn refuse(chosen: Option<&str>) -> Result<(), String> {
    match chosen {
        None => Ok(()),
        Some(chosen) => Err(format!(
            "there is no environment `{chosen}`: environments are tables [{KEY}.{chosen}] of a wasmigrate.toml, which is not there"
        )),
    }
}
