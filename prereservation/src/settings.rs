use chassis::{OwnSettings, SharedSettings};
use http_common::{InternalSettings, MemorySettings};
use identity::Mode;
use serde::Deserialize;
use settings::{Invalid, in_range};

use resilience::{BreakerSettings, ClientSettings};

/// The sections that only this service has; `config/default.toml` explains them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    pub memory: MemorySettings,
    pub internal: InternalSettings,
    pub url: Urls,
    pub payment_client: ClientSettings,
    pub circuit_breaker: BreakerSettings,
    pub saga: SagaSettings,
    pub idempotency: IdempotencySettings,
}

/// `[url]`: where the other services are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Urls {
    pub payment: String,
}

/// `[saga]`: when an abandoned reservation is ended.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SagaSettings {
    pub take_over_after_ms: u64,
    pub look_every_ms: u64,
}

/// `[idempotency]`: how long keys are remembered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdempotencySettings {
    pub keep_hours: u32,
    pub purge_every_ms: u64,
}

impl OwnSettings for Own {
    fn memory(&self) -> Option<MemorySettings> {
        Some(self.memory)
    }

    fn check(&self, shared: &SharedSettings) -> Result<(), Invalid> {
        let payment = settings::url("url.payment", &self.url.payment, &["http", "https"])?;
        match payment.host_str().is_some_and(settings::is_loopback) {
            true => self.internal.check()?,
            false => self.internal.check_needed(
                "url.payment is no loopback address and payment charges for nobody without it",
            )?,
        }
        if shared.auth.mode == Mode::Required {
            self.internal.check_needed("auth.mode is required and payment charges for nobody without it")?;
        }
        self.payment_client.check("payment_client")?;
        self.circuit_breaker.check()?;
        in_range("saga.look_every_ms", self.saga.look_every_ms, 10..=60_000)?;
        // Shorter than a request, and living requests would be taken for abandoned ones.
        let shortest = self.payment_client.timeout_ms + 1;
        in_range("saga.take_over_after_ms", self.saga.take_over_after_ms, shortest..=3_600_000)?;
        in_range("idempotency.keep_hours", self.idempotency.keep_hours, 24..=8_760)?;
        in_range("idempotency.purge_every_ms", self.idempotency.purge_every_ms, 100..=86_400_000)
    }
}
