//! Bans: what account tells of them is read by every replica of every service, and kept for as long as a token lives
//! (ADR 15).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use events::{Fact, ReadError, UserBanned, UserUnbanned};
use http_common::{Health, HealthCheck};
use identity::{AuthSettings, Bans, Mode};
use messaging::{FollowerStatus, ReceivedRecord};

/// An outage of less than this is waited out.
const AWAY_AFTER: Duration = Duration::from_secs(10);
/// Read on top of what matters: facts name milliseconds, tokens whole seconds.
const MARGIN_S: i64 = 60;

/// Keeps the bans as the facts say.
pub(crate) struct BanKeeper {
    application: &'static str,
    bans: Arc<Bans>,
    /// How long a token may be taken after it was issued.
    tokens_live_s: i64,
    /// How far the clocks of two machines may be apart.
    skew_s: i64,
}

impl BanKeeper {
    pub(crate) fn new(application: &'static str, bans: Arc<Bans>, auth: &AuthSettings) -> Self {
        // There from the start, so that an alert sees the first one.
        metrics::counter!("auth_bans_unreadable_total", "application" => application).increment(0);
        let skew_s = auth.skew_s();
        Self { application, bans, tokens_live_s: auth.token_lifetime_s() + skew_s, skew_s }
    }

    /// Older facts no longer matter. The clock of account, which dates the facts, may be behind.
    pub(crate) fn reads_since(&self) -> Duration {
        Duration::from_secs((self.tokens_live_s + self.skew_s + MARGIN_S).unsigned_abs())
    }

    pub(crate) fn take(&self, received: &ReceivedRecord, is_news: bool) {
        if let Err(error) = self.try_to_take(received, is_news) {
            metrics::counter!("auth_bans_unreadable_total", "application" => self.application).increment(1);
            tracing::error!(
                error = telemetry::error_chain(&error),
                partition = received.partition,
                offset = received.offset,
                "a fact about a ban cannot be read; it has no effect here"
            );
        }
    }

    fn try_to_take(&self, received: &ReceivedRecord, is_news: bool) -> Result<(), ReadError> {
        if received.record.says_nothing() {
            return Ok(());
        }
        let arrived = received.fact()?;
        let told_ms = match arrived.fact_type() {
            UserBanned::TYPE => {
                let (UserBanned { user_id, not_before, .. }, told_ms) = arrived.read_told()?;
                // Tokens count in seconds, and one of the same second may be the older one.
                let not_before_s = not_before.div_euclid(1_000);
                self.bans.ban(user_id, not_before_s, not_before_s.saturating_add(self.tokens_live_s));
                told_ms
            }
            UserUnbanned::TYPE => {
                let (UserUnbanned { user_id, .. }, told_ms) = arrived.read_told()?;
                self.bans.unban(user_id);
                told_ms
            }
            _ => return Ok(()),
        };
        if is_news {
            let took_ms = storage::now_ms().saturating_sub(told_ms).max(0);
            metrics::histogram!("auth_ban_known_seconds", "application" => self.application)
                .record(took_ms as f64 / 1_000.0);
        }
        Ok(())
    }
}

/// Whether the bans are known. In mode `required` the service takes no requests before they are; in mode `open` whoever is
/// banned need only leave his token away, so nothing is gained by waiting.
pub(crate) struct BansHealth {
    pub(crate) status: FollowerStatus,
    pub(crate) bans: Arc<Bans>,
    pub(crate) mode: Mode,
}

#[async_trait]
impl HealthCheck for BansHealth {
    fn name(&self) -> &'static str {
        "bans"
    }

    async fn check(&self) -> Health {
        let health = match (self.stopped(), self.status.away()) {
            (Some(why), _) => Health::down(why),
            (None, Some((since, why))) if since >= AWAY_AFTER => {
                Health::down(why).with("awaySeconds", since.as_secs())
            }
            _ => Health::up(),
        };
        health.with("caughtUp", self.status.has_caught_up()).with("users", self.bans.len())
    }

    fn stopped(&self) -> Option<String> {
        let waits = self.mode == Mode::Required && !self.status.has_caught_up();
        waits.then(|| "the bans of users are not known yet".to_owned())
    }
}
