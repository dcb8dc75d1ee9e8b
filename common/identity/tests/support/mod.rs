//! account in small: a key, and tokens of all kinds.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use identity::{AuthSettings, Authenticator, Claims, JwkSet, Role, Signer};
use serde_json::{Value, json};

pub const NOW: i64 = 1_800_000_000;
pub const SKEW: i64 = 30;
pub const LIFETIME: i64 = 900;

pub fn claims() -> Claims {
    claims_at(NOW)
}

pub fn claims_at(now: i64) -> Claims {
    Claims {
        sub: 7,
        email: "customer@shop.example".into(),
        roles: Role::Customer.into(),
        iat: now,
        exp: now + LIFETIME,
        iss: "preorder".into(),
        aud: "preorder".into(),
        jti: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
        nbf: None,
    }
}

pub fn set(signers: &[&Signer]) -> JwkSet {
    JwkSet { keys: signers.iter().map(|signer| signer.jwk().clone()).collect() }
}

/// Knows the key of the signer.
pub fn knowing(signer: &Signer) -> Authenticator {
    let authenticator = Authenticator::new("test", &AuthSettings::default());
    authenticator.set_keys(&set(&[signer]));
    authenticator
}

pub fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

pub fn header(signer: &Signer) -> Value {
    json!({"alg": "EdDSA", "typ": "JWT", "kid": signer.kid()})
}

/// Any header and any claims, with a signature of the key that fits them.
pub fn signed(signer: &Signer, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = SigningKey::from_bytes(&signer.seed()).sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}
