//! Channel binding: the proof of the password is bound to the certificate that the server has shown, so that nobody with another
//! certificate can stand in between and pass it on. <https://www.rfc-editor.org/rfc/rfc5929#section-4>

use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Whether proofs are bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// Never.
    Disable,
    /// Where both sides can.
    Prefer,
    /// Always; without it, there is no connection.
    Require,
}

impl Binding {
    /// What `channel_binding` says.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, String> {
        match text {
            None | Some("prefer") => Ok(Self::Prefer),
            Some("disable") => Ok(Self::Disable),
            Some("require") => Ok(Self::Require),
            Some(other) => Err(format!(
                "channel_binding: there is no `{other}`; there are disable, prefer and require"
            )),
        }
    }

    /// Which of the offered mechanisms is taken, and what its proof is bound to; none when it cannot be as it must. `certificate`
    /// is the server's, where TLS is spoken.
    pub(super) fn choose(
        self,
        offers_plus: bool,
        certificate: Option<&[u8]>,
    ) -> Option<(&'static str, ChannelBinding)> {
        let end_point = match self {
            Self::Disable => None,
            Self::Prefer | Self::Require => certificate.and_then(end_point),
        };
        match end_point {
            Some(hash) if offers_plus => Some((
                SCRAM_SHA_256_PLUS,
                ChannelBinding::tls_server_end_point(hash),
            )),
            _ if self == Self::Require => None,
            // Says that it would have been possible: a server that offered it, and whose offer was taken away, breaks off.
            Some(_) => Some((SCRAM_SHA_256, ChannelBinding::unrequested())),
            None => Some((SCRAM_SHA_256, ChannelBinding::unsupported())),
        }
    }
}

/// The hash of a certificate by the function that it is signed with, as its name in DER tells: `prefix` is what all functions of a
/// kind of signature have in common, then comes the number of the function.
fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    const ECDSA_WITH_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
    let name = signature_algorithm(certificate)?;
    let (number, prefix) = name.split_last()?;
    let hash = match (prefix, number) {
        // MD5 and SHA-1 are replaced by SHA-256.
        (RSA, 4 | 5 | 11) | (ECDSA, 2) => Sha256::digest(certificate).to_vec(),
        _ if name == ECDSA_WITH_SHA1 => Sha256::digest(certificate).to_vec(),
        (RSA, 12) | (ECDSA, 3) => Sha384::digest(certificate).to_vec(),
        (RSA, 13) | (ECDSA, 4) => Sha512::digest(certificate).to_vec(),
        // For the others it is not defined.
        _ => return None,
    };
    Some(hash)
}

/// The name of the algorithm that a certificate is signed with: a certificate is a sequence of what is signed, the algorithm, which
/// is a sequence that begins with its name, and the signature. <https://www.rfc-editor.org/rfc/rfc5280#section-4.1>
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const NAME: u8 = 0x06;
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (_signed, rest) = element(certificate, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    let (name, _) = element(algorithm, NAME)?;
    Some(name)
}

/// The content of the first element, which must be of this kind, and what comes after it.
fn element(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = bytes.split_first_chunk()?;
    if found != kind {
        return None;
    }
    let (length, rest) = match usize::from(length) {
        short @ 0..0x80 => (short, rest),
        long => {
            let (digits, rest) = rest.split_at_checked(long & 0x7f)?;
            let length = digits.iter().try_fold(0_usize, |length, digit| {
                length.checked_mul(256)?.checked_add(usize::from(*digit))
            });
            (length?, rest)
        }
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate as far as it matters.
    fn certificate(name: &[u8]) -> Vec<u8> {
        let algorithm = [&[6, name.len() as u8][..], name, &[5, 0]].concat();
        let algorithm = [&[0x30, algorithm.len() as u8][..], &algorithm].concat();
        let signed = [&[0x30, 0x82, 1, 0][..], &[7; 256]].concat();
        let content = [signed, algorithm, vec![3, 1, 0]].concat();
        [&[0x30, 0x82, 1, (content.len() - 256) as u8][..], &content].concat()
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        let rsa = |number| certificate(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, number]);
        let ecdsa = |number| certificate(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, number]);
        for (certificate, length) in [
            (rsa(5), Some(32)),
            (rsa(11), Some(32)),
            (rsa(12), Some(48)),
            (rsa(13), Some(64)),
            // RSASSA-PSS says it elsewhere, and Ed25519 has none.
            (rsa(10), None),
            (certificate(&[0x2b, 0x65, 0x70]), None),
            (ecdsa(2), Some(32)),
            (ecdsa(4), Some(64)),
            (vec![0x30, 0x84, 255, 255, 255, 255], None),
            (Vec::new(), None),
        ] {
            let hash = end_point(&certificate);
            assert_eq!(hash.map(|hash| hash.len()), length, "{certificate:?}");
        }
    }

    #[test]
    fn a_proof_is_bound_where_both_sides_can() {
        let certificate = certificate(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 2]);
        let mechanism = |binding: Binding, offers_plus, certificate| {
            binding
                .choose(offers_plus, certificate)
                .map(|(mechanism, _)| mechanism)
        };
        let certificate = Some(&*certificate);
        for (binding, offers_plus, certificate, expected) in [
            (Binding::Prefer, true, certificate, Some(SCRAM_SHA_256_PLUS)),
            (Binding::Prefer, false, certificate, Some(SCRAM_SHA_256)),
            (Binding::Prefer, true, None, Some(SCRAM_SHA_256)),
            (Binding::Disable, true, certificate, Some(SCRAM_SHA_256)),
            (
                Binding::Require,
                true,
                certificate,
                Some(SCRAM_SHA_256_PLUS),
            ),
            (Binding::Require, false, certificate, None),
            (Binding::Require, true, None, None),
        ] {
            assert_eq!(mechanism(binding, offers_plus, certificate), expected);
        }
    }
}
