//! Files that hold secrets, and are open to others.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Config;
use crate::output::without_secrets;

/// What a user who is neither the owner nor of the group may do.
const OTHERS: u32 = 0o007;

impl Config {
    /// A warning for each file with a secret that every user of the machine may read or write. A container has no other users, and
    /// is given its secrets like that: so it is no error.
    pub fn open_secrets(&self) -> Vec<String> {
        let webhooks = self.webhook.iter().map(|webhook| &webhook.secret_file);
        let tokens = self.token.iter().map(|token| &token.token_file);
        let registries = self.registry.values();
        let registries = registries.map(|registry| &registry.password_file);
        [
            &self.serve.password_file,
            &self.serve.token_file,
            &self.serve.read_token_file,
            &self.migrate_result.token_file,
            &self.postgres.password_file,
            &self.gate.secret_file,
        ]
        .into_iter()
        .chain(webhooks)
        .chain(tokens)
        .chain(registries)
        .filter_map(|file| open_secret(file))
        .collect()
    }
}

/// A warning when a file with a secret is open to every user of the machine.
pub fn open_secret(file: &Path) -> Option<String> {
    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    (mode & OTHERS != 0).then(|| {
        format!(
            "`{}` holds a secret and is open to every user of this machine (mode {:o}): make it 0600",
            file.display(),
            mode & 0o777
        )
    })
}

/// The message without the text that was given where something else is expected: nobody needs it there, and it may be a secret.
pub(super) fn without_value(message: &str) -> String {
    const BEFORE: &str = "invalid type: string \"";
    const AFTER: &str = "\", expected ";
    let message = without_secrets(message);
    match (message.find(BEFORE), message.rfind(AFTER)) {
        (Some(begin), Some(end)) if begin < end => format!(
            "{}a text is there, expected {}",
            message.get(..begin).unwrap_or_default(),
            message.get(end + AFTER.len()..).unwrap_or_default()
        ),
        _ => message,
    }
}
