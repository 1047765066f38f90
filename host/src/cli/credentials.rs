//! The secrets of the service, for itself and for who calls it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::config::{ServeConfig, TokenConfig};
use crate::http::{Credentials, Role, Secret, SecretKind};
use crate::input;

/// The password of development mode.
const DEVELOPMENT_PASSWORD: &str = "openslides";

/// What the secrets are called that the settings give no name.
const UNNAMED: [&str; 3] = ["password", "token", "read-token"];

/// How often the files of a service are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The secrets of the service, those with a name of their own included.
pub(super) fn secrets(serve: &ServeConfig, named: &[TokenConfig]) -> anyhow::Result<Vec<Secret>> {
    let [of_password, of_token, of_reader] = UNNAMED;
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
    let password =
        password.map(|text| Secret::new(of_password, SecretKind::Password, Role::Finalize, text));
    let mut secrets: Vec<Secret> = password.into_iter().collect();
    let mut add = |name: &str, role: Role, file: &Path| {
        for token in tokens(file)? {
            let is_known =
                |known: &&Secret| known.kind == SecretKind::Token && known.text == token.as_bytes();
            if let Some(known) = secrets.iter().find(is_known)
                && known.role != role
            {
                bail!(
                    "the tokens `{}` and `{name}` are the same, and allow different things: give each a token of its own",
                    known.name
                );
            }
            secrets.push(Secret::new(
                name,
                SecretKind::Token,
                role,
                token.into_bytes(),
            ));
        }
        Ok(())
    };
    add(of_token, Role::Finalize, &serve.token_file)?;
    add(of_reader, Role::Read, &serve.read_token_file)?;
    let mut names = BTreeSet::from(UNNAMED.map(str::to_owned));
    for token in named {
        check_name(&token.name)?;
        if !names.insert(token.name.clone()) {
            bail!(
                "`[[token]]`: there are two secrets of the name `{}`: the history would not tell them apart",
                token.name
            );
        }
        if token.token_file.as_os_str().is_empty() {
            bail!("`[[token]]` `{}`: `token_file` names no file", token.name);
        }
        add(&token.name, token.role, &token.token_file)?;
    }
    Ok(secrets)
}

/// The history shows it, and logs do.
fn check_name(name: &str) -> anyhow::Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_plain) {
        bail!("`[[token]]`: a name is 1 to 64 letters, digits, `.`, `_` and `-`");
    }
    Ok(())
}

/// Reads the files of the service anew when they change, so that a secret is replaced without a restart. Never ends. May be
/// dropped.
pub(super) async fn keep_up_to_date(
    credentials: Credentials,
    serve: ServeConfig,
    named: Vec<TokenConfig>,
) {
    let mut told = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let failure = match secrets(&serve, &named) {
            // A file that is just being written is no reason to let nobody in.
            Ok(secrets) if secrets.is_empty() != credentials.is_empty() => {
                Some("no secret is left".to_owned())
            }
            Ok(secrets) => {
                if credentials.replace(secrets) {
                    tracing::info!("the secrets have changed, and were read anew");
                }
                None
            }
            Err(error) => Some(format!("{error:#}")),
        };
        if failure != told
            && let Some(failure) = &failure
        {
            tracing::warn!(
                "the secrets cannot be read anew, and those from before still count: {failure}"
            );
        }
        told = failure;
    }
}

/// The token in a file, the first where there are several; none when no file is named.
pub(super) fn token(file: &Path) -> anyhow::Result<Option<String>> {
    Ok(tokens(file)?.into_iter().next())
}

/// The tokens in a file, one a line; none when no file is named.
fn tokens(file: &Path) -> anyhow::Result<Vec<String>> {
    if file.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let text = String::from_utf8(secret(file, "token")?).context("the token is not text")?;
    let text = text.trim_start_matches(input::BYTE_ORDER_MARK);
    let lines = text.lines().map(str::trim);
    let tokens: Vec<String> = lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    if tokens.is_empty() {
        bail!("the token in {} is empty", file.display());
    }
    Ok(tokens)
}

fn secret(file: &Path, what: &str) -> anyhow::Result<Vec<u8>> {
    let secret = input::read(file)
        .with_context(|| format!("cannot read the {what} from {}", file.display()))?;
    if secret.is_empty() {
        bail!("the {what} in {} is empty", file.display());
    }
    Ok(secret)
}
