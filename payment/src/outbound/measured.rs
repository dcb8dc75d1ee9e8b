use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use http_common::{Health, HealthCheck};

use crate::domain::{CardNumber, ChargeAnswer, RefundAnswer};
use crate::use_cases::ports::{PaymentProvider, ProviderError};

/// Any card network, with its latency as a metric.
pub struct Measured {
    provider: Arc<dyn PaymentProvider>,
}

impl Measured {
    pub fn new(provider: Arc<dyn PaymentProvider>) -> Self {
        metrics::describe_histogram!(
            "payment_provider_seconds",
            metrics::Unit::Seconds,
            "How long the card network took, by operation and outcome"
        );
        Self { provider }
    }
}

#[async_trait]
impl PaymentProvider for Measured {
    async fn charge(&self, key: &str, amount: i64, card: &CardNumber) -> Result<ChargeAnswer, ProviderError> {
        let started = Instant::now();
        let answer = self.provider.charge(key, amount, card).await;
        let outcome = match &answer {
            Ok(ChargeAnswer::Charged) => "charged",
            Ok(ChargeAnswer::Declined(_)) => "declined",
            Ok(ChargeAnswer::Undone) => "undone",
            Err(error) => failure(error),
        };
        record("charge", outcome, started);
        answer
    }

    async fn refund(&self, key: &str) -> Result<RefundAnswer, ProviderError> {
        let started = Instant::now();
        let answer = self.provider.refund(key).await;
        let outcome = match &answer {
            Ok(RefundAnswer::Refunded) => "refunded",
            Ok(RefundAnswer::NothingCharged) => "nothing_charged",
            Err(error) => failure(error),
        };
        record("refund", outcome, started);
        answer
    }

    async fn ping(&self) -> Result<(), ProviderError> {
        self.provider.ping().await
    }
}

/// The card network in `/actuator/health`.
#[async_trait]
impl HealthCheck for Measured {
    fn name(&self) -> &'static str {
        "provider"
    }

    async fn check(&self) -> Health {
        match self.provider.ping().await {
            Ok(()) => Health::up(),
            Err(error) => Health::down(error.to_string()),
        }
    }
}

fn failure(error: &ProviderError) -> &'static str {
    match error {
        ProviderError::Unavailable(_) => "unavailable",
        ProviderError::Unknown(_) => "unknown",
    }
}

fn record(operation: &'static str, outcome: &'static str, started: Instant) {
    metrics::histogram!(
        "payment_provider_seconds",
        "application" => "payment",
        "operation" => operation,
        "outcome" => outcome
    )
    .record(started.elapsed());
}
