//! Cancelling: the reservation goes at once, the rest follows, the view keeps everything.

use std::sync::Arc;

use harness::waiting::{PATIENCE, eventually, when};
use stories::customer::{Customer, ids_of_user, statuses, view};
use stories::http::send;
use stories::system::System;

pub(crate) async fn everything_is_taken_back(system: Arc<System>) {
    let customer = Customer::new();
    let all = customer.reserve_all(&system).await;
    let answer = system.gateway().delete(&format!("/preReservations/{}", all.id)).await.expect(204);
    assert_eq!(answer.text(), "");
    system.gateway().get(&format!("/preReservations/{}", all.id)).await.problem(404);

    let cancelled = ["reservation_cancelled", "payment_cancelled", "receipt_cancelled"];
    let view = view(&system, all.id, |view| statuses(view) == cancelled).await;
    assert_eq!(view["cancelReason"], "cancelled_by_customer", "{view}");
    assert_eq!(view["paymentId"], all.payment["id"]);
    assert_eq!(view["receiptId"], all.receipt["id"]);
    for path in [
        format!("/preReservations/{}", all.id),
        format!("/payments/{}", all.payment["id"]),
        format!("/receipts/{}", all.receipt["id"]),
    ] {
        system.gateway().get(&path).await.problem(404);
    }
    for collection in ["preReservations", "payments", "receipts"] {
        let ids = ids_of_user(&system, collection, customer.user_id).await;
        assert_eq!(ids, Vec::<i64>::new(), "{collection}");
    }
    assert_eq!(ids_of_user(&system, "myReservations", customer.user_id).await, [all.id]);
}

/// Whoever names a version is not surprised by another one.
pub(crate) async fn only_what_was_seen(system: Arc<System>) {
    let reservation = Customer::new().reserve(&system).await;
    let path = format!("/preReservations/{}", reservation.id);
    let gateway = system.gateway();
    let shown = gateway.get(&path).await.expect(200);
    let tag = shown.header("etag").expect("an entity tag").to_owned();
    for other in [r#""no-such-version""#, "W/\"1\"", r#""0", "77""#] {
        send(gateway.request("DELETE", &path).header("If-Match", other)).await.problem(412);
    }
    let again = send(gateway.request("GET", &path).header("If-None-Match", &tag)).await;
    assert_eq!((again.status, again.header("etag")), (304, Some(tag.as_str())));
    let _ = send(gateway.request("DELETE", &path).header("If-Match", &tag)).await.expect(204);
    send(gateway.request("DELETE", &path).header("If-Match", "*")).await.problem(404);
}

pub(crate) async fn a_second_time_is_404(system: Arc<System>) {
    let reservation = Customer::new().reserve(&system).await;
    let path = format!("/preReservations/{}", reservation.id);
    let _ = system.gateway().delete(&path).await.expect(204);
    system.gateway().delete(&path).await.problem(404);
    system.service(harness::Service::Prereservation).delete(&path).await.problem(404);
    let all = ["ReservationCreated", "PaymentCreated", "ReservationCancelled", "PaymentCancelled"];
    // Of the receipt there is either nothing or both: the cancellation may have overtaken the payment.
    eventually(PATIENCE, "the facts of one cancellation", async || {
        let facts = system.events().of(reservation.id).await;
        let types: Vec<String> = facts.iter().map(|fact| fact.event_type().to_owned()).collect();
        let complete = all.iter().all(|wanted| types.iter().filter(|found| found == wanted).count() == 1);
        let receipts = ["ReceiptCreated", "ReceiptCancelled"]
            .map(|receipt| types.iter().filter(|found| *found == receipt).count());
        when(complete && (receipts == [0, 0] || receipts == [1, 1]), types)
    })
    .await;
}
