//! The configuration of the tool *migrator*, read and written.

use super::effective::without_password;
use super::*;
use crate::config::Config;

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
