//! A public key as account publishes it (RFC 7517, RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{PUBLIC_KEY_LENGTH, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const KIND: &str = "OKP";
const CURVE: &str = "Ed25519";
pub(crate) const ALGORITHM: &str = "EdDSA";
const USE: &str = "sig";
const LONGEST_ID: usize = 128;

/// What a field of another kind of key would say is passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Jwk {
    pub kty: String,
    pub crv: String,
    pub x: String,
    pub kid: String,
    pub alg: String,
    #[serde(rename = "use")]
    pub usage: String,
}

/// `/.well-known/jwks.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwkSet {
    pub keys: Vec<Jwk>,
}

impl Jwk {
    #[must_use]
    pub fn of(key: &VerifyingKey) -> Self {
        Self {
            kty: KIND.to_owned(),
            crv: CURVE.to_owned(),
            x: URL_SAFE_NO_PAD.encode(key.as_bytes()),
            kid: thumbprint(key),
            alg: ALGORITHM.to_owned(),
            usage: USE.to_owned(),
        }
    }

    /// The key, if it is one that signs tokens.
    pub(crate) fn verifying_key(&self) -> Option<VerifyingKey> {
        let is = |field: &str, wanted: &str| field.is_empty() || field == wanted;
        let fits = self.kty == KIND
            && self.crv == CURVE
            && is(&self.alg, ALGORITHM)
            && is(&self.usage, USE)
            && (1..=LONGEST_ID).contains(&self.kid.len());
        let bytes: [u8; PUBLIC_KEY_LENGTH] =
            URL_SAFE_NO_PAD.decode(&self.x).ok().filter(|_| fits)?.try_into().ok()?;
        // With a weak key a signature fits more than one message.
        VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak())
    }
}

/// RFC 7638: a name that follows from the key, so that two keys never share one.
pub(crate) fn thumbprint(key: &VerifyingKey) -> String {
    let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
    let members = format!(r#"{{"crv":"{CURVE}","kty":"{KIND}","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// RFC 8037, appendix A.2 and A.3.
    #[test]
    fn the_name_is_the_thumbprint_of_the_rfc() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let jwk =
            Jwk { kty: KIND.into(), crv: CURVE.into(), x: x.into(), kid: "any".into(), ..Jwk::default() };
        let key = jwk.verifying_key().unwrap();
        assert_eq!(thumbprint(&key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(Jwk::of(&key).x, x);
    }

    #[test]
    fn what_signs_no_tokens_is_no_key() {
        let key = Jwk::of(&VerifyingKey::from_bytes(crate::signer::Signer::generate().public()).unwrap());
        assert!(key.verifying_key().is_some());
        let weak = URL_SAFE_NO_PAD.encode([0_u8; 32]);
        for wrong in [
            Jwk { kty: "RSA".into(), ..key.clone() },
            Jwk { crv: "X25519".into(), ..key.clone() },
            Jwk { alg: "HS256".into(), ..key.clone() },
            Jwk { usage: "enc".into(), ..key.clone() },
            Jwk { kid: String::new(), ..key.clone() },
            Jwk { kid: "x".repeat(129), ..key.clone() },
            Jwk { x: weak, ..key.clone() },
            Jwk { x: format!("{}=", key.x), ..key.clone() },
            Jwk { x: key.x[1..].into(), ..key.clone() },
        ] {
            assert!(wrong.verifying_key().is_none(), "{wrong:?}");
        }
        let other: JwkSet =
            serde_json::from_str(r#"{"keys":[{"kty":"RSA","n":"x","e":"AQAB","kid":"1"}]}"#).unwrap();
        assert!(other.keys[0].verifying_key().is_none());
    }
}
