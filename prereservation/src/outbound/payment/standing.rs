use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use web::{Health, HealthCheck};

/// Whether payment takes this service's requests. Payment being away is the circuit breaker's matter; this is what no
/// waiting mends: a token or an address that is wrong.
#[derive(Default)]
pub(super) struct Standing(Mutex<Option<String>>);

impl Standing {
    /// What the last definite answer said.
    pub(super) fn is(&self, misconfigured: Option<String>) {
        let mut standing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *standing != misconfigured {
            match &misconfigured {
                Some(why) => tracing::error!("nobody can reserve: {why}"),
                None => tracing::info!("payment takes this service's requests again"),
            }
            *standing = misconfigured;
        }
    }
}

#[async_trait]
impl HealthCheck for Standing {
    fn name(&self) -> &'static str {
        "payment"
    }

    async fn check(&self) -> Health {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(why) => Health::down(why.clone()),
            None => Health::up(),
        }
    }
}
