//! Sessions of browsers: what was proved once with a secret, carried on in a signed cookie.
//!
//! Nothing is kept of a session but a key, in a directory of the host's cache that is this user's alone; so a session
//! outlives a restart of the host. Each set of secrets has a key of its own, so that whoever changes a secret ends all
//! sessions. The key is made by chance: nothing about a secret can be learned from a cookie, even by who knows the key.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::http::credentials::{Access, Credentials};
use crate::journal::now;
use crate::private;

/// How long a session lasts that may give commands: a day's work.
const FULL: Duration = Duration::from_secs(12 * 60 * 60);

/// How long a session lasts that may only look: nobody stands before a display on a wall to sign in.
const READ_ONLY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Where the keys are, in the cache directory.
const DIRECTORY: &str = "sessions";

/// The file of the key that names the files of the others.
const NAMING: &str = "naming";

/// The bytes of a key.
const KEY_BYTES: usize = 32;

/// What sessions are signed with.
#[derive(Clone)]
pub struct SigningKey([u8; KEY_BYTES]);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKey")
    }
}

impl SigningKey {
    /// The key of these secrets in this cache directory; made when there is none. An error says that it can be neither read
    /// nor kept, or that others could have put it there.
    pub fn of(cache: &Path, credentials: &Credentials) -> std::io::Result<Self> {
        if cache.as_os_str().is_empty() {
            return Err(std::io::Error::other("there is no directory for caches"));
        }
        let directory = cache.join(DIRECTORY);
        private::make(&directory)?;
        let directory = private::check(&directory)?;
        let mut name = mac(&kept(&directory.join(NAMING))?);
        for secret in credentials.all() {
            let length = secret.map_or(u64::MAX, |secret| secret.len() as u64);
            name.update(&length.to_be_bytes());
            name.update(secret.unwrap_or_default());
        }
        let name = URL_SAFE_NO_PAD.encode(name.finalize().into_bytes());
        kept(&directory.join(name)).map(Self)
    }

    /// A key that is known to this process alone.
    pub fn of_this_process() -> Self {
        Self(rand::random())
    }
}

/// The key in a file of a directory that was checked; made when there is none.
fn kept(file: &Path) -> std::io::Result<[u8; KEY_BYTES]> {
    if file.try_exists()? {
        return read(file);
    }
    let key: [u8; KEY_BYTES] = rand::random();
    let directory = file.parent().unwrap_or(file);
    // Readable by this user alone, as all temporary files are.
    let mut made = tempfile::NamedTempFile::new_in(directory)?;
    made.write_all(&key)?;
    // Of two hosts that start at the same time, the first one's key counts.
    match made.persist_noclobber(file) {
        Ok(_) => Ok(key),
        Err(_) => read(file),
    }
}

fn read(file: &Path) -> std::io::Result<[u8; KEY_BYTES]> {
    let key = private::read(file)?.try_into();
    key.map_err(|_| std::io::Error::other(format!("`{}` holds no key", file.display())))
}

/// What a cookie proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct Session {
    pub(in crate::http) access: Access,
    /// When it ends, in milliseconds since 1970.
    expires_at: i64,
}

impl Session {
    /// How long it still lasts.
    pub(in crate::http) fn remaining(&self) -> Duration {
        let milliseconds = u64::try_from(self.expires_at - now()).unwrap_or(0);
        Duration::from_millis(milliseconds)
    }
}

/// Signs and checks cookies.
pub(in crate::http) struct Sessions {
    key: Hmac<Sha256>,
    /// The cookie's name. Services on different ports of one machine share their cookies, but not their keys.
    name: String,
    /// Whether there is a secret with which one begins.
    can_begin: bool,
}

impl Sessions {
    /// Sessions of a service with these secrets. Without any, nobody has begun one.
    pub(in crate::http) fn new(key: &SigningKey, credentials: &Credentials) -> Self {
        let key = mac(&key.0);
        let fingerprint = URL_SAFE_NO_PAD.encode(signature(&key, "name"));
        Self {
            key,
            name: format!("wasmigrate-{}", fingerprint.get(..8).unwrap_or_default()),
            can_begin: !credentials.is_empty(),
        }
    }

    /// The header that gives a browser a new session. `is_secure` says that the page came over TLS.
    pub(super) fn begin(&self, access: Access, is_secure: bool) -> String {
        let age = match access {
            Access::Full => FULL,
            Access::ReadOnly => READ_ONLY,
        };
        let expires_at = now() + i64::try_from(age.as_millis()).unwrap_or(0);
        let claim = format!("{}.{expires_at}", access.as_str());
        let signature = URL_SAFE_NO_PAD.encode(signature(&self.key, &claim));
        self.cookie(&format!("{claim}.{signature}"), age.as_secs(), is_secure)
    }

