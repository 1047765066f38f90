//! Variables: every setting of the file has one.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{ENVIRONMENT, Error, service_links};

const PREFIX: &str = "WASMIGRATE_";

/// The variable that names the file.
pub(super) const CONFIG: &str = "WASMIGRATE_CONFIG";

/// Those that name the tools of languages: where they are is no setting of a project, and only `build` asks.
const TOOLS: [&str; 2] = ["WASMIGRATE_CC", "WASMIGRATE_ZIG"];

/// Those that say who asks a registry: they are looked at where one is asked, and a password is no setting.
const REGISTRY_LOGIN: [&str; 4] = [
    "WASMIGRATE_REGISTRY_HOST",
    "WASMIGRATE_REGISTRY_USERNAME",
    "WASMIGRATE_REGISTRY_PASSWORD",
    "WASMIGRATE_REGISTRY_PASSWORD_FILE",
];

/// The tables of the file, all of whose keys have variables.
const SECTIONS: [&str; 14] = [
    "gate",
    "limits",
    "migrate_result",
    "migrator",
    "notices",
    "postgres",
    "retry",
    "serve",
    "settings",
    "sources",
    "tenants",
    "test",
    "traces",
    "transform",
];

/// Sets what variables say; those that are no settings are named in `links`.
pub(super) fn set_all(
    table: &mut Table,
    defaults: &Table,
    variables: &BTreeMap<String, String>,
    links: &mut Vec<String>,
) -> Result<(), Error> {
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let is_of_registry = REGISTRY_LOGIN.contains(&name.as_str());
        if name == CONFIG || name == ENVIRONMENT || is_of_registry || TOOLS.contains(&name.as_str())
        {
            continue;
        }
        match set(table, defaults, name, text) {
            Err(_) if service_links::is_one(rest, text) => links.push(name.clone()),
            done => done?,
        }
    }
    Ok(())
}

/// Whether a variable can be one of ours.
pub(super) fn is_one(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Lays a table over another one.
pub(super) fn lay_over(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (_, value) => _ = below.insert(key, value),
        }
    }
}

/// Puts a variable's value where its name says.
fn set(table: &mut Table, defaults: &Table, name: &str, text: &str) -> Result<(), Error> {
    let unknown = || Error::Variable {
        name: name.to_owned(),
        message: "there is no such setting; see docs/configuration.md".to_owned(),
    };
    let key = name
        .strip_prefix(PREFIX)
        .ok_or_else(unknown)?
        .to_ascii_lowercase();
    let (section, key) = SECTIONS
        .iter()
        .find_map(|section| {
            let rest = key.strip_prefix(section)?.strip_prefix('_')?;
            Some((Some(*section), rest.to_owned()))
        })
        .unwrap_or((None, key));
    let (table, defaults) = match section {
        None => (table, Some(defaults)),
        Some(section) => (
            table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()))
                .as_table_mut()
                .ok_or_else(unknown)?,
            defaults.get(section).and_then(Value::as_table),
        ),
    };
    let default = defaults.and_then(|defaults| defaults.get(&key));
    // `NAME: ${OTHER:-}` of a compose file names nothing: an empty text may be meant, another empty value or a target cannot.
    let is_text = matches!(default, Some(Value::String(_)) | None);
    if text.is_empty() && ((section.is_none() && key == "database") || !is_text) {
        return Ok(());
    }
    let value = match (section, default) {
        (Some("settings"), _) | (_, Some(Value::String(_))) => Value::String(text.to_owned()),
        // They have no default.
        (Some("sources"), None) if key == "order" => Value::String(text.to_owned()),
        (Some("serve"), None) if key == "listen_health" => Value::String(text.to_owned()),
        (_, Some(Value::Integer(_))) => {
            Value::Integer(text.parse().map_err(|_| Error::Variable {
                name: name.to_owned(),
                message: format!("`{}` is no whole number", shown(text)),
            })?)
        }
        (_, Some(Value::Boolean(_))) => {
            Value::Boolean(text.parse().map_err(|_| Error::Variable {
                name: name.to_owned(),
                message: format!("`{}` is neither `true` nor `false`", shown(text)),
            })?)
        }
        (Some("serve" | "sources" | "tenants"), Some(Value::Array(_))) => Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(|name| Value::String(name.to_owned()))
                .collect(),
        ),
        _ => return Err(unknown()),
    };
    table.insert(key, value);
    Ok(())
}

/// A value for a message: what is longer or has signs in it may be a URL with a password in the wrong place.
fn shown(text: &str) -> &str {
    let is_plain = text.len() <= 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if is_plain { text } else { "…" }
}
