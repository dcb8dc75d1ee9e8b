use chassis::{OwnSettings, SharedSettings};
use http_common::MemorySettings;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use settings::{Invalid, in_range};

use crate::domain::{Email, Limit, Password};
use crate::private_keys;

/// The sections that only this service has; `config/default.toml` explains them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    pub memory: MemorySettings,
    pub passwords: PasswordSettings,
    pub session: SessionSettings,
    pub throttle: ThrottleSettings,
    pub keys: KeySettings,
    pub admin: AdminSettings,
}

/// `[passwords]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordSettings {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
    pub at_once: usize,
    pub waiting: usize,
}

/// `[session]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionSettings {
    pub refresh_lifetime_ms: i64,
    pub predecessor_tolerance_ms: i64,
}

/// `[throttle]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThrottleSettings {
    pub window_ms: i64,
    pub failures_per_address: i64,
    pub failures_per_client: i64,
    pub sign_ups_per_client: i64,
}

impl ThrottleSettings {
    pub(crate) fn limit(&self, most: i64) -> Limit {
        Limit { most, window_ms: self.window_ms }
    }
}

/// `[keys]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    pub secret: SecretString,
    pub private: SecretString,
    pub publish_before_ms: i64,
    pub rotate_after_ms: i64,
    pub look_every_ms: u64,
    pub max_age_s: u32,
}

/// `[admin]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    pub email: String,
    pub password: SecretString,
}

const SHORTEST_SECRET: usize = 16;
const DAY_MS: i64 = 86_400_000;

impl KeySettings {
    /// The first one encrypts, all of them decrypt.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secret.expose_secret().split(',').map(str::trim).filter(|secret| !secret.is_empty())
    }

    fn check(&self, shared: &SharedSettings) -> Result<(), Invalid> {
        if self.secrets().any(|secret| secret.len() < SHORTEST_SECRET) {
            let reason = format!("a secret needs {SHORTEST_SECRET} characters or more");
            return Err(Invalid::new("keys.secret", reason));
        }
        if self.secrets().next().is_none() && !shared.database.url.starts_with("sqlite://") {
            let reason =
                "must not be empty, because it encrypts the signing keys in a database that others can reach";
            return Err(Invalid::new("keys.secret", reason));
        }
        private_keys::parse(self.private.expose_secret())
            .map_err(|reason| Invalid::new("keys.private", reason))?;
        in_range("keys.look_every_ms", self.look_every_ms, 100..=60_000)?;
        in_range("keys.max_age_s", self.max_age_s, 0..=86_400)?;
        in_range("keys.publish_before_ms", self.publish_before_ms, 0..=DAY_MS)?;
        if self.rotate_after_ms != 0 {
            // A key that is rotated faster would be followed by a second one before it signs.
            let shortest = self.publish_before_ms + 2 * i64::try_from(self.look_every_ms).unwrap_or(0);
            in_range("keys.rotate_after_ms", self.rotate_after_ms, shortest..=3_650 * DAY_MS)?;
        }
        Ok(())
    }
}

impl AdminSettings {
    /// `None`: none is asked for.
    ///
    /// # Errors
    /// One of the two is missing or cannot be used.
    pub fn parse(&self) -> Result<Option<(Email, Password)>, Invalid> {
        let password = self.password.expose_secret();
        if self.email.is_empty() && password.is_empty() {
            return Ok(None);
        }
        let email =
            Email::parse(&self.email).map_err(|error| Invalid::new("admin.email", error.to_string()))?;
        let password =
            Password::chosen(password).map_err(|error| Invalid::new("admin.password", error.to_string()))?;
        Ok(Some((email, password)))
    }
}

impl OwnSettings for Own {
    fn memory(&self) -> Option<MemorySettings> {
        Some(self.memory)
    }

    fn check(&self, shared: &SharedSettings) -> Result<(), Invalid> {
        self.passwords.check()?;
        in_range("session.refresh_lifetime_ms", self.session.refresh_lifetime_ms, 1_000..=366 * DAY_MS)?;
        in_range("session.predecessor_tolerance_ms", self.session.predecessor_tolerance_ms, 0..=60_000)?;
        in_range("throttle.window_ms", self.throttle.window_ms, 1_000..=DAY_MS)?;
        for (key, most) in [
            ("throttle.failures_per_address", self.throttle.failures_per_address),
            ("throttle.failures_per_client", self.throttle.failures_per_client),
            ("throttle.sign_ups_per_client", self.throttle.sign_ups_per_client),
        ] {
            in_range(key, most, 1..=1_000_000_000)?;
        }
        self.keys.check(shared)?;
        self.admin.parse().map(drop)
    }
}
