//! The composition root: what the service is and can do. Production, `preorder` and tests all come through here.

use std::sync::Arc;

use chassis::{Application, Chassis, NothingOfItsOwn, Service, Settings, StartError};
use rights::Reading;
use settings::Compiled;

use crate::inbound::http;
use crate::outbound::store::{MIGRATIONS, SqlReceiptStore};
use crate::use_cases::follow::Follow;
use crate::use_cases::ports::ReceiptStore;

pub const SERVICE: Service<NothingOfItsOwn> = Service {
    name: "receipt",
    about: "Issues receipts with a delivery date",
    settings: Compiled { defaults: include_str!("../config/default.toml"), profiles: &[] },
    build: |settings| Box::pin(build(settings)),
};

/// # Errors
/// What the settings name cannot be used: a database that does not answer, a port that is taken.
pub async fn build(settings: Settings<NothingOfItsOwn>) -> Result<Application, StartError> {
    let mut chassis = Chassis::open(SERVICE.name, settings.shared, &[MIGRATIONS]).await?;
    let store: Arc<dyn ReceiptStore> =
        Arc::new(SqlReceiptStore { database: chassis.database().clone(), outbox: chassis.outbox().clone() });
    chassis.consume(events::PRERESERVATION, Arc::new(Follow { store: store.clone() }));
    chassis.tell(events::PRERESERVATION);
    let reading = Reading::of_owners(store);
    chassis.serve(move |config| http::configure(config, reading.clone()))
}
