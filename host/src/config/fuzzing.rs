//! All that reads a text of settings, for a fuzzer.

use std::path::Path;

use super::{Config, conninfo, dotenv, environment, migrator, parse, substitute};

/// Reads a text in every way in which settings are read.
pub fn read_foreign(text: &str) {
    let variable = |name: &str| (name.len() < 4).then(|| "${A}".to_owned());
    if let Ok(mut table) = parse(Path::new("fuzzed.toml"), text) {
        let _ = environment::choose(&mut table, Some("production"));
        let _ = substitute::substitute(&mut table, &variable);
        let _ = table.try_into::<Config>();
    }
    let _ = migrator::read(text, &variable);
    let _ = dotenv::parse(text.as_bytes(), &variable);
    let _ = conninfo::url(text, &|_| None);
}
