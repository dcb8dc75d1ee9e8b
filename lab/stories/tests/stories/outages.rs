//! One service is away for a while: the others go on, and it catches up from where it was.

use harness::Service;
use harness::chaos::Network;
use harness::waiting::{PATIENCE, eventually, when};
use stories::customer::{Customer, Reservation, ids_of_user, statuses, view};
use stories::setup::Setup;
use stories::system::{Link, Plan, System};

const MEANWHILE: usize = 5;

/// Killed: reserving and paying go on, receipts follow, none twice.
pub(crate) async fn receipt_is_down(setup: Setup) {
    let system = System::start(setup).await;
    let before = Customer::new().reserve_all(&system).await;
    system.process(Service::Receipt).kill().await;
    let customer = Customer::new();
    let mut meanwhile = Vec::new();
    for _ in 0..MEANWHILE {
        meanwhile.push(customer.reserve(&system).await);
    }
    for reservation in &meanwhile {
        view(&system, reservation.id, |view| statuses(view) == ["reservated", "paid", ""]).await;
    }
    system.gateway().get("/receipts").await.problem(502);
    system.restart(Service::Receipt).await;
    for reservation in meanwhile {
        reservation.complete(&system).await;
    }
    assert_eq!(ids_of_user(&system, "receipts", customer.user_id).await.len(), MEANWHILE);
    let again = system.gateway().get(&format!("/receipts/{}", before.receipt["id"])).await.expect(200);
    assert_eq!(again.json()["id"], before.receipt["id"], "what was there is there");
}

/// Stopped in order: nobody else notices, and the view is complete again soon after.
pub(crate) async fn myreservation_is_down(setup: Setup) {
    let system = System::start(setup).await;
    let cancelled = Customer::new().reserve_all(&system).await;
    assert!(system.process(Service::Myreservation).stop().await.success());
    let customer = Customer::new();
    let mut meanwhile = Vec::new();
    for _ in 0..MEANWHILE {
        meanwhile.push(customer.reserve(&system).await);
    }
    let _ = system.gateway().delete(&format!("/preReservations/{}", cancelled.id)).await.expect(204);
    eventually(PATIENCE, "receipts follow without the view", async || {
        let found = ids_of_user(&system, "receipts", customer.user_id).await;
        when(found.len() == MEANWHILE, found)
    })
    .await;
    system.gateway().get("/myReservations").await.problem(502);
    system.restart(Service::Myreservation).await;
    for reservation in meanwhile {
        reservation.complete(&system).await;
    }
    let all = ["reservation_cancelled", "payment_cancelled", "receipt_cancelled"];
    view(&system, cancelled.id, |view| statuses(view) == all).await;
}

/// The gateway's answers where a service refuses, is silent, or breaks off.
pub(crate) async fn gateway_without_a_service(setup: Setup) {
    let link = Link::gateway_to(Service::Receipt);
    let system = Plan::of(setup)
        .through_proxy(link)
        .with(Service::Gateway, "SERVER_REQUEST_TIMEOUT_MS", 3000)
        .start()
        .await;
    let customer = Customer::new();
    let _ = system.gateway().get("/receipts").await.expect(200);
    for (network, status) in [
        (Network::Refuses, 502),
        (Network::Swallows, 504),
        (Network::CutsAnswers, 502),
        (Network::Passes, 200),
    ] {
        system.network(link).set(network).await;
        let answer = eventually(PATIENCE, "the gateway's answer", async || {
            let answer = system.gateway().get("/receipts").await;
            // An address that refused is passed over for a moment.
            when(answer.status == status, answer.clone()).map_err(|answer| answer.text())
        })
        .await;
        if status != 200 {
            answer.problem(status);
        }
        // The neighbours are not touched by it.
        let _ = system.gateway().get("/payments").await.expect(200);
        let reserved = system.gateway().post("/preReservations", &customer.order()).await.expect(201);
        assert!(Reservation::of(&reserved).id > 0);
    }
}
