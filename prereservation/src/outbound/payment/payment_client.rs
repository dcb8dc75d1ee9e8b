use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use metrics::histogram;
use reqwest::header::HeaderValue;
use reqwest::{Client, Url, redirect, retry};
use telemetry::{Kind, Operation, outcome_label};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use web::{HealthCheck, InternalSettings};

use super::answer::{self, Decision, Failure};
use super::request::request;
use super::settings::PaymentClientSettings;
use super::standing::Standing;
use crate::use_cases::ports::{NotSent, NotSentWhy, PaymentGateway, PaymentOrder, PaymentOutcome};
use resilience::{Breaker, BreakerSettings};

const APPLICATION: &str = "prereservation";
const PATH: &str = "/payments";

/// When trying again makes sense where nothing better is known.
const SOON: Duration = Duration::from_secs(1);

/// [`PaymentGateway`] over HTTP.
pub struct PaymentClient {
    http: Client,
    url: Url,
    token: Option<HeaderValue>,
    timeout: Duration,
    bulkhead: Semaphore,
    breaker: Arc<Breaker>,
    standing: Arc<Standing>,
}

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum PaymentClientError {
    #[error(transparent)]
    Setting(#[from] settings::Invalid),
    #[error("no HTTP client for payment")]
    Http(#[source] reqwest::Error),
}

impl PaymentClient {
    /// `url` is payment's address without the path, for instance `http://localhost:8081`.
    ///
    /// # Errors
    /// A setting that cannot be worked with; it is named.
    pub fn new(
        url: &str,
        internal: &InternalSettings,
        client: &PaymentClientSettings,
        breaker: &BreakerSettings,
    ) -> Result<Self, PaymentClientError> {
        internal.check()?;
        client.check()?;
        breaker.check()?;
        let http = Client::builder()
            .connect_timeout(client.connect_timeout())
            .pool_idle_timeout(client.pool_idle_timeout())
            .pool_max_idle_per_host(client.max_concurrent_calls)
            .tcp_nodelay(true)
            // A charge goes where it was sent.
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .build()
            .map_err(PaymentClientError::Http)?;
        Ok(Self {
            http,
            url: payments(url)?,
            token: internal.sent().map(secret_header).transpose()?,
            timeout: client.timeout(),
            bulkhead: Semaphore::new(client.max_concurrent_calls),
            breaker: Arc::new(Breaker::new(APPLICATION, "payment", breaker)),
            standing: Arc::default(),
        })
    }

    /// For the actuator.
    pub fn breaker(&self) -> Arc<Breaker> {
        self.breaker.clone()
    }

    /// For `/actuator/health`.
    pub fn health(&self) -> Arc<dyn HealthCheck> {
        self.standing.clone()
    }

    async fn call(&self, order: &PaymentOrder) -> Result<Decision, Failure> {
        let started = Instant::now();
        let operation = Operation::child(Kind::Client, "POST /payments");
        let exchange = self.exchange(order, &operation);
        let (status, result) =
            operation.run(timeout(self.timeout, exchange)).await.unwrap_or((None, Err(Failure::TimedOut)));
        if let Some(status) = status {
            operation.set("http.response.status_code", i64::from(status));
        }
        if let Err(failure) = &result {
            operation.fail(failure.to_string());
            tracing::warn!(
                reservation = order.reservation_id,
                error = failure as &dyn Error,
                "the call to payment failed"
            );
        }
        measure(status, started.elapsed());
        result
    }

    /// The status, where one came, and what became of the call.
    async fn exchange(
        &self,
        order: &PaymentOrder,
        operation: &Operation,
    ) -> (Option<u16>, Result<Decision, Failure>) {
        let send = || request(&self.http, &self.url, self.token.as_ref(), order, operation.context()).send();
        let mut answer = send().await.map_err(Failure::of_call);
        let resent = matches!(answer, Err(Failure::Broken(_)));
        if resent {
            // As a replica does to its last connections when it stops. Whatever it did, payment charges a reservation once,
            // however often it is asked (RFC 9110, 9.2.2); and another one may be there.
            operation.set("http.request.resend_count", 1_i64);
            // Without a second answer, what became of the first request is what counts.
            answer = send().await.or(answer);
        }
        match answer {
            Ok(response) => (Some(response.status().as_u16()), answer::read(response, order, resent).await),
            Err(failure) => (None, Err(failure)),
        }
    }
}

#[async_trait]
impl PaymentGateway for PaymentClient {
    async fn pay(&self, order: &PaymentOrder) -> PaymentOutcome {
        let Ok(_place) = self.bulkhead.try_acquire() else {
            return not_sent(NotSentWhy::BulkheadFull, SOON);
        };
        let permit = match self.breaker.try_acquire() {
            Ok(permit) => permit,
            Err(refused) => return not_sent(NotSentWhy::BreakerOpen, refused.retry_after.max(SOON)),
        };
        // Dropped while it waits, the future drops both: the place is free, the call not counted.
        let started = Instant::now();
        match self.call(order).await {
            Ok(decision) => {
                permit.succeeded(started.elapsed());
                self.standing.is(decision.misconfigured());
                decision.into_outcome(SOON)
            }
            Err(failure) => {
                permit.failed(started.elapsed());
                failure.into_outcome(SOON)
            }
        }
    }
}

fn payments(url: &str) -> Result<Url, settings::Invalid> {
    let mut url = settings::url("url.payment", url, &["http"])?;
    let path = format!("{}{PATH}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

fn secret_header(token: &str) -> Result<HeaderValue, settings::Invalid> {
    let mut value = HeaderValue::from_str(token)
        .map_err(|_| settings::Invalid::new("internal.token", "cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn not_sent(why: NotSentWhy, retry_after: Duration) -> PaymentOutcome {
    PaymentOutcome::NotSent(NotSent { why, retry_after })
}

/// As Spring measures its clients; a call without an answer has the status `CLIENT_ERROR`.
fn measure(status: Option<u16>, elapsed: Duration) {
    histogram!(
        "http_client_requests_seconds",
        "application" => APPLICATION,
        "client_name" => "payment",
        "method" => "POST",
        "uri" => PATH,
        "status" => status.map_or_else(|| "CLIENT_ERROR".to_owned(), |status| status.to_string()),
        "outcome" => status.map_or("UNKNOWN", outcome_label),
    )
    .record(elapsed);
}
