use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use metrics::histogram;
use reqwest::{Client, Url, redirect};
use telemetry::{Kind, Operation, outcome_label};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::answer::Answer;
use super::request::request;
use super::settings::PaymentClientSettings;
use crate::outbound::breaker::{Breaker, BreakerSettings};
use crate::use_cases::ports::{NotSent, NotSentWhy, PaymentGateway, PaymentOrder, PaymentOutcome};

const APPLICATION: &str = "prereservation";
const PATH: &str = "/payments";

/// When trying again makes sense where nothing better is known.
const SOON: Duration = Duration::from_secs(1);

/// [`PaymentGateway`] over HTTP.
pub struct PaymentClient {
    http: Client,
    url: Url,
    timeout: Duration,
    bulkhead: Semaphore,
    breaker: Arc<Breaker>,
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
        client: &PaymentClientSettings,
        breaker: &BreakerSettings,
    ) -> Result<Self, PaymentClientError> {
        client.check()?;
        breaker.check()?;
        // Checked as given, so that a value without a scheme is not made one by the path.
        settings::url("url.payment", url, &["http"])?;
        let url = settings::url("url.payment", &format!("{}{PATH}", url.trim_end_matches('/')), &["http"])?;
        let http = Client::builder()
            .connect_timeout(client.connect_timeout())
            .pool_idle_timeout(client.pool_idle_timeout())
            .pool_max_idle_per_host(client.max_concurrent_calls)
            .tcp_nodelay(true)
            // A charge goes where it was sent and is sent once.
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .build()
            .map_err(PaymentClientError::Http)?;
        Ok(Self {
            http,
            url,
            timeout: client.timeout(),
            bulkhead: Semaphore::new(client.max_concurrent_calls),
            breaker: Arc::new(Breaker::new(APPLICATION, "payment", breaker)),
        })
    }

    /// For the actuator.
    pub fn breaker(&self) -> Arc<Breaker> {
        self.breaker.clone()
    }

    async fn call(&self, order: &PaymentOrder) -> Answer {
        let started = Instant::now();
        let operation = Operation::child(Kind::Client, "POST /payments");
        let exchange = async {
            match request(&self.http, &self.url, order, operation.context()).send().await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    (Some(status), Answer::read(response, order).await)
                }
                Err(error) => (None, Answer::of_failed_call(&error)),
            }
        };
        let (status, answer) =
            operation.run(timeout(self.timeout, exchange)).await.unwrap_or((None, Answer::timed_out()));
        if let Some(status) = status {
            operation.set("http.response.status_code", i64::from(status));
        }
        if !answer.is_payment_well() {
            operation.fail(format!("{answer:?}"));
        }
        measure(status, started.elapsed());
        answer
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
            Err(refused) => return not_sent(NotSentWhy::BreakerOpen, refused.retry_after),
        };
        // Dropped while it waits, the future drops both: the place is free, the call not counted.
        let started = Instant::now();
        let answer = self.call(order).await;
        if answer.is_payment_well() {
            permit.succeeded(started.elapsed());
        } else {
            permit.failed(started.elapsed());
        }
        match answer {
            Answer::Paid(paid) => PaymentOutcome::Paid(paid),
            Answer::Declined(declined) => PaymentOutcome::Declined(declined),
            Answer::NotSent(why) => not_sent(why, SOON),
            Answer::Unknown(unknown) => PaymentOutcome::Unknown(unknown),
        }
    }
}

fn not_sent(why: NotSentWhy, retry_after: Duration) -> PaymentOutcome {
    PaymentOutcome::NotSent(NotSent { why, retry_after: retry_after.max(SOON) })
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
