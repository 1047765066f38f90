//! Our settings in the form of the tool *migrator*, as they hold and without any secret.

use url::Url;
use url::form_urlencoded::Serializer;

use super::File;
use crate::config::Config;

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
        driver: match config.database.starts_with("sqlite") {
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

pub(super) fn without_password(database: &str) -> String {
    if database.starts_with("sqlite") {
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
