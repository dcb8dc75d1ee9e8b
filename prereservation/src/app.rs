//! The composition root: what the service is and can do. Production, `preorder` and tests all come through here.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use chassis::{Application, Chassis, Service, Settings, StartError};
use rights::Reading;
use settings::Compiled;

use crate::inbound::http;
use crate::outbound::payment::PaymentClient;
use crate::outbound::store::{MIGRATIONS, SqlReservationStore};
use crate::settings::Own;
use crate::use_cases::UseCases;
use crate::use_cases::cancel::Cancel;
use crate::use_cases::ports::ReservationStore;
use crate::use_cases::purge_keys::PurgeKeys;
use crate::use_cases::reserve::Reserve;
use crate::use_cases::take_over::TakeOver;

pub const SERVICE: Service<Own> = Service {
    name: "prereservation",
    about: "Takes and cancels reservations",
    settings: Compiled {
        defaults: include_str!("../config/default.toml"),
        profiles: &[("docker", include_str!("../config/docker.toml"))],
    },
    build: |settings| Box::pin(build(settings)),
};

/// # Errors
/// What the settings name cannot be used: a database that does not answer, a port that is taken.
pub async fn build(settings: Settings<Own>) -> Result<Application, StartError> {
    let mut chassis = Chassis::open(SERVICE.name, settings.shared, &[MIGRATIONS]).await?;
    let store: Arc<dyn ReservationStore> =
        Arc::new(SqlReservationStore::new(chassis.database().clone(), chassis.outbox().clone()));
    let payments = Arc::new(
        PaymentClient::new(
            &settings.own.url.payment,
            &settings.own.internal,
            &settings.own.payment_client,
            &settings.own.circuit_breaker,
        )
        .map_err(|source| StartError::Other {
            what: "url.payment: the payment client cannot be built".into(),
            source: source.into(),
        })?,
    );
    chassis.tell(events::PRERESERVATION);
    chassis.health(payments.health());
    chassis.breaker(payments.breaker());

    let saga = &settings.own.saga;
    let take_over = TakeOver::new(store.clone(), Duration::from_millis(saga.take_over_after_ms));
    let look_every = Duration::from_millis(saga.look_every_ms);
    chassis.background("take over", move |stop| take_over.run(look_every, stop));
    let purge_keys = PurgeKeys::new(store.clone(), settings.own.idempotency.keep_hours);
    let purge_every = Duration::from_millis(settings.own.idempotency.purge_every_ms);
    chassis.background("purge keys", move |stop| purge_keys.run(purge_every, stop));

    let use_cases = Data::new(UseCases {
        reserve: Reserve { store: store.clone(), payments },
        cancel: Cancel { store: store.clone() },
        reading: Reading::of_owners(store),
    });
    chassis.serve(move |config| http::configure(config, use_cases.clone()))
}
