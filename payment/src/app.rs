//! The composition root: what the service is and can do. Production, `preorder` and tests all come through here.

use std::sync::Arc;

use actix_web::web::Data;
use chassis::{Application, Chassis, Service, Settings, StartError};
use rights::Reading;
use settings::Compiled;
use tokio::sync::Notify;

use crate::inbound::events::ReservationEvents;
use crate::inbound::http::{self, Callers, UseCases};
use crate::outbound::measured::Measured;
use crate::outbound::simulated::{Ledger, SimulatedNetwork};
use crate::outbound::sql::{MIGRATIONS, SqlPaymentStore};
use crate::settings::Own;
use crate::use_cases::ports::PaymentStore;
use crate::use_cases::{AbandonedCharges, Charge, RefundWorker};

pub const SERVICE: Service<Own> = Service {
    name: "payment",
    about: "Charges cards for reservations, and gives the money back",
    settings: Compiled { defaults: include_str!("../config/default.toml"), profiles: &[] },
    build: |settings| Box::pin(build(settings)),
};

/// # Errors
/// What the settings name cannot be used: a database that does not answer, a port that is taken.
pub async fn build(settings: Settings<Own>) -> Result<Application, StartError> {
    let mut chassis = Chassis::open(SERVICE.name, settings.shared, &[MIGRATIONS]).await?;
    let sql = SqlPaymentStore::new(chassis.database().clone(), chassis.outbox().clone());
    let store: Arc<dyn PaymentStore> = Arc::new(sql.clone());

    let ledger = Ledger::open(&settings.own.provider).await?;
    let network = Arc::new(SimulatedNetwork::new(ledger, settings.own.provider));
    let provider = Arc::new(Measured::new(network));
    chassis.health(provider.clone());

    let refunds = Arc::new(Notify::new());
    let reservations = ReservationEvents::new(Arc::new(sql), refunds.clone());
    chassis.consume(events::PRERESERVATION, Arc::new(reservations));
    chassis.tell(events::PRERESERVATION);
    let undo = settings.own.undo;
    let worker = RefundWorker::new(store.clone(), provider.clone(), refunds.clone(), undo.longest_backoff());
    chassis.background("refunds", move |stop| worker.run(stop));
    let abandoned = AbandonedCharges::new(store.clone(), refunds, undo.abandoned_after());
    chassis.background("abandoned charges", move |stop| abandoned.run(stop));

    chassis.accept_services(settings.own.internal.clone());
    let callers = Data::new(Callers::new(settings.own.internal));
    let rule = callers.rule();
    let use_cases = Data::new(UseCases {
        charge: Charge::new(store.clone(), provider),
        reading: Reading::of_owners(store),
        callers,
    });
    let application = chassis.serve(move |config| http::configure(config, use_cases.clone()))?;
    tracing::info!("{rule}");
    Ok(application)
}
