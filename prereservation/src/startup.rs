//! The composition root: production, `preorder` and tests all come through here.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use chassis::{Application, Chassis, ServiceSettings, StartError};
use metrics::{describe_counter, describe_gauge};
use tokio_util::sync::CancellationToken;

use crate::inbound::http;
use crate::outbound::payment::PaymentClient;
use crate::outbound::store::{MIGRATIONS, SqlReservationStore};
use crate::settings::{IdempotencySettings, SagaSettings, Settings};
use crate::use_cases::cancel::Cancel;
use crate::use_cases::ports::ReservationStore;
use crate::use_cases::reserve::Reserve;
use crate::use_cases::take_over::TakeOver;

/// Everything prereservation can do.
pub struct UseCases {
    pub reserve: Reserve,
    pub cancel: Cancel,
    /// Queries go to the store as they are.
    pub store: Arc<dyn ReservationStore>,
}

/// # Errors
/// What the settings name cannot be used: a database that does not answer, a port that is taken.
pub async fn build(settings: Settings) -> Result<Application, StartError> {
    let mut chassis = Chassis::open("prereservation", settings.parts(), &[MIGRATIONS]).await?;
    describe();
    let store: Arc<dyn ReservationStore> = Arc::new(SqlReservationStore::new(
        chassis.database().clone(),
        chassis.outbox().clone(),
        chassis.topic().to_owned(),
    ));
    let payments = Arc::new(
        PaymentClient::new(
            &settings.url.payment,
            &settings.internal,
            &settings.payment_client,
            &settings.circuit_breaker,
        )
        .map_err(|source| StartError::Other {
            what: "url.payment: the payment client cannot be built".into(),
            source: source.into(),
        })?,
    );
    chassis.health(payments.health());
    chassis.breaker(payments.breaker());

    let take_over = TakeOver::new(store.clone(), Duration::from_millis(settings.saga.take_over_after_ms));
    let saga = settings.saga.clone();
    chassis.background("take over", move |stop| take_over_loop(take_over, saga, stop));
    let keys = store.clone();
    let idempotency = settings.idempotency.clone();
    chassis.background("purge keys", move |stop| purge_loop(keys, idempotency, stop));

    let use_cases = Data::new(UseCases {
        reserve: Reserve { store: store.clone(), payments },
        cancel: Cancel { store: store.clone() },
        store,
    });
    chassis.serve(&settings.server, &settings.management, move |config| {
        http::configure(config, use_cases.clone())
    })
}

fn describe() {
    describe_gauge!("saga_open", "Reservations seen pending");
    describe_gauge!("saga_oldest_open_age_seconds", "For how long the oldest of them has been seen pending");
    describe_counter!(
        "saga_taken_over_total",
        "Pending reservations that were ended for somebody who did not"
    );
    describe_gauge!("resilience4j_circuitbreaker_state", "1: the state that the circuit breaker is in");
    describe_counter!("resilience4j_circuitbreaker_calls_total", "Calls that the circuit breaker let pass");
    describe_counter!(
        "resilience4j_circuitbreaker_not_permitted_calls_total",
        "Calls that the circuit breaker did not let pass"
    );
}

async fn take_over_loop(mut take_over: TakeOver, settings: SagaSettings, stop: CancellationToken) {
    let pause = Duration::from_millis(settings.look_every_ms);
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        match take_over.execute().await {
            Ok((ended, open)) => {
                metrics::counter!("saga_taken_over_total", "application" => "prereservation")
                    .increment(ended as u64);
                metrics::gauge!("saga_open", "application" => "prereservation").set(open as f64);
                metrics::gauge!("saga_oldest_open_age_seconds", "application" => "prereservation")
                    .set(take_over.oldest_age().as_secs_f64());
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "abandoned reservations not looked for; trying again"
                );
            }
        }
    }
}

async fn purge_loop(
    store: Arc<dyn ReservationStore>,
    settings: IdempotencySettings,
    stop: CancellationToken,
) {
    let pause = Duration::from_millis(settings.purge_every_ms);
    let kept = i64::from(settings.keep_hours) * 3_600_000;
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        match store.purge_keys(storage::now_ms() - kept).await {
            Ok(0) => {}
            Ok(purged) => tracing::info!(purged, "idempotency keys purged"),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "idempotency keys not purged; trying again"
                );
            }
        }
    }
}
