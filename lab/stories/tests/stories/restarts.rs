//! Everything stops, in order or not, and goes on with the same data.

use harness::Service;
use harness::chaos::Network;
use harness::waiting::{PATIENCE, eventually, when};
use stories::customer::{Complete, Customer, ids_of_user, statuses, view};
use stories::setup::Setup;
use stories::system::{Link, Plan, System};

pub(crate) async fn stopped_in_order(setup: Setup) {
    let system = System::start(setup).await;
    let customer = Customer::new();
    let before = customer.reserve_all(&system).await;
    // What follows this one is still on its way.
    let on_its_way = customer.reserve(&system).await;
    system.stop_all().await;
    system.start_all().await;
    same(&system, &before).await;
    on_its_way.complete(&system).await;
    let after = customer.reserve_all(&system).await;
    assert!(after.id > before.id, "ids go on");
    assert_eq!(ids_of_user(&system, "preReservations", customer.user_id).await.len(), 3);
}

/// SIGKILL to everything while reservations are being made, one of them in the middle of its payment.
pub(crate) async fn killed_in_the_middle(setup: Setup) {
    let system = Plan::of(setup)
        .through_proxy(Link::RESERVE_TO_PAY)
        .with(Service::Prereservation, "SAGA_TAKE_OVER_AFTER_MS", 6000)
        .with(Service::Prereservation, "SAGA_LOOK_EVERY_MS", 100)
        .start()
        .await;
    let customer = Customer::new();
    let before = customer.reserve_all(&system).await;
    let cancelled = customer.reserve_all(&system).await;
    // Charged, but prereservation never hears of it.
    let network = system.network(Link::RESERVE_TO_PAY);
    network.set(Network::DelaysAnswers(std::time::Duration::from_secs(60))).await;
    let unlucky = Customer::new();
    let order = system.gateway().request("POST", "/preReservations").json(&unlucky.order());
    let asking = tokio::spawn(stories::http::try_send(order));
    eventually(PATIENCE, "the card is charged", async || {
        let books = system.ledger().books().await;
        when(books.charges == 3, books)
    })
    .await;
    let _ = system.gateway().delete(&format!("/preReservations/{}", cancelled.id)).await.expect(204);
    system.kill_all().await;
    assert!(!matches!(asking.await.unwrap(), Ok(answer) if answer.status == 201));

    network.set(Network::Passes).await;
    system.start_all().await;
    same(&system, &before).await;
    let all = ["reservation_cancelled", "payment_cancelled", "receipt_cancelled"];
    view(&system, cancelled.id, |view| statuses(view) == all).await;
    // The reservation in the middle is taken over, ended and refunded.
    let id = eventually(PATIENCE, "the abandoned reservation is ended", async || {
        let found = ids_of_user(&system, "myReservations", unlucky.user_id).await;
        found.first().copied().ok_or("not in the view")
    })
    .await;
    let abandoned =
        view(&system, id, |view| statuses(view)[0] == "reservation_cancelled" && statuses(view)[1] != "paid");
    assert_eq!(abandoned.await["cancelReason"], "abandoned");
    eventually(PATIENCE, "one charge stands", async || {
        let books = system.ledger().books().await;
        when(books.charges - books.refunds == 1, books)
    })
    .await;
    customer.reserve_all(&system).await;
}

/// Each service for itself, killed while reservations go on; nothing is lost, nothing happens twice.
pub(crate) async fn each_killed_in_turn(setup: Setup) {
    let system = System::start(setup).await;
    let customer = Customer::new();
    let mut reserved = Vec::new();
    for service in Service::WITH_STATE {
        let before = customer.reserve(&system).await;
        system.process(service).kill().await;
        system.restart(service).await;
        reserved.push(before);
        reserved.push(customer.reserve(&system).await);
    }
    let count = reserved.len();
    for reservation in reserved {
        let id = reservation.id;
        reservation.complete(&system).await;
        system
            .events()
            .expect_repeated(id, &["ReservationCreated", "PaymentCreated", "ReceiptCreated"])
            .await;
    }
    for collection in ["preReservations", "payments", "receipts", "myReservations"] {
        assert_eq!(ids_of_user(&system, collection, customer.user_id).await.len(), count, "{collection}");
    }
    let books = system.ledger().books().await;
    assert_eq!((books.charges, books.refunds), (count as i64, 0), "{books:?}");
}

async fn same(system: &System, before: &Complete) {
    for (path, item) in [
        (format!("/preReservations/{}", before.id), &before.reservation),
        (format!("/payments/{}", before.payment["id"]), &before.payment),
        (format!("/receipts/{}", before.receipt["id"]), &before.receipt),
        (format!("/myReservations/{}", before.id), &before.view),
    ] {
        assert_eq!(&system.gateway().get(&path).await.expect(200).json(), item, "{path}");
    }
}
