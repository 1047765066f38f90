//! `migrator.yaml`: the configuration of the tool *migrator*, read as settings of ours, and our settings written in its form.
//!
//! In every value, `${NAME}` stands for a variable, but for the webhook's template: that has its values when it is sent, and
//! is shown without them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use url::Url;
use url::form_urlencoded::Serializer;

use super::{Config, conninfo};

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
    Ok((file.settings()?, warnings))
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

    fn settings(self) -> Result<Table, String> {
        self.check()?;
        let database = conninfo::url(&self.data_source)
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

/// What stands in place of a secret.
const MASK: &str = "*****";

/// Headers whose values are no secrets.
const OPEN_HEADERS: [&str; 3] = ["accept", "content-type", "user-agent"];

/// The settings that hold, in that tool's form, without any secret.
pub fn effective(config: &Config) -> String {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let directories = |names: &[String]| Some(names.to_vec()).filter(|names| !names.is_empty());
    let (sources, migrator) = (&config.sources, &config.migrator);
    let level = some(&config.serve.log_level).filter(|level| level != "info");
    let file = File {
        base_location: sources.base.display().to_string(),
        driver: match config.database.starts_with("sqlite:") {
            true => "sqlite".to_owned(),
            false => "postgres".to_owned(),
        },
        data_source: without_password(&config.database),
        tenant_select_sql: some(&config.tenants.select),
        tenant_insert_sql: some(&config.tenants.insert),
        schema_place_holder: some(&sources.placeholder).filter(|it| it != "{schema}"),
        single_migrations: Some(sources.single_migrations.clone()),
        tenant_migrations: directories(&sources.tenant_migrations),
        single_scripts: directories(&sources.single_scripts),
        tenant_scripts: directories(&sources.tenant_scripts),
        port: Some(config.serve.listen.port().to_string()),
        path_prefix: Some(migrator.path_prefix.clone()),
        web_hook_url: some(&migrator.webhook_url).map(|url| only_the_host(&url)),
        web_hook_headers: directories(&migrator.webhook_headers)
            .map(|headers| headers.iter().map(|header| without_value(header)).collect()),
        web_hook_template: some(&migrator.webhook_template),
        log_level: level.map(|level| level.to_ascii_uppercase()),
    };
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(&file, options).unwrap_or_default()
}

fn without_password(database: &str) -> String {
    if database.starts_with("sqlite:") {
        return database.to_owned();
    }
    let Ok(mut url) = Url::parse(database) else {
        return MASK.to_owned();
    };
    if url.password().is_some() {
        // Fails only for a URL that can have no password.
        let _ = url.set_password(Some(MASK));
    }
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    if pairs.iter().any(|(name, _)| name == "password") {
        let pairs = pairs.iter().map(|(name, value)| match &**name {
            "password" => (name, MASK),
            _ => (name, value.as_str()),
        });
        let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
        url.set_query(Some(&query));
    }
    url.into()
}

/// The path of a webhook is often its secret.
fn only_the_host(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => format!("{}/{MASK}", url.origin().ascii_serialization()),
        Err(_) => MASK.to_owned(),
    }
}

