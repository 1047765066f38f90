//! Sessions of browsers: what was proved once with a secret, carried on in a signed cookie.
//!
//! Nothing is kept of a session. The key that signs it is made of the secret that it was begun with, so a session outlives a restart
//! of the host, holds on every host that accepts the secret, and ends when that is accepted no more. Whoever has a cookie knows
//! that secret already, and learns nothing of others.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::http::credentials::{Access, Credentials, Holder, Secret};
use crate::journal::now;

/// How long a session lasts that may give commands: a day's work.
const COMMANDS: Duration = Duration::from_secs(12 * 60 * 60);

/// How long a session lasts that may only look: nobody stands before a display on a wall to sign in.
const READ_ONLY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What the names of all cookies begin with. Services on different ports of one machine share their cookies, but not their
/// secrets: the rest of the name tells by which secret it is.
const PREFIX: &str = "wasmigrate-";

/// What a cookie proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Session {
    pub(in crate::http) holder: Holder,
    /// When it ends, in milliseconds since 1970.
    expires_at: i64,
}

impl Session {
    /// How long it still lasts.
    pub(in crate::http) fn remaining(&self) -> Duration {
        let milliseconds = u64::try_from(self.expires_at - now()).unwrap_or(0);
        Duration::from_millis(milliseconds)
    }

    /// The session that a request's cookies prove.
    pub(in crate::http) fn of(headers: &HeaderMap, credentials: &Credentials) -> Option<Self> {
        let mut known = None;
        let cookies = headers.get_all(header::COOKIE).iter();
        cookies
            .filter_map(|cookies| cookies.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .find_map(|(name, value)| {
                let known: &Vec<_> = known.get_or_insert_with(|| credentials.known());
                let of_name = known.iter().find(|secret| name_of(secret) == name);
                verify(of_name?, value)
            })
    }
}

/// The header that gives a browser a new session. `is_secure` says that the page came over TLS.
pub(super) fn begin(secret: &Secret, is_secure: bool) -> String {
    let age = match secret.holder().access {
        Access::Full | Access::Operate => COMMANDS,
        Access::ReadOnly => READ_ONLY,
    };
    let expires_at = now() + i64::try_from(age.as_millis()).unwrap_or(0);
    let value = signed(secret, expires_at);
    cookie(&name_of(secret), &value, age.as_secs(), is_secure)
}

/// The headers that take all sessions of a browser away.
pub(super) fn end(known: &[Arc<Secret>]) -> Vec<String> {
    let names = known.iter().map(|secret| name_of(secret));
    names.map(|name| cookie(&name, "", 0, false)).collect()
}

fn cookie(name: &str, value: &str, seconds: u64, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// The name of the cookies that are signed with this secret's key.
fn name_of(secret: &Secret) -> String {
    let fingerprint = URL_SAFE_NO_PAD.encode(signature(&mac(secret), "name"));
    format!("{PREFIX}{}", fingerprint.get(..8).unwrap_or_default())
}

fn signed(secret: &Secret, expires_at: i64) -> String {
    let claim = expires_at.to_string();
    let signature = URL_SAFE_NO_PAD.encode(signature(&mac(secret), &claim));
    format!("{claim}.{signature}")
}

fn verify(secret: &Secret, value: &str) -> Option<Session> {
    let (claim, signature) = value.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let signed = mac(secret).chain_update(claim);
    signed.verify_slice(&signature).ok()?;
    let session = Session {
        holder: secret.holder(),
        expires_at: claim.parse().ok()?,
    };
    (!session.remaining().is_zero()).then_some(session)
}

fn mac(secret: &Secret) -> Hmac<Sha256> {
    // Keys of 32 bytes are filled up with zeroes to a block of the hash: <https://www.rfc-editor.org/rfc/rfc2104#section-2>
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (place, byte) in block.iter_mut().zip(secret.session_key()) {
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
    use crate::http::credentials::{Role, SecretKind};

    fn secret(text: &str, role: Role) -> Secret {
        Secret::new("ours", SecretKind::Token, role, text.into())
    }

    fn credentials(text: &str, role: Role) -> Credentials {
        Credentials::new(vec![secret(text, role)])
    }

    /// What a browser sends back.
    fn sent(set: &str) -> HeaderMap {
        let cookie = set.split(';').next().unwrap();
        let cookies = format!("other=1; {cookie}");
        [(header::COOKIE, cookies.parse().unwrap())]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_cookie_proves_what_was_signed_and_nothing_else() {
        let ours = credentials("secret", Role::Read);
        let reader = begin(&secret("secret", Role::Read), false);
        let session = Session::of(&sent(&reader), &ours).unwrap();
        assert_eq!(session.holder.access, Access::ReadOnly);
        // Another host that accepts the same secret.
        let elsewhere = credentials("secret", Role::Operate);
        let session = Session::of(&sent(&reader), &elsewhere).unwrap();
        assert_eq!(session.holder.access, Access::Operate);
        let ended = end(&ours.known()).remove(0);
        for forged in [
            reader.replacen('=', "=9", 1),
            reader.replacen(';', "A;", 1),
            ended,
        ] {
            assert_eq!(Session::of(&sent(&forged), &ours), None, "{forged}");
        }
        let name = |set: &str| set.split('=').next().unwrap().to_owned();
        let set = begin(&secret("another", Role::Finalize), false);
        assert_ne!(name(&set), name(&reader));
        let renamed = set.replace(&name(&set), &name(&reader));
        assert_eq!(Session::of(&sent(&renamed), &ours), None);
        assert_eq!(
            Session::of(&sent(&reader), &credentials("another", Role::Finalize)),
            None
        );
        assert_eq!(Session::of(&sent(&reader), &Credentials::default()), None);
    }

    #[test]
    fn a_session_ends() {
        let ours = secret("secret", Role::Finalize);
        assert_eq!(verify(&ours, &signed(&ours, now() - 1)), None);
        assert!(verify(&ours, &signed(&ours, now() + 1_000)).is_some());
    }

    #[test]
    fn a_secret_that_stays_keeps_its_sessions_when_others_are_replaced() {
        let ours = credentials("secret", Role::Finalize);
        let cookie = begin(&secret("secret", Role::Finalize), false);
        ours.replace(vec![
            secret("new", Role::Finalize),
            secret("secret", Role::Finalize),
        ]);
        assert!(Session::of(&sent(&cookie), &ours).is_some());
        ours.replace(vec![secret("new", Role::Finalize)]);
        assert_eq!(Session::of(&sent(&cookie), &ours), None);
    }
}
