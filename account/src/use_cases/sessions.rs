//! What a user gets who has proved who he is.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::{Claims, Rules};

use super::key_ring::KeyRing;
use super::random::random;
use crate::domain::refresh::TOKEN;
use crate::domain::{Family, RefreshToken, User};

pub struct Sessions {
    pub keys: Arc<KeyRing>,
    /// What every service holds a token to.
    pub rules: Rules,
    pub refresh_lifetime_ms: i64,
}

/// What goes into cookies.
pub struct Session {
    pub user: User,
    pub token: String,
    /// `None`: the client has a newer one already.
    pub refresh: Option<RefreshToken>,
}

impl Sessions {
    /// A token for a user. `now` (epoch milliseconds) was read before it was certain that he is not banned: so a ban that came
    /// in between is not older than the token.
    #[must_use]
    pub fn token(&self, user: &User, now: i64) -> String {
        let iat = now.div_euclid(1_000);
        self.keys.signer(now).sign(&Claims {
            sub: user.id,
            email: user.email.as_str().to_owned(),
            roles: user.roles,
            iat,
            exp: iat.saturating_add(self.rules.lifetime),
            iss: self.rules.issuer.clone(),
            aud: self.rules.audience.clone(),
            jti: URL_SAFE_NO_PAD.encode(random::<16>()),
            nbf: None,
        })
    }

    /// A new family, and its first token.
    #[must_use]
    pub fn family(&self, user_id: i64, now: i64) -> (Family, RefreshToken) {
        let token = RefreshToken::of(random::<TOKEN>());
        (Family::begin(&token, user_id, now, self.refresh_lifetime_ms), token)
    }

    #[must_use]
    pub fn next(&self, token: &RefreshToken) -> RefreshToken {
        token.followed_by(random::<TOKEN>())
    }
}
