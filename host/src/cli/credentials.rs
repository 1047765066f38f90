//! The secrets of the service, for itself and for who calls it.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::config::ServeConfig;
use crate::http::Credentials;
use crate::input;

/// The password of development mode.
const DEVELOPMENT_PASSWORD: &str = "openslides";

/// The secrets of the service.
pub(super) fn credentials(serve: &ServeConfig) -> anyhow::Result<Credentials> {
    let file = Some(&serve.password_file).filter(|file| !file.as_os_str().is_empty());
    let password = match file {
        Some(file) => Some(secret(file, "password")?),
        None if serve.development && serve.listen.ip().is_loopback() => {
            Some(DEVELOPMENT_PASSWORD.into())
        }
        None if serve.development => bail!(
            "development mode is for loopback addresses, and {} is none",
            serve.listen
        ),
        None => None,
    };
    let token = token(&serve.token_file)?;
    let read_token = token_of_reader(serve, token.as_deref())?;
    Ok(Credentials {
        password,
        token,
        read_token,
    })
}

fn token_of_reader(serve: &ServeConfig, full: Option<&str>) -> anyhow::Result<Option<String>> {
    let read_token = token(&serve.read_token_file)?;
    if read_token.is_some() && read_token.as_deref() == full {
        bail!(
            "the tokens in {} and {} are the same: who may only look needs one of their own",
            serve.token_file.display(),
            serve.read_token_file.display()
        );
    }
    Ok(read_token)
}

/// The token in a file; none when no file is named.
pub(super) fn token(file: &Path) -> anyhow::Result<Option<String>> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let token = String::from_utf8(secret(file, "token")?).context("the token is not text")?;
    let token = token.trim_start_matches(input::BYTE_ORDER_MARK).trim();
    if token.is_empty() {
        bail!("the token in {} is empty", file.display());
    }
    Ok(Some(token.to_owned()))
}

fn secret(file: &Path, what: &str) -> anyhow::Result<Vec<u8>> {
    let secret = input::read(file)
        .with_context(|| format!("cannot read the {what} from {}", file.display()))?;
    if secret.is_empty() {
        bail!("the {what} in {} is empty", file.display());
    }
    Ok(secret)
}
