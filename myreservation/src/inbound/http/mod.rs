//! `/myReservations`, read only: the view follows from facts.

mod min_version;
mod resource;
mod timeline;

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use rest::{Api, Collection};
use rights::Reading;
use utoipa::OpenApi;

use crate::use_cases::ports::{Field, View};
use crate::use_cases::read_your_writes::ReadYourWrites;
use crate::use_cases::show_timeline::ShowTimeline;
use min_version::Wanted;
use resource::MyReservation;

pub type Pages = rest::Pages<Field>;

#[derive(OpenApi)]
#[openapi(paths(timeline::timeline), components(schemas(timeline::TimelineDocument)))]
struct Parts;

pub fn configure(
    config: &mut ServiceConfig,
    reading: Reading<dyn View>,
    timelines: Data<ShowTimeline>,
    readers: Arc<ReadYourWrites>,
    pages: &Pages,
) {
    let reservations = Collection::<MyReservation, _, Wanted>::reading(reading)
        .sharing(pages)
        .part("timeline", timeline::timeline);
    config.app_data(timelines).app_data(Data::from(readers));
    Api::new(config, "myreservation", "Everything about a reservation in one place, cancelled ones too.")
        .describing(Parts::openapi())
        .collection(reservations)
        .finish();
}
