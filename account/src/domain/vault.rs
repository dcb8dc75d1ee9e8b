//! Encrypts private keys for the database, so that who reads it or its backup cannot sign.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

pub const NONCE: usize = 24;
const SEED: usize = 32;

/// Seals with the first of its secrets, and opens with any: so a secret is rotated.
pub struct Vault {
    keys: Vec<Zeroizing<[u8; 32]>>,
    attempts: Zeroizing<[u8; 32]>,
}

impl Vault {
    /// Of one secret at least.
    #[must_use]
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let secrets: Vec<&str> = secrets.into_iter().collect();
        let first = secrets.first().copied().unwrap_or_default();
        Self {
            keys: secrets.iter().map(|secret| derived(secret, b"account: signing keys")).collect(),
            attempts: derived(first, b"account: attempts"),
        }
    }

    /// The key of the hashes that stand for addresses and clients.
    #[must_use]
    pub fn attempts_key(&self) -> [u8; 32] {
        *self.attempts
    }

    /// The private key of this name. The nonce is random.
    #[must_use]
    pub fn seal(&self, kid: &str, seed: &[u8; SEED], nonce: [u8; NONCE]) -> String {
        let payload = Payload { msg: seed, aad: kid.as_bytes() };
        let sealed = self.keys.first().map(|key| cipher(key).encrypt(&XNonce::from(nonce), payload));
        // The only error is a message of gigabytes, and there is a key.
        let sealed = sealed.and_then(Result::ok).unwrap_or_default();
        STANDARD_NO_PAD.encode([nonce.as_slice(), &sealed].concat())
    }

    /// `None`: sealed with another secret, or for another name, or changed.
    #[must_use]
    pub fn open(&self, kid: &str, sealed: &str) -> Option<Zeroizing<[u8; SEED]>> {
        let bytes = STANDARD_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let open = |key| {
            let payload = Payload { msg: sealed, aad: kid.as_bytes() };
            let opened = Zeroizing::new(cipher(key).decrypt(&XNonce::from(*nonce), payload).ok()?);
            Some(Zeroizing::new(opened.as_slice().try_into().ok()?))
        };
        self.keys.iter().find_map(open)
    }
}

fn cipher(key: &Zeroizing<[u8; 32]>) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(**key).into())
}

fn derived(secret: &str, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(None, secret.as_bytes()).expand(purpose, key.as_mut());
    expanded.expect("32 bytes are fewer than HKDF can give");
    key
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const OLD: &str = "0123456789abcdef";
    const NEW: &str = "fedcba9876543210";

    #[test]
    fn what_was_sealed_is_opened_with_its_secret_and_name_only() {
        let old = Vault::new([OLD]);
        let sealed = old.seal("kid", &[7; SEED], [1; NONCE]);
        assert_eq!(*old.open("kid", &sealed).unwrap(), [7; SEED]);
        assert!(old.open("other", &sealed).is_none());
        assert!(Vault::new([NEW]).open("kid", &sealed).is_none());
        for wrong in ["", "!", &sealed[1..], &sealed.replacen(&sealed[40..41], "-", 1)] {
            assert!(old.open("kid", wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_rotated() {
        let sealed = Vault::new([OLD]).seal("kid", &[7; SEED], [1; NONCE]);
        let both = Vault::new([NEW, OLD]);
        assert!(both.open("kid", &sealed).is_some());
        let sealed = both.seal("kid", &[7; SEED], [2; NONCE]);
        assert!(Vault::new([NEW]).open("kid", &sealed).is_some());
        assert_eq!(both.attempts_key(), Vault::new([NEW]).attempts_key());
        assert_ne!(both.attempts_key(), Vault::new([OLD]).attempts_key());
    }
}