    /// The header that takes it away.
    pub(super) fn end(&self) -> String {
        self.cookie("", 0, false)
    }

    fn cookie(&self, value: &str, seconds: u64, is_secure: bool) -> String {
        let secure = if is_secure { "; Secure" } else { "" };
        format!(
            "{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}",
            self.name
        )
    }

    /// The session that a request's cookies prove.
    pub(in crate::http) fn of(&self, headers: &HeaderMap) -> Option<Session> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|cookies| cookies.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .filter(|(name, _)| *name == self.name)
            .find_map(|(_, value)| self.verify(value))
    }

    fn verify(&self, value: &str) -> Option<Session> {
        if !self.can_begin {
            return None;
        }
        let (claim, signature) = value.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let signed = self.key.clone().chain_update(claim);
        signed.verify_slice(&signature).ok()?;
        let (access, expires_at) = claim.split_once('.')?;
        let session = Session {
            access: Access::from_str(access)?,
            expires_at: expires_at.parse().ok()?,
        };
        (!session.remaining().is_zero()).then_some(session)
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    // Keys of 32 bytes are filled up with zeroes to a block of the hash: <https://www.rfc-editor.org/rfc/rfc2104#section-2>
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (place, byte) in block.iter_mut().zip(key) {
        *place = *byte;
    }
    Hmac::new(&block)
}

fn signature(key: &Hmac<Sha256>, claim: &str) -> [u8; 32] {
    key.clone()
        .chain_update(claim)
        .finalize()
        .into_bytes()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(token: &str) -> Credentials {
        Credentials {
            token: Some(token.to_owned()),
            ..Credentials::default()
        }
    }

    fn sessions(key: &SigningKey) -> Sessions {
        Sessions::new(key, &credentials("secret"))
    }

    /// What a browser sends back.
    fn cookie(set: &str) -> HeaderMap {
        let cookie = set.split(';').next().unwrap();
        let cookies = format!("other=1; {cookie}");
        [(header::COOKIE, cookies.parse().unwrap())]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_cookie_proves_what_was_signed_and_nothing_else() {
        let key = SigningKey::of_this_process();
        let ours = sessions(&key);
        let reader = ours.begin(Access::ReadOnly, false);
        assert_eq!(ours.of(&cookie(&reader)).unwrap().access, Access::ReadOnly);
        let again = sessions(&key);
        assert!(again.of(&cookie(&reader)).is_some());
        for forged in [
            reader.replace("read-only", "full"),
            reader.replacen('.', ".9", 1),
            reader.replacen(';', "A;", 1),
            ours.end(),
        ] {
            assert_eq!(ours.of(&cookie(&forged)), None, "{forged}");
        }
        let name = |set: &str| set.split('=').next().unwrap().to_owned();
        let set = sessions(&SigningKey::of_this_process()).begin(Access::Full, false);
        assert_ne!(name(&set), name(&reader));
        let renamed = set.replace(&name(&set), &name(&reader));
        assert_eq!(ours.of(&cookie(&renamed)), None);
        let without_secrets = Sessions::new(&key, &Credentials::default());
        assert_eq!(without_secrets.of(&cookie(&reader)), None);
    }

    #[test]
    fn a_session_ends() {
        let ours = sessions(&SigningKey::of_this_process());
        let claim = format!("full.{}", now() - 1);
        let signature = URL_SAFE_NO_PAD.encode(signature(&ours.key, &claim));
        assert_eq!(ours.verify(&format!("{claim}.{signature}")), None);
    }

    #[test]
    fn the_key_of_a_cache_and_its_secrets_stays() {
        let cache = tempfile::tempdir().unwrap();
        let key = |token: &str| SigningKey::of(cache.path(), &credentials(token)).unwrap().0;
        let first = key("secret");
        assert_ne!(key("changed"), first);
        assert_eq!(key("secret"), first);
    }

    #[test]
    fn a_key_that_others_could_have_made_is_no_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let cache = tempfile::tempdir().unwrap();
        let key = || SigningKey::of(cache.path(), &credentials("secret"));
        key().unwrap();
        let sessions = cache.path().join(DIRECTORY);
        for (path, mode) in [(sessions.join(NAMING), 0o644), (sessions, 0o755)] {
            let open = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, open).unwrap();
            let refused = key().unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
        }
    }
}
