//! What account signs with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::claims::Claims;
use crate::jwk::{ALGORITHM, Jwk};

/// Of the private key, as RFC 8032 has it.
pub const SEED_LENGTH: usize = 32;

/// A private key. It is wiped from memory when it is dropped.
pub struct Signer {
    key: SigningKey,
    jwk: Jwk,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

impl Signer {
    /// A new key from the randomness of the operating system.
    ///
    /// # Panics
    /// The operating system has none. Nothing safe can be done without.
    #[must_use]
    pub fn generate() -> Self {
        let mut seed = Zeroizing::new([0; SEED_LENGTH]);
        OsRng.try_fill_bytes(seed.as_mut()).expect("the operating system gives random bytes");
        Self::of_seed(&seed)
    }

    #[must_use]
    pub fn of_seed(seed: &[u8; SEED_LENGTH]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let jwk = Jwk::of(&key.verifying_key());
        Self { key, jwk }
    }

    /// The private key, to be stored encrypted.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; SEED_LENGTH]> {
        Zeroizing::new(self.key.to_bytes())
    }

    #[must_use]
    pub fn public(&self) -> &[u8; ed25519_dalek::PUBLIC_KEY_LENGTH] {
        self.key.as_ref().as_bytes()
    }

    /// Follows from the key (RFC 7638).
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.jwk.kid
    }

    /// The public key as it is published.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        let header = Header { alg: ALGORITHM, typ: crate::token::TYPE, kid: self.kid() };
        let mut token = part(&header);
        token.push('.');
        token.push_str(&part(claims));
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.to_bytes(), &mut token);
        token
    }
}

/// Without the key.
impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("kid", &self.kid()).finish_non_exhaustive()
    }
}

fn part(of: &impl Serialize) -> String {
    // Strings and numbers into memory cannot fail; if they did, nobody would accept the token.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(of).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// RFC 8037, appendix A.1 and A.4.
    #[test]
    fn signs_as_the_rfc_does() {
        let d = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
        let signer = Signer::of_seed(&URL_SAFE_NO_PAD.decode(d).unwrap().try_into().unwrap());
        let signed = signer.key.sign(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
        assert_eq!(
            URL_SAFE_NO_PAD.encode(signed.to_bytes()),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
        assert_eq!(signer.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(Signer::of_seed(&signer.seed()).jwk(), signer.jwk());
    }

    #[test]
    fn every_key_is_another_one_and_none_is_shown() {
        let (one, other) = (Signer::generate(), Signer::generate());
        assert_ne!(one.kid(), other.kid());
        let shown = format!("{one:?}");
        assert!(shown.contains(one.kid()) && !shown.contains(&format!("{:?}", one.seed().as_slice())));
    }
}
