//! The box of NaCl that keeps a key: XSalsa20 and Poly1305, put together as <https://nacl.cr.yp.to/secretbox.html> says.
//!
//! The libraries that do it whole are of an earlier generation than what this host stands on, and would be built beside it.

use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit as _, StreamCipher as _};
use subtle::ConstantTimeEq as _;

pub(super) const KEY_BYTES: usize = 32;
pub(super) const NONCE_BYTES: usize = 24;

/// The bytes of what tells a changed box.
const TAG_BYTES: usize = 16;

/// Puts a message into a box: first what tells a change, then the message.
pub(super) fn seal(key: &[u8; KEY_BYTES], nonce: &[u8; NONCE_BYTES], message: &[u8]) -> Vec<u8> {
    let (mut cipher, authenticator) = begin(key, nonce);
    let mut hidden = message.to_vec();
    cipher.apply_keystream(&mut hidden);
    let tag = authenticator.compute_unpadded(&hidden);
    [&tag[..], &hidden].concat()
}

/// The message in a box; none when the key or the box is another one.
pub(super) fn open(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    let (tag, hidden) = sealed.split_at_checked(TAG_BYTES)?;
    let (mut cipher, authenticator) = begin(key, nonce);
    let expected = authenticator.compute_unpadded(hidden);
    if !bool::from(expected[..].ct_eq(tag)) {
        return None;
    }
    let mut message = hidden.to_vec();
    cipher.apply_keystream(&mut message);
    Some(message)
}

/// The first bytes of the stream are the key of what tells a change.
fn begin(key: &[u8; KEY_BYTES], nonce: &[u8; NONCE_BYTES]) -> (XSalsa20, Poly1305) {
    let mut cipher = XSalsa20::new(key.into(), nonce.into());
    let mut first = [0; KEY_BYTES];
    cipher.apply_keystream(&mut first);
    (cipher, Poly1305::new(&first.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
        (0..hexadecimal.len()).step_by(2).map(digit).collect()
    }

    /// The box that the authors of NaCl print: <https://cr.yp.to/highspeed/naclcrypto-20090310.pdf>, section 10.
    #[test]
    fn a_box_is_the_one_that_its_authors_print() {
        let key = bytes("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
        let nonce = bytes("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
        let message = bytes(
            "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb31\
             0e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705",
        );
        let sealed = bytes(
            "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c972\
             71d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5",
        );
        let (key, nonce) = (key.try_into().unwrap(), nonce.try_into().unwrap());
        assert_eq!(seal(&key, &nonce, &message), sealed);
        assert_eq!(open(&key, &nonce, &sealed), Some(message));
        let mut changed = sealed;
        changed[20] ^= 1;
        assert_eq!(open(&key, &nonce, &changed), None);
        assert_eq!(open(&key, &nonce, &[0; 15]), None);
    }
}
