//! What the settings are when several places say it.

use super::*;

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wasmigrate.toml");
    std::fs::write(&path, file).unwrap();
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(&path), variables).map_err(|error| error.to_string())
}

#[test]
fn variables_win_over_the_file_and_the_file_over_the_defaults() {
    let config = load(
        "attempts = 5\n[limits]\nmemory_mib = 64\n[settings]\nregion = \"north\"\n",
        &[
            ("WASMIGRATE_LIMITS_MEMORY_MIB", "32"),
            ("WASMIGRATE_SETTINGS_COLOUR", "red"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(config.attempts, 5);
    assert_eq!(config.limits.memory_mib, 32);
    assert_eq!(config.limits.stack_kib, Limits::default().stack_kib);
    assert_eq!(config.settings["region"], "north");
    assert_eq!(config.settings["colour"], "red");
}

#[test]
fn what_is_not_known_is_an_error_that_says_where() {
    let error = load("[limits]\nmemory = 5\n", &[]).unwrap_err();
    assert!(
        error.contains("line 2") && error.contains("memory_mib"),
        "{error}"
    );
    let error = load("", &[("WASMIGRATE_LIMITS_MEMROY_MIB", "1")]).unwrap_err();
    assert!(error.contains("WASMIGRATE_LIMITS_MEMROY_MIB"), "{error}");
    let error = load("", &[("WASMIGRATE_ATTEMPTS", "many")]).unwrap_err();
    assert!(error.contains("`many` is no whole number"), "{error}");
}
