//! The passphrase of a private key: from a variable, a file, or a terminal that does not show it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use console::Term;

use crate::cli::GlobalArguments;
use crate::input;
use crate::releases::{PrivateKey, ReleaseError};

/// The variable in which cosign looks for it, too. It may be empty.
const VARIABLE: &str = "COSIGN_PASSWORD";

#[derive(Clone, Debug, Args)]
pub(super) struct PassphraseArguments {
    /// The file whose whole content is the passphrase of the key [default: the variable COSIGN_PASSWORD, or the terminal]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// The file of the key that a command signs with.
pub(super) fn key_file<'g>(global: &'g GlobalArguments, command: &str) -> anyhow::Result<&'g Path> {
    global.source.key.as_deref().with_context(|| {
        format!(
            "`{command}` needs the key that signs: pass `--key FILE`; `wasmigrate release keys NAME` makes one"
        )
    })
}

impl PassphraseArguments {
    /// Opens a private key.
    pub(super) fn open(&self, file: &Path) -> Result<PrivateKey, ReleaseError> {
        PrivateKey::open(file, || self.passphrase(file, false))
    }

    /// The passphrase; from a terminal it is asked for once more where a key is made.
    pub(super) fn passphrase(&self, key: &Path, twice: bool) -> Result<String, ReleaseError> {
        if let Some(file) = &self.passphrase_file {
            let text = input::read_text(file).map_err(|cause| ReleaseError::File {
                act: "read the passphrase in",
                path: file.clone(),
                cause,
            })?;
            return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
        }
        if let Ok(passphrase) = std::env::var(VARIABLE) {
            return Ok(passphrase);
        }
        let terminal = Term::stderr();
        let none = || {
            ReleaseError::Refused(format!(
                "there is no passphrase for `{}`: set {VARIABLE}, pass `--passphrase-file`, or run this on a terminal",
                key.display()
            ))
        };
        if !terminal.is_term() {
            return Err(none());
        }
        let ask = |what: &str| {
            let written = terminal.write_str(&format!("{what} of `{}`: ", key.display()));
            written
                .and_then(|()| terminal.read_secure_line())
                .map_err(|_| none())
        };
        let passphrase = ask("passphrase")?;
        if twice && ask("the same passphrase")? != passphrase {
            return Err(ReleaseError::Refused(
                "the two passphrases differ".to_owned(),
            ));
        }
        Ok(passphrase)
    }
}
