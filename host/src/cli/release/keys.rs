//! `release keys`: a pair of keys, as cosign makes them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use super::passphrase::PassphraseArguments;
use crate::cli::CommandError;
use crate::cli::terminal::Terminal;
use crate::releases::PrivateKey;

/// What others may do with the two files.
const OWN: u32 = 0o600;
const READABLE: u32 = 0o644;

#[derive(Debug, Args)]
pub(in crate::cli) struct KeysArguments {
    /// What the files are called: NAME.key, which signs, and NAME.pub, which verifies
    #[arg(value_name = "NAME")]
    name: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

pub(in crate::cli) fn run(
    arguments: &KeysArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let named = |ending: &str| {
        let mut name = arguments.name.clone().into_os_string();
        name.push(ending);
        PathBuf::from(name)
    };
    let (private, public) = (named(".key"), named(".pub"));
    for file in [&private, &public] {
        if file.exists() {
            return Err(anyhow::anyhow!(
                "`{}` is there already: a key that is written over is lost",
                file.display()
            )
            .into());
        }
    }
    let passphrase = arguments.passphrase.passphrase(&private, true)?;
    let (sealed, key) = PrivateKey::make(&passphrase)?;
    write(&private, &sealed, OWN)?;
    write(&public, &key.to_pem(), READABLE)?;
    let id = key.id();
    if terminal.json() {
        terminal.document(&serde_json::json!({"private": private, "public": public, "id": id}));
        return Ok(0);
    }
    terminal.line(&format!(
        "made {}, which signs: keep it secret",
        private.display()
    ));
    terminal.line(&format!(
        "made {}, which verifies: hand it on",
        public.display()
    ));
    terminal.line(&format!("id   {id}"));
    Ok(0)
}

/// Writes a file that was not there.
fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(path);
    let written = opened.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("`{}` is there already", path.display())
        }
        written => written.with_context(|| format!("cannot write `{}`", path.display())),
    }
}
