//! What a token says.

use serde::{Deserialize, Serialize};

use crate::caller::Principal;
use crate::role::Roles;

/// The claims of RFC 7519 that account signs. Times are seconds since 1970. Claims of other names are passed over.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user; a string in JSON, as the RFC wants it.
    #[serde(with = "user_id")]
    pub sub: i64,
    pub email: String,
    pub roles: Roles,
    pub iat: i64,
    pub exp: i64,
    pub iss: String,
    pub aud: String,
    pub jti: String,
    /// account writes none; one that is there holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
}

impl From<Claims> for Principal {
    fn from(claims: Claims) -> Self {
        Self {
            user_id: claims.sub,
            email: claims.email,
            roles: claims.roles,
            issued_at: claims.iat,
            token_id: claims.jti,
        }
    }
}

mod user_id {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    /// One spelling for each user: no sign, no zero before it.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        text.parse().ok().filter(|_| canonical).ok_or_else(|| D::Error::custom("sub is no user id"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_user_has_one_spelling() {
        let claims = |sub: &str| {
            serde_json::from_str::<Claims>(&format!(
                r#"{{"sub":{sub},"email":"","roles":[],"iat":1,"exp":2,"iss":"","aud":"","jti":""}}"#
            ))
        };
        assert_eq!(claims(r#""7""#).unwrap().sub, 7);
        for wrong in
            ["7", r#""07""#, r#""+7""#, r#""-7""#, r#""0""#, r#""""#, r#""7 ""#, r#""9223372036854775808""#]
        {
            assert!(claims(wrong).is_err(), "{wrong}");
        }
        assert_eq!(serde_json::to_value(claims(r#""7""#).unwrap()).unwrap()["sub"], "7");
    }
}
