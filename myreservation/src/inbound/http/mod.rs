//! `/myReservations`, read only: the view follows from facts.

mod min_version;
mod resource;
mod timeline;

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use rest::{Api, Collection};
use utoipa::OpenApi;

use crate::use_cases::ports::{Field, View};
use crate::use_cases::read_your_writes::ReadYourWrites;
use min_version::Wanted;
use resource::MyReservation;

pub type Pages = rest::Pages<Field>;

#[derive(OpenApi)]
#[openapi(paths(timeline::timeline), components(schemas(timeline::TimelineDocument)))]
struct Parts;

pub fn configure(
    config: &mut ServiceConfig,
    view: Arc<dyn View>,
    readers: Arc<ReadYourWrites>,
    pages: &Pages,
) {
    let reservations = Collection::<MyReservation, _, Wanted>::reading(view.clone())
        .sharing(pages)
        .part("timeline", timeline::timeline);
    config.app_data(Data::new(view)).app_data(Data::from(readers));
    Api::new(config, "myreservation", "Everything about a reservation in one place, cancelled ones too.")
        .describing(Parts::openapi())
        .collection(reservations)
        .finish();
}
