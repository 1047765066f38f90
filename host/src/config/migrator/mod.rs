//! `migrator.yaml`: the configuration of the tool *migrator*, read as settings of ours, and our settings written in its form.
//!
//! In every value, `${NAME}` stands for a variable, but for the webhook's template: that has its values when it is sent, and
//! is shown without them.

mod effective;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::conninfo;

pub use effective::effective;

/// The file that is read when no other is named and there is no file of our own.
pub(super) const DEFAULT_FILE: &str = "migrator.yaml";

/// The port of that tool.
const DEFAULT_PORT: u16 = 8080;

/// What the service answers at the paths of that tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MigratorConfig {
    /// What all its paths begin with.
    pub path_prefix: String,
    /// Where the results of each command are sent; empty for nowhere.
    pub webhook_url: String,
    /// Headers that are sent there, as `Name: value`.
    pub webhook_headers: Vec<String>,
    /// What is sent there, with places such as `${summary.tenants}`; empty for the results in JSON.
    pub webhook_template: String,
}

impl Default for MigratorConfig {
    fn default() -> Self {
        Self {
            path_prefix: "/".to_owned(),
            webhook_url: String::new(),
            webhook_headers: Vec::new(),
            webhook_template: String::new(),
        }
    }
}

/// The file, as it is read and, in this order, written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    base_location: String,
    driver: String,
    data_source: String,
    #[serde(rename = "tenantSelectSQL", skip_serializing_if = "Option::is_none")]
    tenant_select_sql: Option<String>,
    #[serde(rename = "tenantInsertSQL", skip_serializing_if = "Option::is_none")]
    tenant_insert_sql: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_place_holder: Option<String>,
    single_migrations: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_migrations: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    single_scripts: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_scripts: Option<Vec<String>>,
    port: Option<String>,
    path_prefix: Option<String>,
    #[serde(rename = "webHookURL", skip_serializing_if = "Option::is_none")]
    web_hook_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    web_hook_headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    web_hook_template: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_level: Option<String>,
}

/// The keys of the file.
const KEYS: [&str; 16] = [
    "baseLocation",
    "driver",
    "dataSource",
    "tenantSelectSQL",
    "tenantInsertSQL",
    "schemaPlaceHolder",
    "singleMigrations",
    "tenantMigrations",
    "singleScripts",
    "tenantScripts",
    "port",
    "pathPrefix",
    "webHookURL",
    "webHookHeaders",
    "webHookTemplate",
    "logLevel",
];

/// Whether a file has that tool's form.
pub(super) fn is_one(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|it| it.eq_ignore_ascii_case("yaml") || it.eq_ignore_ascii_case("yml"))
}

/// What is said when the file was found in the working directory, which may be somebody else's: it can send variables to a server of
/// its own. `asked` are those that it reads.
pub(super) fn found(asked: &BTreeSet<String>) -> String {
    let names: Vec<&str> = asked.iter().map(String::as_str).collect();
    let variables = match names.is_empty() {
        true => String::new(),
        false => format!(", which reads the variables {}", names.join(", ")),
    };
    format!(
        "the settings are those of `{DEFAULT_FILE}` in this directory{variables}: name it with `--config` if you mean it"
    )
}

/// Reads the file as a table of our settings, and says what in it means nothing.
pub(super) fn read(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<(Table, Vec<String>), String> {
    // Without the line that is wrong, which may hold a password.
    let options = || serde_saphyr::options! { with_snippet: false };
    let keys: BTreeMap<String, IgnoredAny> =
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| error.to_string())?;
    let mut warnings: Vec<String> = keys
        .keys()
        .filter(|key| !KEYS.contains(&key.as_str()))
        .map(|key| format!("the configuration has `{key}`, which is not known and means nothing"))
        .collect();
    let mut file: File =
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| error.to_string())?;
    file.substitute(variable, &mut warnings);
    Ok((file.settings(variable)?, warnings))
}

impl File {
    fn substitute(
        &mut self,
        variable: &dyn Fn(&str) -> Option<String>,
        warnings: &mut Vec<String>,
    ) {
        let values = [
            &mut self.base_location,
            &mut self.driver,
            &mut self.data_source,
        ];
        let single = [
            &mut self.tenant_select_sql,
            &mut self.tenant_insert_sql,
            &mut self.schema_place_holder,
            &mut self.port,
            &mut self.path_prefix,
            &mut self.web_hook_url,
            &mut self.log_level,
        ];
        let several = [
            &mut self.single_migrations,
            &mut self.tenant_migrations,
            &mut self.single_scripts,
            &mut self.tenant_scripts,
            &mut self.web_hook_headers,
        ];
        let values = values
            .into_iter()
            .chain(single.into_iter().flatten())
            .chain(several.into_iter().flatten().flatten());
        for value in values {
            *value = substituted(value, variable, warnings);
        }
    }

