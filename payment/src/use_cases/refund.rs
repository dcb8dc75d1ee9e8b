use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use resilience::Backoff;
use storage::{StoreError, now_ms};
use telemetry::{Kind, Operation, TraceContext};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::{Payment, Status, Transition};
use crate::use_cases::ports::{PaymentProvider, PaymentStore, ProviderError, Unfinished};

const PAGE: i64 = 64;
/// Refunds under way at the same time.
const CONCURRENCY: usize = 16;
/// How often the worker looks for what other processes left to do.
const POLL: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Undoes what the card network did for a cancelled reservation.
struct Refund {
    store: Arc<dyn PaymentStore>,
    provider: Arc<dyn PaymentProvider>,
}

/// Refunds every payment that is `refunding`, and tries again until the card network confirms.
///
/// Several replicas may work on the same payment at once: the refund is the same for the card network, and only
/// one of them finds the payment still `refunding` when it stores the result.
pub struct RefundWorker {
    refund: Refund,
    /// Told when there is something new to do.
    wake: Arc<Notify>,
    longest_pause: Duration,
    /// The payments whose refund failed, by id.
    waiting: HashMap<i64, Waiting>,
}

struct Waiting {
    backoff: Backoff,
    until: Instant,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum RefundError {
    #[error("the card network did not confirm the refund")]
    Provider(#[from] ProviderError),
    #[error("the refund could not be stored")]
    Store(#[from] StoreError),
}

impl RefundWorker {
    pub fn new(
        store: Arc<dyn PaymentStore>,
        provider: Arc<dyn PaymentProvider>,
        wake: Arc<Notify>,
        longest_pause: Duration,
    ) -> Self {
        Self { refund: Refund { store, provider }, wake, longest_pause, waiting: HashMap::new() }
    }

    /// Works until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        metrics::describe_counter!("refunds_total", "Cancelled payments that were undone, by outcome");
        metrics::describe_gauge!("payments_refunds_open", "Cancelled payments that are not undone yet");
        while !stop.is_cancelled() {
            if let Err(error) = self.round(&stop).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "refunds not read; looking again");
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(self.pause()) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Tries every refund that is due, once.
    async fn round(&mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        let mut open = HashSet::new();
        let mut last_id = i64::MIN;
        loop {
            let page = self.refund.store.unfinished(Status::Refunding, last_id, PAGE).await?;
            let Some(last) = page.last() else { break };
            last_id = last.payment.id;
            let (due, later): (Vec<_>, Vec<_>) =
                page.into_iter().partition(|unfinished| self.is_due(unfinished.payment.id));
            open.extend(later.iter().map(|unfinished| unfinished.payment.id));

            let refund = &self.refund;
            let done: Vec<_> = futures::stream::iter(due)
                .map(|unfinished| async move { (unfinished.payment.id, refund.execute(&unfinished).await) })
                .buffer_unordered(CONCURRENCY)
                .collect()
                .await;
            for (id, result) in done {
                match result {
                    Ok(()) => drop(self.waiting.remove(&id)),
                    Err(error) => {
                        open.insert(id);
                        self.postpone(id, &error);
                    }
                }
            }
            if stop.is_cancelled() {
                return Ok(());
            }
        }
        self.waiting.retain(|id, _| open.contains(id));
        metrics::gauge!("payments_refunds_open", "application" => "payment").set(open.len() as f64);
        Ok(())
    }

    fn is_due(&self, id: i64) -> bool {
        self.waiting.get(&id).is_none_or(|waiting| waiting.until <= Instant::now())
    }

    fn postpone(&mut self, id: i64, error: &RefundError) {
        let waiting = self.waiting.entry(id).or_insert_with(|| Waiting {
            backoff: Backoff::new(FIRST_PAUSE, self.longest_pause),
            until: Instant::now(),
        });
        let pause = waiting.backoff.next_pause();
        waiting.until = Instant::now() + pause;
        tracing::warn!(
            payment = id,
            attempts = waiting.backoff.failures(),
            pause_ms = pause.as_millis() as u64,
            error = error as &dyn std::error::Error,
            "refund failed; trying again"
        );
    }

    fn pause(&self) -> Duration {
        let next = self.waiting.values().map(|waiting| waiting.until).min();
        next.map_or(POLL, |at| at.saturating_duration_since(Instant::now()).min(POLL))
    }
}

impl Refund {
    /// In the trace of the request that asked for the charge.
    async fn execute(&self, unfinished: &Unfinished) -> Result<(), RefundError> {
        let trace = unfinished.traceparent.as_deref().and_then(TraceContext::parse);
        let operation = Operation::start(Kind::Internal, "refund", trace);
        operation.run(self.undo(&unfinished.payment)).await
    }

    async fn undo(&self, payment: &Payment) -> Result<(), RefundError> {
        let answer = self.provider.refund(&payment.order.idempotency_key()).await?;
        let change = match payment.refund_answered(answer, now_ms()) {
            Transition::Applied(change) => change,
            Transition::AlreadyApplied => return Ok(()),
            Transition::Refused(refusal) => {
                tracing::error!(payment = payment.id, %refusal, "the card network's answer makes no sense");
                return Ok(());
            }
        };
        if self.store.save(std::slice::from_ref(&change)).await? == [true] {
            let outcome = change.after().status();
            tracing::debug!(
                payment = payment.id,
                reservation = payment.order.reservation_id,
                %outcome,
                "payment undone"
            );
            metrics::counter!("refunds_total", "application" => "payment", "outcome" => outcome.as_str())
                .increment(1);
        }
        Ok(())
    }
}
