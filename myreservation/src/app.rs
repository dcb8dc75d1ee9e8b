//! The composition root: what the service is and can do. Production, `preorder` and tests all come through here.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use chassis::{Application, Chassis, Service, Settings, StartError};
use rights::Reading;
use settings::Compiled;

use crate::inbound::{events::Facts, http};
use crate::outbound::sql::{MIGRATIONS, adapters};
use crate::settings::Own;
use crate::use_cases::ports::View;
use crate::use_cases::read_your_writes::ReadYourWrites;
use crate::use_cases::show_timeline::ShowTimeline;
use crate::use_cases::watch_sagas;

pub const SERVICE: Service<Own> = Service {
    name: "myreservation",
    about: "Everything about a reservation in one row; `myreservation rebuild --help` makes the view anew",
    settings: Compiled { defaults: include_str!("../config/default.toml"), profiles: &[] },
    build: |settings| Box::pin(build(settings)),
};

/// # Errors
/// What the settings name cannot be used: a database that does not answer, a port that is taken.
pub async fn build(settings: Settings<Own>) -> Result<Application, StartError> {
    let mut chassis = Chassis::open(SERVICE.name, settings.shared, &[MIGRATIONS]).await?;
    let (view, projection) = adapters(chassis.database());
    let view: Arc<dyn View> = Arc::new(view);
    let readers = Arc::new(ReadYourWrites::new(
        view.clone(),
        Duration::from_millis(settings.own.read_your_writes.wait_ms),
        settings.own.read_your_writes.max_waiting,
    ));
    let facts = Facts::new(Arc::new(projection), readers.clone());
    chassis.consume(events::PRERESERVATION, Arc::new(facts));
    let watched = view.clone();
    chassis.background("sagas", move |stop| watch_sagas::watch(watched, settings.own.sagas, stop));
    let timelines = Data::new(ShowTimeline::new(view.clone()));
    let reading = Reading::of_owners(view);
    let pages = http::Pages::default();
    chassis.serve(move |config| {
        http::configure(config, reading.clone(), timelines.clone(), readers.clone(), &pages);
    })
}
