//! `Idempotency-Key`: a client that is not sure asks again.

use std::time::Duration;

use harness::Service;
use harness::chaos::Network;
use harness::waiting::{PATIENCE, eventually, when};
use serde_json::Value;
use stories::customer::{Customer, DECLINING_CARD, ids_of_user};
use stories::http::{Answer, send};
use stories::setup::Setup;
use stories::system::{Link, Plan, System};

pub(crate) async fn with_a_key(setup: Setup) {
    let system = Plan::of(setup).through_proxy(Link::RESERVE_TO_PAY).start().await;
    let customer = Customer::new();
    let first = reserve(&system, "key-1", &customer.order()).await.expect(201);
    let again = reserve(&system, "key-1", &customer.order()).await.expect(201);
    assert_eq!(again.json(), first.json(), "the first answer again");
    assert_eq!(again.header("location"), first.header("location"));
    let other = reserve(&system, "key-1", &customer.order_with("productName", "flip")).await;
    other.problem(422);
    assert_ne!(
        reserve(&system, "key-2", &customer.order()).await.expect(201).json()["id"],
        first.json()["id"]
    );

    let declined = customer.order_with("cardNo", DECLINING_CARD);
    let refused = reserve(&system, "key-3", &declined).await.problem(402);
    let refused_again = reserve(&system, "key-3", &declined).await.problem(402);
    assert_eq!(refused_again["reservationId"], refused["reservationId"]);

    for key in ["", &"k".repeat(256)] {
        reserve(&system, key, &customer.order()).await.problem(400);
    }
    let _ = reserve(&system, &"k".repeat(255), &customer.order()).await.expect(201);

    while_the_first_is_in_flight(&system).await;

    // Answers are kept over a crash, and over the end of what they told of.
    system.kill_all().await;
    system.start_all().await;
    let id = first.json()["id"].clone();
    assert_eq!(reserve(&system, "key-1", &customer.order()).await.expect(201).json(), first.json());
    let _ = system.gateway().delete(&format!("/preReservations/{id}")).await.expect(204);
    assert_eq!(reserve(&system, "key-1", &customer.order()).await.expect(201).json()["id"], id);
    system.gateway().get(&format!("/preReservations/{id}")).await.problem(404);
    assert_eq!(ids_of_user(&system, "preReservations", customer.user_id).await.len(), 2);
}

async fn while_the_first_is_in_flight(system: &System) {
    let network = system.network(Link::RESERVE_TO_PAY);
    network.set(Network::DelaysAnswers(Duration::from_secs(2))).await;
    let customer = Customer::new();
    let request = system.gateway().request("POST", "/preReservations").header("Idempotency-Key", "key-4");
    let asked_before = network.requests();
    let first = tokio::spawn(send(request.json(&customer.order())));
    eventually(PATIENCE, "payment is asked", async || when(network.requests() > asked_before, ())).await;
    reserve(system, "key-4", &customer.order()).await.problem(409);
    let first = first.await.unwrap().expect(201);
    let after = reserve(system, "key-4", &customer.order()).await.expect(201);
    assert_eq!(after.json(), first.json());
    assert_eq!(network.requests(), asked_before + 1, "payment was asked once");
    network.set(Network::Passes).await;
}

/// A crash in the middle never leaves the key stuck.
pub(crate) async fn key_survives_a_crash(setup: Setup) {
    let system = Plan::of(setup)
        .through_proxy(Link::RESERVE_TO_PAY)
        .with(Service::Prereservation, "SAGA_TAKE_OVER_AFTER_MS", 6000)
        .with(Service::Prereservation, "SAGA_LOOK_EVERY_MS", 100)
        .start()
        .await;
    let network = system.network(Link::RESERVE_TO_PAY);
    network.set(Network::Swallows).await;
    let customer = Customer::new();
    let request = system.gateway().request("POST", "/preReservations").header("Idempotency-Key", "key");
    let first = tokio::spawn(stories::http::try_send(request.json(&customer.order())));
    eventually(PATIENCE, "payment is asked", async || when(network.requests() == 1, ())).await;
    system.kill_all().await;
    assert!(!matches!(first.await.unwrap(), Ok(answer) if answer.status == 201));
    network.set(Network::Passes).await;
    system.start_all().await;
    // In flight until it is taken over, then it has an answer for good.
    let answer = eventually(PATIENCE, "the key has an answer", async || {
        let answer = reserve(&system, "key", &customer.order()).await;
        when(answer.status != 409, answer.clone()).map_err(|answer| answer.status)
    });
    let problem = answer.await.problem(503);
    assert_eq!(problem["reason"], "abandoned", "{problem}");
    let again = reserve(&system, "key", &customer.order()).await.problem(503);
    assert_eq!(again["reservationId"], problem["reservationId"]);
}

async fn reserve(system: &System, key: &str, order: &Value) -> Answer {
    send(system.gateway().request("POST", "/preReservations").header("Idempotency-Key", key).json(order))
        .await
}
