//! `/payments`: requests to commands, outcomes to answers.

mod answer;
mod callers;
mod command;
mod resource;

use actix_web::web::{Data, ServiceConfig};
use http_common::Problem;
use rest::{Answer, Api, Base, Body, Collection};
use rights::Reading;
use utoipa::OpenApi;

use crate::use_cases::Charge;
use crate::use_cases::ports::PaymentStore;
use answer::charge_failed;
pub use callers::Callers;
use callers::MayCharge;
use resource::PaymentItem;

/// What clients can ask for.
pub struct UseCases {
    pub charge: Charge,
    pub reading: Reading<dyn PaymentStore>,
    pub callers: Data<Callers>,
}

#[derive(OpenApi)]
#[openapi(paths(charge), components(schemas(resource::NewPayment)))]
struct Commands;

/// There is no `DELETE`: a payment is taken back by cancelling its reservation, so that the two cannot disagree.
pub fn configure(config: &mut ServiceConfig, use_cases: Data<UseCases>) {
    let payments = Collection::<PaymentItem, _>::reading(use_cases.reading.clone()).create(charge);
    config.app_data(use_cases.callers.clone()).app_data(use_cases);
    Api::new(config, "payment", "Charges cards for reservations, and gives the money back.")
        .describing(Commands::openapi())
        .collection(payments)
        .finish();
}

#[utoipa::path(
    post, path = "/payments", tag = "payments", request_body = resource::NewPayment,
    responses(
        (status = 201, description = "charged, by this request or by an earlier one of the same reservation", body = PaymentItem, content_type = "application/hal+json"),
        (status = 400, description = "malformed or invalid", body = Problem, content_type = "application/problem+json"),
        (status = 402, description = "card declined, nothing charged", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "not prereservation; nothing was charged", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "the reservation was cancelled; what may have been charged is given back", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "the reservation has a payment with other content", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "whether the card is charged is not known; repeat the request, or cancel the reservation", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn charge(_: MayCharge, base: Base, body: Body, use_cases: Data<UseCases>) -> Answer {
    let (order, card) = command::parse(&body)?;
    let outcome = use_cases.charge.charge(order, &card).await;
    answer::answer(&base, outcome.map_err(|error| charge_failed(&error))?)
}
