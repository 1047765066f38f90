//! With whose name and password a registry is asked. Nothing of it is ever printed, but for where it comes from.

mod helper;
mod login_file;

use std::fmt;
use std::path::PathBuf;

use super::error::ReleaseError;
use super::reference::{Repository, registry_name};
use super::settings::RegistryAccess;
use crate::input;

const USERNAME: &str = "WASMIGRATE_REGISTRY_USERNAME";
const PASSWORD: &str = "WASMIGRATE_REGISTRY_PASSWORD";
const PASSWORD_FILE: &str = "WASMIGRATE_REGISTRY_PASSWORD_FILE";
const HOST: &str = "WASMIGRATE_REGISTRY_HOST";

/// A text that is shown as `…`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for a request and nothing else.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

/// What is shown to a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// A user name and a password.
    Password { username: Secret, password: Secret },
    /// A token that buys others.
    IdentityToken(Secret),
}

impl Login {
    /// The login of a user; one who is called `<token>` has a token that buys others.
    pub(super) fn of(username: &str, password: &str) -> Self {
        match username {
            "<token>" => Self::IdentityToken(Secret::new(password)),
            username => Self::Password {
                username: Secret::new(username),
                password: Secret::new(password),
            },
        }
    }
}

/// A login, and where it was found.
#[derive(Clone, Debug)]
pub(super) struct RegistryLogin {
    pub(super) login: Login,
    /// For messages: `those of …`.
    pub(super) origin: String,
}

/// Looks for a login in all places where one may be; the first counts.
pub(super) fn find(
    access: &RegistryAccess,
    repository: &Repository,
) -> Result<Option<RegistryLogin>, ReleaseError> {
    if let Some(found) = in_variables(access, repository)? {
        return Ok(Some(found));
    }
    let host = &repository.host;
    let config = access.of(host);
    if !config.username.is_empty() {
        let password = secret_file(config.password_file, || {
            format!(
                "`[registry.\"{host}\"]` has a `username` and no `password_file`: name the file with the password"
            )
        })?;
        return Ok(Some(RegistryLogin {
            login: Login::Password {
                username: Secret::new(config.username),
                password,
            },
            origin: format!("[registry.\"{host}\"] of the configuration"),
        }));
    }
    for file in login_files(access) {
        if let Some(found) = login_file::look(&file, repository)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The login that variables give, which says for which registry it is.
fn in_variables(
    access: &RegistryAccess,
    repository: &Repository,
) -> Result<Option<RegistryLogin>, ReleaseError> {
    let Some(username) = access.variable(USERNAME) else {
        return Ok(None);
    };
    let Some(host) = access.variable(HOST) else {
        return Err(ReleaseError::Refused(format!(
            "{USERNAME} is set and {HOST} is not: name the registry that the password is for, so that no other gets it"
        )));
    };
    if registry_name(host).as_ref() != Some(&repository.host) {
        return Ok(None);
    }
    let password = match (access.variable(PASSWORD), access.variable(PASSWORD_FILE)) {
        (Some(password), _) => Secret::new(password),
        (None, file) => secret_file(PathBuf::from(file.unwrap_or_default()), || {
            format!("{USERNAME} is set, and neither {PASSWORD} nor {PASSWORD_FILE}")
        })?,
    };
    Ok(Some(RegistryLogin {
        login: Login::Password {
            username: Secret::new(username),
            password,
        },
        origin: format!("the variable {USERNAME}"),
    }))
}

/// The content of a file with a password.
fn secret_file(file: PathBuf, none: impl FnOnce() -> String) -> Result<Secret, ReleaseError> {
    if file.as_os_str().is_empty() {
        return Err(ReleaseError::Refused(none()));
    }
    let text =
        input::read_text(&file).map_err(ReleaseError::file("read the password in", &file))?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

/// The files that logins of other tools are in, by how near they are.
fn login_files(access: &RegistryAccess) -> Vec<PathBuf> {
    let at = |name: &str, rest: &str| {
        let directory = access.variable(name)?;
        Some(PathBuf::from(directory).join(rest))
    };
    let docker = at("DOCKER_CONFIG", "config.json").or_else(|| at("HOME", ".docker/config.json"));
    let named = access.variable("REGISTRY_AUTH_FILE").map(PathBuf::from);
    let files = [named, at("XDG_RUNTIME_DIR", "containers/auth.json"), docker];
    files.into_iter().flatten().collect()
}