fn without_value(header: &str) -> String {
    match header.split_once(':') {
        Some((name, _)) if OPEN_HEADERS.contains(&name.trim().to_ascii_lowercase().as_str()) => {
            header.to_owned()
        }
        Some((name, _)) => format!("{name}: {MASK}"),
        None => MASK.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
baseLocation: ${BASE}/migrations
driver: postgres
dataSource: "user=${DB_USER} password=${TOKEN} dbname=shop host=db.example port=55432 sslmode=disable"
tenantSelectSQL: select name from global.customers
tenantInsertSQL: insert into global.customers (name, active) values ($1, true)
schemaPlaceHolder: :tenant
singleMigrations:
  - public
  - ref
tenantMigrations: [tenants]
tenantScripts:
- tenants-scripts
port: 8181
pathPrefix: /migrator
webHookURL: https://hooks.example/services/T/B/XXX
webHookHeaders:
  - "Authorization: Basic ${TOKEN}"
  - "Content-Type: application/json"
webHookTemplate: '{"text": "${summary.versionId} ${TOKEN} ${summary}"}'
logLevel: DEBUG
novelty: 1
"#;

    fn variable(name: &str) -> Option<String> {
        let value = match name {
            "BASE" => "/srv",
            "DB_USER" => "ada",
            "TOKEN" => "c2VjcmV0",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn config(text: &str) -> Result<(Config, Vec<String>), String> {
        let (table, warnings) = read(text, &variable)?;
        let config = table.try_into::<Config>().map_err(|it| it.to_string())?;
        Ok((config, warnings))
    }

    #[test]
    fn every_key_becomes_a_setting() {
        let (config, warnings) = config(FILE).unwrap();
        assert_eq!(config.sources.base.to_str(), Some("/srv/migrations"));
        assert_eq!(config.sources.single_migrations, ["public", "ref"]);
        assert_eq!(config.sources.tenant_migrations, ["tenants"]);
        assert!(config.sources.single_scripts.is_empty());
        assert_eq!(config.sources.tenant_scripts, ["tenants-scripts"]);
        assert_eq!(config.sources.placeholder, ":tenant");
        assert_eq!(config.tenants.select, "select name from global.customers");
        assert!(config.tenants.insert.contains("($1, true)"));
        assert_eq!(config.tenants.parallel, 0);
        assert_eq!(config.serve.listen.to_string(), "127.0.0.1:8181");
        assert_eq!(config.serve.log_level, "debug");
        assert_eq!(config.migrator.path_prefix, "/migrator");
        assert_eq!(
            config.migrator.webhook_headers,
            [
                "Authorization: Basic c2VjcmV0",
                "Content-Type: application/json"
            ]
        );
        assert!(
            config
                .migrator
                .webhook_template
                .contains("${summary.versionId}")
        );
        assert!(config.database.contains("user=ada&password=c2VjcmV0"));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("`novelty`"), "{warnings:?}");
    }

    #[test]
    fn what_is_shown_has_no_secret_and_can_be_read_again() {
        let shown = effective(&config(FILE).unwrap().0);
        assert!(
            !shown.contains("c2VjcmV0") && !shown.contains("XXX"),
            "{shown}"
        );
        let expected = r#"baseLocation: /srv/migrations
driver: postgres
dataSource: postgres:///?user=ada&password=*****&dbname=shop&host=db.example&port=55432&sslmode=disable
tenantSelectSQL: select name from global.customers
tenantInsertSQL: insert into global.customers (name, active) values ($1, true)
schemaPlaceHolder: ":tenant"
singleMigrations:
- public
- ref
tenantMigrations:
- tenants
tenantScripts:
- tenants-scripts
port: "8181"
pathPrefix: /migrator
webHookURL: https://hooks.example/*****
webHookHeaders:
- "Authorization: *****"
- "Content-Type: application/json"
webHookTemplate: "{\"text\": \"${summary.versionId} ${TOKEN} ${summary}\"}"
logLevel: DEBUG
"#;
        assert_eq!(shown, expected);
        let again = effective(&config(&shown).unwrap().0);
        assert_eq!(again.replace("%2A", "*"), shown);
    }

    #[test]
    fn a_password_in_a_url_is_masked() {
        let shown = without_password("postgres://ada:secret@h/d?password=secret&sslmode=disable");
        assert_eq!(
            shown,
            "postgres://ada:*****@h/d?password=*****&sslmode=disable"
        );
    }

    #[test]
    fn what_is_wrong_is_told_by_its_key() {
        for (from, to, message) in [
            ("driver: postgres", "driver: mysql", "`driver` is `mysql`"),
            ("driver: postgres", "", "`driver` is missing"),
            ("port: 8181", "port: many", "`port` is `many`"),
            ("logLevel: DEBUG", "logLevel: LOUD", "`logLevel` is `LOUD`"),
            (
                "${BASE}/migrations",
                "s3://bucket",
                "`baseLocation` is an address",
            ),
            ("tenantMigrations: [tenants]", "tenantMigrations: {", "line"),
        ] {
            let error = config(&FILE.replace(from, to)).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_variable_that_is_missing_is_told() {
        let (_, warnings) = config(&FILE.replace("${BASE}", "${NOWHERE}")).unwrap();
        assert!(
            warnings.iter().any(|it| it.contains("`${NOWHERE}`")),
            "{warnings:?}"
        );
    }
}
