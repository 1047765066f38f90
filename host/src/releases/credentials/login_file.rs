//! Logins as docker and podman keep them:
//! <https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md>

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Login, RegistryLogin, Secret, helper};
use crate::input;
use crate::releases::error::ReleaseError;
use crate::releases::reference::Repository;

/// What Docker Hub is called in these files.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoginFile {
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

/// The login for a repository in such a file; none where there is none, or no file.
pub(super) fn look(
    file: &Path,
    repository: &Repository,
) -> Result<Option<RegistryLogin>, ReleaseError> {
    let text = match input::read_text(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ReleaseError::file("read the logins in", file)(error)),
    };
    // What is wrong with it may quote a password.
    let logins: LoginFile = serde_json::from_str(&text).map_err(|error| {
        ReleaseError::Refused(format!(
            "`{}` is no file of logins: it is not read from line {} on",
            file.display(),
            error.line()
        ))
    })?;
    let host = &repository.host;
    let names = names(repository);
    let helper = names.iter().find_map(|name| logins.helpers.get(name));
    if let Some(helper) = helper.or(logins.store.as_ref().filter(|store| !store.is_empty())) {
        let asked = match is_docker_hub(host) {
            true => DOCKER_HUB,
            false => host,
        };
        if let Some(login) = helper::ask(helper, asked, file)? {
            let origin = format!(
                "docker-credential-{helper}, which `{}` names",
                file.display()
            );
            return Ok(Some(RegistryLogin { login, origin }));
        }
    }
    let Some((name, entry)) = names
        .iter()
        .find_map(|name| logins.auths.get_key_value(name))
    else {
        return Ok(None);
    };
    let origin = format!("`{}`", file.display());
    let login = login(entry).ok_or_else(|| {
        ReleaseError::Refused(format!(
            "{origin} has no login for `{name}` that can be read: sign in anew"
        ))
    })?;
    Ok(login.map(|login| RegistryLogin { login, origin }))
}

/// What a registry may be called in such a file, the longest first.
fn names(repository: &Repository) -> Vec<String> {
    let Repository { host, path } = repository;
    let whole = format!("{host}/{path}");
    let places = whole.match_indices('/').map(|(at, _)| at);
    let mut names: Vec<String> = places
        .filter_map(|at| whole.get(..at))
        .map(str::to_owned)
        .collect();
    names.push(whole.clone());
    names.reverse();
    for scheme in ["https", "http"] {
        names.push(format!("{scheme}://{host}"));
        for path in ["", "v1/", "v2/"] {
            names.push(format!("{scheme}://{host}/{path}"));
        }
    }
    if is_docker_hub(host) {
        names.push(DOCKER_HUB.to_owned());
        names.push("docker.io".to_owned());
    }
    names
}

fn is_docker_hub(host: &str) -> bool {
    matches!(
        host,
        "docker.io" | "index.docker.io" | "registry-1.docker.io"
    )
}

/// What an entry holds: an empty one is a promise that a helper knows; none for what cannot be read.
fn login(entry: &Entry) -> Option<Option<Login>> {
    if !entry.identitytoken.is_empty() {
        return Some(Some(Login::IdentityToken(Secret::new(
            &entry.identitytoken,
        ))));
    }
    if entry.auth.is_empty() {
        let is_empty = entry.username.is_empty() || entry.password.is_empty();
        return Some((!is_empty).then(|| Login::of(&entry.username, &entry.password)));
    }
    let pair = STANDARD.decode(entry.auth.trim()).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (username, password) = pair.split_once(':')?;
    Some(Some(Login::of(username, password.trim_end_matches('\0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, host: &str, path: &str) -> Option<Login> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.json");
        std::fs::write(&file, text).unwrap();
        let repository = Repository {
            host: host.to_owned(),
            path: path.to_owned(),
        };
        look(&file, &repository).unwrap().map(|found| found.login)
    }

    #[test]
    fn the_nearest_login_counts() {
        let auth = |pair: &str| format!(r#"{{"auth":"{}"}}"#, STANDARD.encode(pair));
        let text = format!(
            r#"{{"auths":{{"h:1":{},"h:1/a/b":{},"https://index.docker.io/v1/":{},"h:2":{{"identitytoken":"t"}},"h:3":{{}}}}}}"#,
            auth("host:p"),
            auth("deep:p:q"),
            auth("hub:p")
        );
        assert_eq!(found(&text, "h:1", "a"), Some(Login::of("host", "p")));
        assert_eq!(found(&text, "h:1", "a/b/c"), Some(Login::of("deep", "p:q")));
        assert_eq!(
            found(&text, "docker.io", "a/b"),
            Some(Login::of("hub", "p"))
        );
        assert_eq!(found(&text, "h:2", "a"), Some(Login::of("<token>", "t")));
        assert_eq!(found(&text, "h:3", "a"), None);
        assert_eq!(found(&text, "h", "a"), None);
    }

    #[test]
    fn nothing_of_a_login_is_shown() {
        assert!(!format!("{:?}", Login::of("name", "geheim")).contains("geheim"));
    }
}
