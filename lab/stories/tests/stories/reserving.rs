//! Reserving: what the customer sees, and what follows.

use std::sync::Arc;

use serde_json::json;
use stories::customer::{Customer, DECLINING_CARD, MASKED_CARD, PRICE, ids_of_user, millis, statuses, view};
use stories::system::System;

const DELIVERY_DAYS: i64 = 21;
const DAY_MS: i64 = 86_400_000;

/// The sample line of the customer, word for word what httpie makes of it.
pub(crate) async fn everything_follows(system: Arc<System>) {
    let customer = Customer::new();
    let answer = system.gateway().post("/preReservations", &customer.order()).await.expect(201);
    let item = answer.json();
    let id = item["id"].as_i64().unwrap();
    assert_eq!(item["status"], "reservated", "status=order is ignored");
    assert_eq!(item["userId"], customer.user_id, "a text that is a number becomes one");
    assert_eq!(item["price"], PRICE);
    assert_eq!(item["userAddress"], "seoul");
    assert_eq!(item["productId"], 1);
    assert_eq!(item["productName"], "fold");
    assert_eq!(item["cardNo"], MASKED_CARD);
    let href = format!("{}/preReservations/{id}", system.gateway().origin());
    assert_eq!(answer.header("location"), Some(href.as_str()));
    assert_eq!(item["_links"]["self"]["href"], href);

    let all = stories::customer::Reservation::of(&answer).complete(&system).await;
    let (payment, receipt, view) = (&all.payment, &all.receipt, &all.view);
    assert_eq!(all.reservation["status"], "reservated");
    assert_eq!(payment["status"], "paid");
    assert_eq!(payment["preReservationId"], id);
    assert_eq!(payment["cardNo"], MASKED_CARD);
    assert_eq!(receipt["status"], "receipt_issued");
    assert_eq!(receipt["preReservationId"], id);
    assert_eq!(receipt["paymentId"], payment["id"]);
    for item in [payment, receipt] {
        for field in ["userId", "productId", "productName", "price"] {
            assert_eq!(item[field], all.reservation[field], "{field} of {item}");
        }
    }
    let delivery = millis(&receipt["expectedDeliveryAt"]) - millis(&payment["createdAt"]);
    assert_eq!(delivery, DELIVERY_DAYS * DAY_MS, "21 days after the payment: {receipt} {payment}");

    assert_eq!(view["id"], id);
    assert_eq!(statuses(view), ["reservated", "paid", "receipt_issued"]);
    assert_eq!(view["receiptId"], receipt["id"]);
    assert_eq!(view["expectedDeliveryAt"], receipt["expectedDeliveryAt"]);
    assert_eq!(view["createdAt"], all.reservation["createdAt"]);
    assert_eq!(view["paymentCreatedAt"], payment["createdAt"]);
    assert_eq!(view["receiptCreatedAt"], receipt["createdAt"]);
    for field in ["userId", "userAddress", "productId", "productName", "price", "cardNo"] {
        assert_eq!(view[field], all.reservation[field], "{field} of {view}");
    }
    for (collection, id) in [
        ("preReservations", &item["id"]),
        ("payments", &payment["id"]),
        ("receipts", &receipt["id"]),
        ("myReservations", &item["id"]),
    ] {
        assert_eq!(
            json!(ids_of_user(&system, collection, customer.user_id).await),
            json!([id]),
            "{collection}"
        );
    }
}

/// 402: nothing is charged, nothing is reserved, and the view keeps why.
pub(crate) async fn declined_card(system: Arc<System>) {
    let customer = Customer::new();
    let answer =
        system.gateway().post("/preReservations", &customer.order_with("cardNo", DECLINING_CARD)).await;
    let problem = answer.problem(402);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("declined") && detail.contains("Nothing was charged"), "{detail}");
    let id = problem["reservationId"].as_i64().unwrap();

    let view = view(&system, id, |view| statuses(view)[0] == "reservation_cancelled").await;
    assert_eq!(view["cancelReason"], "payment_declined", "{view}");
    assert_eq!(statuses(&view), ["reservation_cancelled", "", ""]);
    assert!(view["paymentId"].is_null() && view["receiptId"].is_null(), "{view}");
    for path in [format!("/preReservations/{id}"), format!("/preReservations/{id}/")] {
        system.gateway().get(&path).await.problem(404);
    }
    for collection in ["preReservations", "payments", "receipts"] {
        let ids = ids_of_user(&system, collection, customer.user_id).await;
        assert_eq!(ids, Vec::<i64>::new(), "{collection}");
    }
    let facts = system.events().expect(id, &["ReservationCancelled"]).await;
    assert_eq!(facts[0].value["reason"], "payment_declined");
}
