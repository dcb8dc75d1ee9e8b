//! The composition root: production, `preorder` and tests all come through here.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use chassis::{Application, Chassis, ServiceSettings, StartError};

use crate::inbound::{events::Facts, http};
use crate::outbound::sql::{MIGRATIONS, adapters};
use crate::settings::Settings;
use crate::use_cases::ports::View;
use crate::use_cases::read_your_writes::ReadYourWrites;
use crate::use_cases::watch_sagas;

/// # Errors
/// What the settings name cannot be used: a database that does not answer, a port that is taken.
pub async fn build(settings: Settings) -> Result<Application, StartError> {
    let mut chassis = Chassis::open("myreservation", settings.parts(), &[MIGRATIONS]).await?;
    let (view, projection) = adapters(chassis.database());
    let view: Arc<dyn View> = Arc::new(view);
    let readers = Arc::new(ReadYourWrites::new(
        view.clone(),
        Duration::from_millis(settings.read_your_writes.wait_ms),
        settings.read_your_writes.max_waiting,
    ));
    let facts = Facts::new(Arc::new(projection), readers.clone());
    chassis.consume(&settings.consumer, Arc::new(facts));
    let watched = view.clone();
    chassis.background("sagas", move |stop| watch_sagas::watch(watched, settings.sagas, stop));
    let (view, readers, pages) = (Data::new(view), Data::from(readers), http::Pages::default());
    chassis.serve(&settings.server, &settings.management, move |config| {
        http::configure(config, view.clone(), readers.clone(), pages.clone());
    })
}
