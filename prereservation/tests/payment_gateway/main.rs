//! The contract of the port `PaymentGateway`, and what its HTTP adapter does beyond it.
#![allow(clippy::unwrap_used)]

mod client;
mod contract;
mod fake_payment;

use std::sync::Arc;

use contract::{Behaviour, Subject, TIMEOUT, World};
use fake_payment::FakePayment;
use http_common::InternalSettings;
use prereservation::outbound::payment::PaymentClient;
use prereservation::use_cases::ports::PaymentGateway;
use resilience::{BreakerSettings, ClientSettings};

struct OverHttp;

struct HttpSubject {
    payment: FakePayment,
    client: Arc<PaymentClient>,
}

impl World for OverHttp {
    type Subject = HttpSubject;

    async fn gateway(&self, behaviour: Behaviour) -> HttpSubject {
        HttpSubject::new(behaviour, &client_settings(), &BreakerSettings::default()).await
    }
}

impl HttpSubject {
    async fn new(behaviour: Behaviour, client: &ClientSettings, breaker: &BreakerSettings) -> Self {
        let payment = FakePayment::start(behaviour).await;
        let client = Arc::new(PaymentClient::new(&payment.url(), &internal(), client, breaker).unwrap());
        Self { payment, client }
    }
}

impl Subject for HttpSubject {
    fn gateway(&self) -> Arc<dyn PaymentGateway> {
        self.client.clone()
    }

    async fn asked(&self) -> usize {
        self.payment.asked().await
    }
}

/// What the client sends to prove who it is, and what comes next.
const TOKENS: &str = "the-token-in-use-0000,the-token-to-come-1111";

fn internal() -> InternalSettings {
    InternalSettings { token: TOKENS.into() }
}

fn client_settings() -> ClientSettings {
    ClientSettings {
        timeout_ms: TIMEOUT.as_millis() as u64,
        connect_timeout_ms: TIMEOUT.as_millis() as u64 / 2,
        ..ClientSettings::default()
    }
}

#[tokio::test]
async fn the_http_client_keeps_the_contract() {
    contract::obligations(&OverHttp).await;
}
