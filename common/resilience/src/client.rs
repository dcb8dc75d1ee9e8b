//! A client of another service. A call goes through the bulkhead (nobody queues), the circuit breaker, the time limit and
//! HTTP, in this order; its span, its metrics and the proof of who calls are made here.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_common::{InternalSettings, internal};
use metrics::histogram;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Response, Url, redirect, retry};
use telemetry::{Kind, Operation, outcome_label};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::breaker::{Breaker, BreakerSettings, NotPermitted};
use crate::settings::ClientSettings;

/// Calls one other service.
pub struct ServiceClient {
    application: &'static str,
    service: &'static str,
    http: Client,
    url: Url,
    token: Option<HeaderValue>,
    timeout: Duration,
    bulkhead: Semaphore,
    breaker: Arc<Breaker>,
}

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Setting(#[from] settings::Invalid),
    #[error("no HTTP client")]
    Http(#[source] reqwest::Error),
}

/// What is asked.
pub struct Request {
    pub method: Method,
    /// Below the service's address; also the label `uri` of the metrics, so it names no single item.
    pub path: &'static str,
    /// JSON.
    pub body: Bytes,
    /// Asking twice has the effect of asking once. Such a request is sent a second time, within the same time limit, where
    /// its connection breaks before an answer begins, as a replica does to its last connections when it stops: the
    /// other service may be there again, or another replica of it (RFC 9110, 9.2.2).
    pub idempotent: bool,
}

/// The other service was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAsked {
    /// As many calls as are allowed at a time wait for the service already.
    BulkheadFull,
    /// Too many calls failed or were slow lately.
    BreakerOpen(NotPermitted),
}

