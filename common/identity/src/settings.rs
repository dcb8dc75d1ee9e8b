//! The section `[auth]` that every service has.

use std::time::Duration;

use serde::Deserialize;
use settings::{Invalid, in_range, non_empty};

use crate::caller::Mode;
use crate::token::Rules;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    pub mode: Mode,
    /// `iss` and `aud` of every token.
    pub issuer: String,
    pub audience: String,
    /// Where account publishes its keys. Empty: nowhere; the service has keys of its own, or refuses every token.
    pub jwks_url: String,
    /// The keys are fetched again when they are so old.
    pub jwks_refresh_ms: u64,
    /// A token with an unknown key has them fetched at once, but not more often than this.
    pub jwks_cooldown_ms: u64,
    pub jwks_timeout_ms: u64,
    /// By how much the clocks of account and of a service may differ.
    pub clock_skew_ms: u64,
    /// From a token's `iat` to its `exp`, at most. A ban is kept as long.
    pub token_lifetime_ms: u64,
    /// Tokens whose signature need not be checked again.
    pub cached_tokens: usize,
    /// Browsers speak HTTPS to the system: the cookie is `__Host-session`.
    pub secure_cookies: bool,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Open,
            issuer: "preorder".to_owned(),
            audience: "preorder".to_owned(),
            jwks_url: String::new(),
            jwks_refresh_ms: 300_000,
            jwks_cooldown_ms: 10_000,
            jwks_timeout_ms: 2_000,
            clock_skew_ms: 30_000,
            token_lifetime_ms: 900_000,
            cached_tokens: 10_000,
            secure_cookies: false,
        }
    }
}

impl AuthSettings {
    /// # Errors
    /// The key, and what is wrong with its value.
    pub fn check(&self) -> Result<(), Invalid> {
        const DAY_MS: u64 = 86_400_000;
        non_empty("auth.issuer", &self.issuer)?;
        non_empty("auth.audience", &self.audience)?;
        if !self.jwks_url.is_empty() {
            settings::url("auth.jwks_url", &self.jwks_url, &["http"])?;
        }
        in_range("auth.jwks_refresh_ms", self.jwks_refresh_ms, 1_000..=DAY_MS)?;
        in_range("auth.jwks_cooldown_ms", self.jwks_cooldown_ms, 100..=DAY_MS)?;
        in_range("auth.jwks_timeout_ms", self.jwks_timeout_ms, 1..=60_000)?;
        in_range("auth.clock_skew_ms", self.clock_skew_ms, 0..=600_000)?;
        in_range("auth.token_lifetime_ms", self.token_lifetime_ms, 1_000..=DAY_MS)?;
        in_range("auth.cached_tokens", self.cached_tokens, 1..=10_000_000)?;
        for (key, ms) in
            [("auth.clock_skew_ms", self.clock_skew_ms), ("auth.token_lifetime_ms", self.token_lifetime_ms)]
        {
            if ms % 1_000 != 0 {
                return Err(Invalid::new(key, format!("{ms} is not in whole seconds, as tokens are")));
            }
        }
        Ok(())
    }

    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            skew: self.skew_s(),
            lifetime: self.token_lifetime_s(),
        }
    }

    #[must_use]
    pub fn skew_s(&self) -> i64 {
        seconds(self.clock_skew_ms)
    }

    #[must_use]
    pub fn token_lifetime_s(&self) -> i64 {
        seconds(self.token_lifetime_ms)
    }

    #[must_use]
    pub fn jwks_refresh(&self) -> Duration {
        Duration::from_millis(self.jwks_refresh_ms)
    }

    #[must_use]
    pub fn jwks_cooldown(&self) -> Duration {
        Duration::from_millis(self.jwks_cooldown_ms)
    }

    #[must_use]
    pub fn jwks_timeout(&self) -> Duration {
        Duration::from_millis(self.jwks_timeout_ms)
    }
}

fn seconds(ms: u64) -> i64 {
    i64::try_from(ms / 1_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_named() {
        let good = AuthSettings::default();
        assert!(good.check().is_ok());
        for (key, wrong) in [
            ("auth.issuer", AuthSettings { issuer: " ".into(), ..good.clone() }),
            ("auth.audience", AuthSettings { audience: String::new(), ..good.clone() }),
            ("auth.jwks_url", AuthSettings { jwks_url: "account:8080".into(), ..good.clone() }),
            ("auth.jwks_url", AuthSettings { jwks_url: "https://a.example/".into(), ..good.clone() }),
            ("auth.jwks_cooldown_ms", AuthSettings { jwks_cooldown_ms: 0, ..good.clone() }),
            ("auth.cached_tokens", AuthSettings { cached_tokens: 0, ..good.clone() }),
            ("auth.clock_skew_ms", AuthSettings { clock_skew_ms: 1_500, ..good.clone() }),
            ("auth.token_lifetime_ms", AuthSettings { token_lifetime_ms: 0, ..good.clone() }),
        ] {
            assert_eq!(wrong.check().err().map(|invalid| invalid.key).as_deref(), Some(key), "{wrong:?}");
        }
    }
}
