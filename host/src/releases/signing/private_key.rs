//! Private keys, sealed with a passphrase as cosign seals them.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};

use super::pem;
use super::public_key::PublicKey;
use super::secret_box::{self, KEY_BYTES, NONCE_BYTES};
use crate::input;
use crate::releases::error::ReleaseError;

const SEALED: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
const SEALED_BEFORE: &str = "ENCRYPTED COSIGN PRIVATE KEY";
const OPEN: &str = "PRIVATE KEY";

/// What the passphrase costs whoever tries many: as cosign has it now, and as it had it before.
const COST: u64 = 65_536;
const COST_BEFORE: u64 = 32_768;
const BLOCK: u32 = 8;
const LANES: u32 = 1;

const SALT_BYTES: usize = 32;

/// A key that signs.
pub struct PrivateKey(EcdsaKeyPair);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrivateKey(…)")
    }
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    kdf: Derivation,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Derivation {
    name: String,
    params: Cost,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Cost {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

impl PrivateKey {
    /// Makes a key; returns it in PEM, sealed with the passphrase, and its public half.
    pub fn make(passphrase: &str) -> Result<(String, PublicKey), ReleaseError> {
        let random = SystemRandom::new();
        let failed = |_| ReleaseError::Refused("the system gives no random numbers".to_owned());
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
            .map_err(failed)?;
        let public = of(document.as_ref())?.public()?;
        let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
        random.fill(&mut salt).map_err(failed)?;
        random.fill(&mut nonce).map_err(failed)?;
        let cost = Cost {
            n: COST,
            r: BLOCK,
            p: LANES,
        };
        let key = derived(passphrase, &salt, &cost)?;
        let ciphertext = secret_box::seal(&key, &nonce, document.as_ref());
        let sealed = Sealed {
            kdf: Derivation {
                name: "scrypt".to_owned(),
                params: cost,
                salt: STANDARD.encode(salt),
            },
            cipher: Cipher {
                name: "nacl/secretbox".to_owned(),
                nonce: STANDARD.encode(nonce),
            },
            ciphertext: STANDARD.encode(ciphertext),
        };
        let json = serde_json::to_vec(&sealed).map_err(|error| {
            ReleaseError::Refused(format!("the key cannot be written: {error}"))
        })?;
        Ok((pem::write(SEALED, &json), public))
    }

    /// Opens the key in a file. The passphrase is asked for only where there is one.
    pub fn open(
        file: &Path,
        passphrase: impl FnOnce() -> Result<String, ReleaseError>,
    ) -> Result<Self, ReleaseError> {
        let text = input::read_text(file).map_err(ReleaseError::file("read the key in", file))?;
        let named = |why: &str| ReleaseError::Refused(format!("`{}` {why}", file.display()));
        let Some((label, bytes)) = pem::read(&text, &[SEALED, SEALED_BEFORE, OPEN]) else {
            return Err(named(
                "is no private key, as `wasmigrate release keys` and `cosign generate-key-pair` make them",
            ));
        };
        let document = match label {
            OPEN => bytes,
            _ => unseal(&bytes, &passphrase()?).map_err(named)?,
        };
        of(&document).map_err(|_| named("is no key on P-256 that has its public half with it"))
    }

    /// Its public half.
    pub fn public(&self) -> Result<PublicKey, ReleaseError> {
        PublicKey::of_point(self.0.public_key().as_ref())
            .ok_or_else(|| ReleaseError::Refused("the key has no public half".to_owned()))
    }

    /// Signs a message.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ReleaseError> {
        self.0
            .sign(&SystemRandom::new(), message)
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| ReleaseError::Refused("the key does not sign".to_owned()))
    }
}

fn of(document: &[u8]) -> Result<PrivateKey, ReleaseError> {
    EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        document,
        &SystemRandom::new(),
    )
    .map(PrivateKey)
    .map_err(|_| ReleaseError::Refused("it is no key on P-256".to_owned()))
}

/// The key in its box; why it does not open.
fn unseal(json: &[u8], passphrase: &str) -> Result<Vec<u8>, &'static str> {
    const STRANGE: &str = "is sealed in a way that is not known here";
    let sealed: Sealed = serde_json::from_slice(json).map_err(|_| STRANGE)?;
    let cost = &sealed.kdf.params;
    let is_known = sealed.kdf.name == "scrypt"
        && sealed.cipher.name == "nacl/secretbox"
        // A larger one would take the memory and the time of whoever opens it.
        && matches!(cost.n, COST | COST_BEFORE)
        && (cost.r, cost.p) == (BLOCK, LANES);
    if !is_known {
        return Err(STRANGE);
    }
    let decoded = |text: &str| STANDARD.decode(text).map_err(|_| STRANGE);
    let nonce: [u8; NONCE_BYTES] = decoded(&sealed.cipher.nonce)?
        .try_into()
        .map_err(|_| STRANGE)?;
    let salt = decoded(&sealed.kdf.salt)?;
    let ciphertext = decoded(&sealed.ciphertext)?;
    let key = derived(passphrase, &salt, cost).map_err(|_| STRANGE)?;
    secret_box::open(&key, &nonce, &ciphertext).ok_or("does not open with this passphrase")
}

/// The key that a passphrase becomes.
fn derived(passphrase: &str, salt: &[u8], cost: &Cost) -> Result<[u8; KEY_BYTES], ReleaseError> {
    let failed = || ReleaseError::Refused("the passphrase cannot be used".to_owned());
    let exponent = u8::try_from(cost.n.ilog2()).map_err(|_| failed())?;
    let parameters = scrypt::Params::new(exponent, cost.r, cost.p).map_err(|_| failed())?;
    let mut key = [0; KEY_BYTES];
    scrypt::scrypt(passphrase.as_bytes(), salt, &parameters, &mut key).map_err(|_| failed())?;
    Ok(key)
}
