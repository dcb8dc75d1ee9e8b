//! When a token holds. Nothing here asks anybody: keys and time are given.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{SIGNATURE_LENGTH, Signature};
use serde::Deserialize;
use serde_json::Value;

use crate::claims::Claims;
use crate::jwk::ALGORITHM;
use crate::keys::{Key, Keys};
use crate::refused::Refused;

/// In bytes. account makes tokens of some hundred.
pub const LARGEST: usize = 8_192;
pub(crate) const TYPE: &str = "JWT";

/// What a token has to say, beside a signature that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    pub issuer: String,
    pub audience: String,
    /// Seconds by which the clocks of account and of this service may differ.
    pub skew: i64,
    /// Seconds from `iat` to `exp`. Bans are kept as long, so that no token may live longer.
    pub lifetime: i64,
}

/// A token that held, and the key that proved it.
#[derive(Clone)]
pub(crate) struct Proved {
    pub(crate) claims: Claims,
    pub(crate) key: Arc<Key>,
}

/// Where a key could be had (`jku`, `x5u`, `jwk`) is for others to say than who made the token: it is not read.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    typ: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    kid: std::borrow::Cow<'a, str>,
    /// What has to be understood (RFC 7515 section 4.1.11); nothing is.
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
}

fn is_there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Value::deserialize(deserializer).map(|_| true)
}

impl Rules {
    pub(crate) fn prove(&self, token: &str, keys: &Keys, now: i64) -> Result<Proved, Refused> {
        if token.len() > LARGEST {
            return Err(Refused::TooLarge);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, claims) =
            signed.split_once('.').filter(|(_, claims)| !claims.contains('.')).ok_or(Refused::Malformed)?;
        let header = decode(header)?;
        // The algorithm first: a token of another one may lack the rest.
        let algorithm: Algorithm = read(&header)?;
        if algorithm.alg != ALGORITHM {
            return Err(Refused::Algorithm);
        }
        let header: Header = read(&header)?;
        if header.alg != ALGORITHM || header.typ != TYPE || header.crit {
            return Err(Refused::Malformed);
        }
        let key = keys.find(&header.kid).ok_or(Refused::UnknownKey)?;
        let signature: [u8; SIGNATURE_LENGTH] =
            decode(signature)?.try_into().map_err(|_| Refused::Malformed)?;
        if !key.signed(signed.as_bytes(), &Signature::from_bytes(&signature)) {
            return Err(Refused::Signature);
        }
        let claims: Claims = read(&decode(claims)?)?;
        self.hold(&claims, now)?;
        Ok(Proved { claims, key: Arc::clone(key) })
    }

    fn hold(&self, claims: &Claims, now: i64) -> Result<(), Refused> {
        if claims.iss != self.issuer {
            return Err(Refused::Issuer);
        }
        if claims.aud != self.audience {
            return Err(Refused::Audience);
        }
        if claims.nbf.is_some_and(|from| self.is_to_come(from, now)) || self.is_to_come(claims.iat, now) {
            return Err(Refused::NotYetValid);
        }
        if self.is_over(claims.exp, now) {
            return Err(Refused::Expired);
        }
        match claims.exp.checked_sub(claims.iat) {
            Some(lifetime) if (1..=self.lifetime).contains(&lifetime) => Ok(()),
            _ => Err(Refused::LivesTooLong),
        }
    }

    /// At `exp` itself a token has expired (RFC 7519 section 4.1.4).
    pub(crate) fn is_over(&self, exp: i64, now: i64) -> bool {
        exp.saturating_add(self.skew) <= now
    }

    fn is_to_come(&self, from: i64, now: i64) -> bool {
        from > now.saturating_add(self.skew)
    }
}

#[derive(Deserialize)]
struct Algorithm {
    alg: String,
}

/// One text for each value: no padding, no bits left over.
fn decode(part: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed)
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Refused> {
    serde_json::from_slice(json).map_err(|_| Refused::Malformed)
}