/// The other service gave no complete answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing was sent: a request is written to a connection that stands.
    #[error("no connection")]
    NotConnected(#[source] reqwest::Error),
    #[error("no answer in time")]
    TimedOut,
    #[error("the connection broke")]
    Broken(#[source] reqwest::Error),
    #[error("an answer of more than {0} bytes")]
    TooLong(usize),
}

/// An answer whose head has come.
pub struct Answer {
    response: Response,
    /// An earlier try of the same request broke, and the service may have acted on it.
    pub resent: bool,
}

impl ServiceClient {
    /// `application` calls `service`, which is found at `url`: its address without a path, for instance
    /// `http://localhost:8081`.
    ///
    /// # Errors
    /// A setting that cannot be worked with; it is named, as `url.<service>`, `internal`, `<service>_client` and
    /// `circuit_breaker`.
    pub fn new(
        application: &'static str,
        service: &'static str,
        url: &str,
        internal: &InternalSettings,
        client: &ClientSettings,
        breaker: &BreakerSettings,
    ) -> Result<Self, ClientError> {
        internal.check()?;
        client.check(&format!("{service}_client"))?;
        breaker.check()?;
        let http = Client::builder()
            .connect_timeout(client.connect_timeout())
            .pool_idle_timeout(client.pool_idle_timeout())
            .pool_max_idle_per_host(client.max_concurrent_calls)
            .tcp_nodelay(true)
            // A request goes where it was sent.
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .build()
            .map_err(ClientError::Http)?;
        Ok(Self {
            application,
            service,
            http,
            url: settings::url(&format!("url.{service}"), url, &["http"])?,
            token: internal.sent().map(secret_header).transpose()?,
            timeout: client.timeout(),
            bulkhead: Semaphore::new(client.max_concurrent_calls),
            breaker: Arc::new(Breaker::new(application, service, breaker)),
        })
    }

    /// For the actuator.
    pub fn breaker(&self) -> Arc<Breaker> {
        self.breaker.clone()
    }

    /// `read` says what an answer means: `Ok` where the service works, whatever it decided, `Err` where it fails. The
    /// circuit breaker counts that, and a call without an answer as failed. A call that is dropped while it waits leaves
    /// its place to the next one and is not counted.
    ///
    /// # Errors
    /// The service was not asked.
    pub async fn call<T, E, Reading>(
        &self,
        request: &Request,
        read: impl FnOnce(Answer) -> Reading,
    ) -> Result<Result<T, E>, NotAsked>
    where
        Reading: Future<Output = Result<T, E>>,
        E: Error + From<NoAnswer>,
    {
        let Ok(_place) = self.bulkhead.try_acquire() else { return Err(NotAsked::BulkheadFull) };
        let permit = self.breaker.try_acquire().map_err(NotAsked::BreakerOpen)?;
        let started = Instant::now();
        let operation = Operation::child(Kind::Client, format!("{} {}", request.method, request.path));
        let exchange = async {
            match self.send(request, &operation).await {
                Ok(answer) => (Some(answer.status()), read(answer).await),
                Err(no_answer) => (None, Err(no_answer.into())),
            }
        };
        let (status, result) = operation
            .run(timeout(self.timeout, exchange))
            .await
            .unwrap_or_else(|_| (None, Err(NoAnswer::TimedOut.into())));
        let elapsed = started.elapsed();
        if let Some(status) = status {
            operation.set("http.response.status_code", i64::from(status));
        }
        self.measure(request, status, elapsed);
        match &result {
            Ok(_) => permit.succeeded(elapsed),
            Err(failure) => {
                operation.fail(failure.to_string());
                permit.failed(elapsed);
            }
        }
        Ok(result)
    }

    async fn send(&self, request: &Request, operation: &Operation) -> Result<Answer, NoAnswer> {
        match self.send_once(request, operation).await {
            Err(NoAnswer::Broken(broken)) if request.idempotent => {
                operation.set("http.request.resend_count", 1_i64);
                let second = self.send_once(request, operation).await;
                // Without a second answer, what became of the first request is what counts.
                let response = second.map_err(|_| NoAnswer::Broken(broken))?;
                Ok(Answer { response, resent: true })
            }
            first => Ok(Answer { response: first?, resent: false }),
        }
    }

    async fn send_once(&self, request: &Request, operation: &Operation) -> Result<Response, NoAnswer> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), request.path));
        let mut sent = self
            .http
            .request(request.method.clone(), url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, application/problem+json")
            .header("traceparent", &operation.context().to_traceparent()[..])
            .body(request.body.clone());
        if let Some(token) = &self.token {
            sent = sent.header(internal::HEADER, token);
        }
        let failed = |error: reqwest::Error| match error.is_connect() {
            true => NoAnswer::NotConnected(error),
            false => NoAnswer::of_transfer(error),
        };
        sent.send().await.map_err(failed)
    }

    /// As Spring measures its clients; a call without an answer has the status `CLIENT_ERROR`.
    fn measure(&self, request: &Request, status: Option<u16>, elapsed: Duration) {
        histogram!(
            "http_client_requests_seconds",
            "application" => self.application,
            "client_name" => self.service,
            "method" => request.method.to_string(),
            "uri" => request.path,
            "status" => status.map_or_else(|| "CLIENT_ERROR".to_owned(), |status| status.to_string()),
            "outcome" => status.map_or("UNKNOWN", outcome_label),
        )
        .record(elapsed);
    }
}

impl NoAnswer {
    fn of_transfer(error: reqwest::Error) -> Self {
        if error.is_timeout() { Self::TimedOut } else { Self::Broken(error) }
    }
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// # Errors
    /// The body does not come to its end, or has more than `limit` bytes.
    pub async fn body(mut self, limit: usize) -> Result<Vec<u8>, NoAnswer> {
        let mut body = Vec::new();
        while let Some(chunk) = self.response.chunk().await.map_err(NoAnswer::of_transfer)? {
            if body.len() + chunk.len() > limit {
                return Err(NoAnswer::TooLong(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn secret_header(token: &str) -> Result<HeaderValue, settings::Invalid> {
    let mut value = HeaderValue::from_str(token)
        .map_err(|_| settings::Invalid::new("internal.token", "cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