    fn settings(self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Table, String> {
        self.check()?;
        let database = conninfo::url(&self.data_source, variable)
            .map_err(|why| format!("`dataSource` cannot be read: {why}"))?;
        let port = match self.port.as_deref().unwrap_or_default() {
            "" => DEFAULT_PORT,
            port => port
                .parse()
                .map_err(|_| format!("`port` is `{port}`: it must be a number up to 65535"))?,
        };
        let mut sources = Table::new();
        sources.insert("base".to_owned(), self.base_location.into());
        put(&mut sources, "placeholder", self.schema_place_holder);
        for (name, directories) in [
            ("single_migrations", self.single_migrations),
            ("tenant_migrations", self.tenant_migrations),
            ("single_scripts", self.single_scripts),
            ("tenant_scripts", self.tenant_scripts),
        ] {
            sources.insert(name.to_owned(), directories.unwrap_or_default().into());
        }
        let mut tenants = Table::new();
        put(&mut tenants, "select", self.tenant_select_sql);
        put(&mut tenants, "insert", self.tenant_insert_sql);
        tenants.insert("parallel".to_owned(), 0.into());
        let mut serve = Table::new();
        serve.insert("listen".to_owned(), format!("127.0.0.1:{port}").into());
        put(&mut serve, "log_level", log_level(self.log_level)?);
        let mut migrator = Table::new();
        put(&mut migrator, "path_prefix", self.path_prefix);
        put(&mut migrator, "webhook_url", self.web_hook_url);
        put(&mut migrator, "webhook_template", self.web_hook_template);
        let headers = self.web_hook_headers.unwrap_or_default();
        migrator.insert("webhook_headers".to_owned(), headers.into());
        let mut table = Table::new();
        table.insert("database".to_owned(), database.into());
        for (name, section) in [
            ("sources", sources),
            ("tenants", tenants),
            ("serve", serve),
            ("migrator", migrator),
        ] {
            table.insert(name.to_owned(), Value::Table(section));
        }
        Ok(table)
    }

    fn check(&self) -> Result<(), String> {
        for (key, value) in [
            ("baseLocation", &self.base_location),
            ("driver", &self.driver),
            ("dataSource", &self.data_source),
        ] {
            if value.is_empty() {
                return Err(format!("`{key}` is missing or empty"));
            }
        }
        if self.driver != "postgres" {
            return Err(format!(
                "`driver` is `{}`, and with this form of configuration only `postgres` is possible",
                self.driver
            ));
        }
        if self.base_location.contains("://") {
            return Err(
                "`baseLocation` is an address: the files must be in a directory of this machine"
                    .to_owned(),
            );
        }
        let directories = [
            &self.single_migrations,
            &self.tenant_migrations,
            &self.single_scripts,
            &self.tenant_scripts,
        ];
        if directories.into_iter().flatten().flatten().next().is_none() {
            return Err("`singleMigrations` names no directory, and no other key does".to_owned());
        }
        Ok(())
    }
}

fn put(table: &mut Table, name: &str, value: Option<String>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        table.insert(name.to_owned(), value.into());
    }
}

/// The level as we call it.
fn log_level(level: Option<String>) -> Result<Option<String>, String> {
    let Some(level) = level.filter(|level| !level.is_empty()) else {
        return Ok(None);
    };
    match level.to_ascii_lowercase().as_str() {
        "panic" => Ok(Some("error".to_owned())),
        "debug" | "info" | "warn" | "error" => Ok(Some(level.to_ascii_lowercase())),
        _ => Err(format!(
            "`logLevel` is `{level}`; there are DEBUG, INFO, WARN, ERROR and PANIC"
        )),
    }
}

/// A text with the values of variables in their places.
fn substituted(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Vec<String>,
) -> String {
    let mut written = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        written.push_str(before);
        match after.split_once('}').filter(|(name, _)| is_variable(name)) {
            Some((name, behind)) => {
                match variable(name) {
                    Some(value) => written.push_str(&value),
                    None => warnings.push(format!(
                        "the configuration has `${{{name}}}`, and there is no such variable: nothing takes its place"
                    )),
                }
                rest = behind;
            }
            None => {
                written.push_str("${");
                rest = after;
            }
        }
    }
    written.push_str(rest);
    written
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first == b'_' || first.is_ascii_alphabetic())
        && bytes.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
