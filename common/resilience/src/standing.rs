use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use http_common::{Health, HealthCheck};

/// Whether another service takes this one's requests, as a component of health. A service that is away is the circuit
/// breaker's matter; this is what no waiting mends: a token or an address that is wrong.
pub struct Standing {
    service: &'static str,
    misconfigured: Mutex<Option<String>>,
}

impl Standing {
    #[must_use]
    pub fn with(service: &'static str) -> Self {
        Self { service, misconfigured: Mutex::default() }
    }

    /// What the last definite answer said.
    pub fn is(&self, misconfigured: Option<String>) {
        let mut standing = self.misconfigured();
        if *standing != misconfigured {
            match &misconfigured {
                Some(why) => tracing::error!(service = self.service, "no request is taken: {why}"),
                None => tracing::info!(service = self.service, "requests are taken again"),
            }
            *standing = misconfigured;
        }
    }

    fn misconfigured(&self) -> MutexGuard<'_, Option<String>> {
        self.misconfigured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl HealthCheck for Standing {
    fn name(&self) -> &'static str {
        self.service
    }

    async fn check(&self) -> Health {
        match &*self.misconfigured() {
            Some(why) => Health::down(why.clone()),
            None => Health::up(),
        }
    }
}
