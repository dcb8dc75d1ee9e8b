use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_common::{HealthCheck, InternalSettings};
use resilience::{
    Breaker, BreakerSettings, ClientError, ClientSettings, Method, NotAsked, Request, ServiceClient, Standing,
};
use serde::Serialize;

use super::answer;
use crate::use_cases::ports::{NotSent, NotSentWhy, PaymentGateway, PaymentOrder, PaymentOutcome};

/// When trying again makes sense where nothing better is known.
const SOON: Duration = Duration::from_secs(1);

/// [`PaymentGateway`] over HTTP.
pub struct PaymentClient {
    service: ServiceClient,
    standing: Arc<Standing>,
}

/// The body of `POST /payments`. It holds the full card number, so it has no `Debug`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Charge<'a> {
    pre_reservation_id: i64,
    user_id: i64,
    product_id: i64,
    product_name: &'a str,
    price: i64,
    card_no: &'a str,
}

impl PaymentClient {
    /// `url` is payment's address without the path, for instance `http://localhost:8081`.
    ///
    /// # Errors
    /// A setting that cannot be worked with; it is named.
    pub fn new(
        url: &str,
        internal: &InternalSettings,
        client: &ClientSettings,
        breaker: &BreakerSettings,
    ) -> Result<Self, ClientError> {
        let service = ServiceClient::new("prereservation", "payment", url, internal, client, breaker)?;
        Ok(Self { service, standing: Arc::new(Standing::with("payment")) })
    }

    /// For the actuator.
    pub fn breaker(&self) -> Arc<Breaker> {
        self.service.breaker()
    }

    /// For `/actuator/health`.
    pub fn health(&self) -> Arc<dyn HealthCheck> {
        self.standing.clone()
    }
}

#[async_trait]
impl PaymentGateway for PaymentClient {
    async fn pay(&self, order: &PaymentOrder) -> PaymentOutcome {
        // payment charges a reservation once, also if the first request still arrives.
        let request =
            Request { method: Method::POST, path: "/payments", body: charge(order).into(), idempotent: true };
        match self.service.call(&request, |answer| answer::read(answer, order)).await {
            Err(NotAsked::BulkheadFull) => not_sent(NotSentWhy::BulkheadFull, SOON),
            Err(NotAsked::BreakerOpen(refused)) => {
                not_sent(NotSentWhy::BreakerOpen, refused.retry_after.max(SOON))
            }
            Ok(Ok(decision)) => {
                self.standing.is(decision.misconfigured());
                decision.into_outcome(SOON)
            }
            Ok(Err(failure)) => {
                tracing::warn!(
                    reservation = order.reservation_id,
                    error = &failure as &dyn Error,
                    "the call to payment failed"
                );
                failure.into_outcome(SOON)
            }
        }
    }
}

fn charge(order: &PaymentOrder) -> Vec<u8> {
    let charge = Charge {
        pre_reservation_id: order.reservation_id,
        user_id: order.user_id,
        product_id: order.product_id,
        product_name: &order.product_name,
        price: order.price,
        card_no: order.card.digits(),
    };
    serde_json::to_vec(&charge).expect("numbers and text into memory cannot fail")
}

fn not_sent(why: NotSentWhy, retry_after: Duration) -> PaymentOutcome {
    PaymentOutcome::NotSent(NotSent { why, retry_after })
}
