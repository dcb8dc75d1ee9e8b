use std::time::Duration;

use async_trait::async_trait;
use storage::{StoreError, now_ms};

use super::cards;
use super::ledger::Ledger;
use super::settings::SimulatedSettings;
use crate::domain::{CardNumber, ChargeAnswer, RefundAnswer};
use crate::use_cases::ports::{PaymentProvider, ProviderError};

/// The simulated card network.
pub struct SimulatedNetwork {
    ledger: Ledger,
    settings: SimulatedSettings,
}

/// How one call goes.
struct Fate {
    /// Until the ledger is written: a random moment within the latency, so that a caller's time limit falls
    /// sometimes before the effect and sometimes after it.
    before: Duration,
    after: Duration,
    fails: Option<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    BeforeTheEffect,
    AfterTheEffect,
}

#[derive(Debug, thiserror::Error)]
#[error("simulated failure")]
struct SimulatedFailure;

impl SimulatedNetwork {
    pub fn new(ledger: Ledger, settings: SimulatedSettings) -> Self {
        Self { ledger, settings }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn fate(&self) -> Fate {
        let latency = rand::random_range(self.settings.latency());
        let before = latency.mul_f64(rand::random_range(0.0..=1.0));
        let fails = rand::random_bool(self.settings.error_rate)
            .then(|| if rand::random() { Failure::BeforeTheEffect } else { Failure::AfterTheEffect });
        Fate { before, after: latency.saturating_sub(before), fails }
    }

    async fn call<T>(&self, effect: impl Future<Output = Result<T, StoreError>>) -> Result<T, ProviderError> {
        let fate = self.fate();
        pause(fate.before).await;
        if fate.fails == Some(Failure::BeforeTheEffect) {
            pause(fate.after).await;
            return Err(ProviderError::Unknown(Box::new(SimulatedFailure)));
        }
        let answer = effect.await.map_err(|error| ProviderError::Unknown(Box::new(error)))?;
        pause(fate.after).await;
        if fate.fails == Some(Failure::AfterTheEffect) {
            return Err(ProviderError::Unknown(Box::new(SimulatedFailure)));
        }
        Ok(answer)
    }
}

/// Without a timer where there is nothing to wait for.
async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

#[async_trait]
impl PaymentProvider for SimulatedNetwork {
    async fn charge(&self, key: &str, amount: i64, card: &CardNumber) -> Result<ChargeAnswer, ProviderError> {
        if !self.settings.charge_enabled {
            return Err(ProviderError::Unavailable("charging is switched off".to_owned()));
        }
        let masked = card.masked();
        let decline = cards::decline(card);
        self.call(self.ledger.charge(key, amount, &masked, decline, now_ms())).await
    }

    async fn refund(&self, key: &str) -> Result<RefundAnswer, ProviderError> {
        self.call(self.ledger.refund(key, now_ms())).await
    }

    async fn ping(&self) -> Result<(), ProviderError> {
        self.ledger.check().await.map_err(ProviderError::Unavailable)
    }
}
