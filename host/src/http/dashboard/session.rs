//! Sessions of browsers: what was proved once with a secret, carried on in a signed cookie.
//!
//! Nothing is kept of a session but a key, in a file of the host's cache directory, which is this user's alone; so a
//! session outlives a restart of the host. The key that signs is derived from that one and the secrets: whoever changes a
//! secret ends all sessions. Nothing about a secret can be learned from a cookie.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::http::credentials::{Access, Credentials};
use crate::input;
use crate::journal::now;
use crate::private;

/// How long a session lasts that may give commands: a day's work.
const FULL: Duration = Duration::from_secs(12 * 60 * 60);

/// How long a session lasts that may only look: nobody stands before a display on a wall to sign in.
const READ_ONLY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The file of the key, in the cache directory.
const FILE: &str = "session-key";

/// What sessions are signed with, before the secrets are known.
#[derive(Clone)]
pub struct SigningKey([u8; 32]);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKey")
    }
}

impl SigningKey {
    /// The key of this cache directory; made when there is none. An error says that it can be neither read nor kept.
    pub fn of(cache: &Path) -> std::io::Result<Self> {
        if cache.as_os_str().is_empty() {
            return Err(std::io::Error::other("there is no directory for caches"));
        }
        let path = cache.join(FILE);
        if let Some(key) = read(&path)? {
            return Ok(key);
        }
        private::make(cache)?;
        let key: [u8; 32] = rand::random();
        // Readable by this user alone, as all temporary files are.
        let mut file = tempfile::NamedTempFile::new_in(cache)?;
        file.write_all(&key)?;
        // Of two hosts that start at the same time, the first one's key counts.
        match file.persist_noclobber(&path) {
            Ok(_) => Ok(Self(key)),
            Err(error) => read(&path)?.ok_or(error.error),
        }
    }

    /// A key that is known to this process alone.
    pub fn of_this_process() -> Self {
        Self(rand::random())
    }
}

/// The key in a file; none when there is no file, or one that holds no key.
fn read(path: &Path) -> std::io::Result<Option<SigningKey>> {
    match input::read(path) {
        Ok(bytes) => Ok(bytes.try_into().ok().map(SigningKey)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
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
}

impl Sessions {
    pub(in crate::http) fn new(key: &SigningKey, credentials: &Credentials) -> Self {
        let mut secrets = mac(&key.0);
        for secret in credentials.all() {
            let length = secret.map_or(u64::MAX, |secret| secret.len() as u64);
            secrets.update(&length.to_be_bytes());
            secrets.update(secret.unwrap_or_default());
        }
        let key = mac(&secrets.finalize().into_bytes());
        let fingerprint = URL_SAFE_NO_PAD.encode(signature(&key, "name"));
        Self {
            key,
            name: format!("wasmigrate-{}", fingerprint.get(..8).unwrap_or_default()),
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

    fn sessions(key: &SigningKey, token: &str) -> Sessions {
        let credentials = Credentials {
            token: Some(token.to_owned()),
            ..Credentials::default()
        };
        Sessions::new(key, &credentials)
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
        let ours = sessions(&key, "secret");
        let reader = ours.begin(Access::ReadOnly, false);
        assert_eq!(ours.of(&cookie(&reader)).unwrap().access, Access::ReadOnly);
        let again = sessions(&key, "secret");
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
        for others in [
            sessions(&key, "changed"),
            sessions(&SigningKey::of_this_process(), "secret"),
        ] {
            let set = others.begin(Access::Full, false);
            assert_ne!(name(&set), name(&reader));
            let renamed = set.replace(&name(&set), &name(&reader));
            assert_eq!(ours.of(&cookie(&renamed)), None);
        }
    }

    #[test]
    fn a_session_ends() {
        let ours = sessions(&SigningKey::of_this_process(), "secret");
        let claim = format!("full.{}", now() - 1);
        let signature = URL_SAFE_NO_PAD.encode(signature(&ours.key, &claim));
        assert_eq!(ours.verify(&format!("{claim}.{signature}")), None);
    }

    #[test]
    fn the_key_of_a_cache_stays() {
        let cache = tempfile::tempdir().unwrap();
        let first = SigningKey::of(cache.path()).unwrap();
        assert_eq!(SigningKey::of(cache.path()).unwrap().0, first.0);
    }
}
