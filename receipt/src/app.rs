//! The composition root: production, `preorder` and tests all come through here.

use std::sync::Arc;

use actix_web::web::Data;
use chassis::{Application, Chassis, ServiceSettings, StartError};

use crate::inbound::{events::Facts, http};
use crate::outbound::store::{MIGRATIONS, SqlReceiptStore};
use crate::settings::Settings;
use crate::use_cases::follow::Follow;
use crate::use_cases::ports::ReceiptStore;

/// # Errors
/// What the settings name cannot be used: a database that does not answer, a port that is taken.
pub async fn build(settings: Settings) -> Result<Application, StartError> {
    let mut chassis = Chassis::open("receipt", settings.parts(), &[MIGRATIONS]).await?;
    let store: Arc<dyn ReceiptStore> = Arc::new(SqlReceiptStore::new(
        chassis.database().clone(),
        chassis.outbox().clone(),
        chassis.topic().to_owned(),
    ));
    let facts = Facts { follow: Follow { store: store.clone() } };
    chassis.consume(&settings.consumer, Arc::new(facts));
    let store = Data::new(store);
    chassis
        .serve(&settings.server, &settings.management, move |config| http::configure(config, store.clone()))
}
