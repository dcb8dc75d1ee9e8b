use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};
use serde::Serialize;
use telemetry::TraceContext;
use web::internal;

use crate::use_cases::ports::PaymentOrder;

/// The body. It holds the full card number, so it has no `Debug`, and lives as long as the
/// writing of the request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Charge<'a> {
    pre_reservation_id: i64,
    user_id: i64,
    product_id: i64,
    product_name: &'a str,
    price: i64,
    card_no: &'a str,
}

pub(super) fn request(
    http: &Client,
    url: &Url,
    token: Option<&HeaderValue>,
    order: &PaymentOrder,
    trace: TraceContext,
) -> RequestBuilder {
    let charge = Charge {
        pre_reservation_id: order.reservation_id,
        user_id: order.user_id,
        product_id: order.product_id,
        product_name: &order.product_name,
        price: order.price,
        card_no: order.card.digits(),
    };
    let body = serde_json::to_vec(&charge).expect("numbers and text into memory cannot fail");
    let request = http.post(url.clone());
    let request = match token {
        Some(token) => request.header(internal::HEADER, token),
        None => request,
    };
    request
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json, application/problem+json")
        .header("traceparent", &trace.to_traceparent()[..])
        .body(body)
}
