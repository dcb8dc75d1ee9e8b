//! payment slow, broken or away: the customer hears the truth about the money, and what was charged is given back.

use std::time::Duration;

use harness::Service;
use harness::chaos::Network;
use harness::ledger::Books;
use harness::waiting::{PATIENCE, eventually, when};
use serde_json::{Value, json};
use stories::customer::{Customer, statuses, view};
use stories::setup::Setup;
use stories::system::{Link, Plan, System};

const RESERVATIONS: i64 = 6;

/// The card network takes longer than prereservation waits.
pub(crate) async fn slower_than_the_timeout(setup: Setup) {
    let system = Plan::of(setup)
        .payment_timeout_ms(500)
        .with(Service::Payment, "PROVIDER_LATENCY_MIN_MS", 1000)
        .with(Service::Payment, "PROVIDER_LATENCY_MAX_MS", 1500)
        .start()
        .await;
    let asked = (0..RESERVATIONS).map(|_| unanswered(&system, "payment_unknown", "refunded"));
    futures::future::join_all(asked).await;
    // Each charge was refunded, or barred because its refund came first, or never asked for because the cancellation did.
    nothing_stands(&system).await;
}

/// The charge happened for certain, and its answer got lost.
pub(crate) async fn answers_get_lost(setup: Setup) {
    let plan = Plan::of(setup).through_proxy(Link::RESERVE_TO_PAY);
    let system = plan.payment_timeout_ms(1500).start().await;
    let network = system.network(Link::RESERVE_TO_PAY);
    network.set(Network::CutsAnswers).await;
    unanswered(&system, "payment_unknown", "refunded").await;
    network.set(Network::DelaysAnswers(Duration::from_secs(5))).await;
    unanswered(&system, "payment_unknown", "refunded").await;
    let books = settled(&system, |books| books.refunds == 2).await;
    assert_eq!(books, Books { charges: 2, refunds: 2, ..Books::default() });
    // Nothing comes through at all: asked, and perhaps charged as far as anybody can tell.
    network.set(Network::Swallows).await;
    unanswered(&system, "payment_unknown", "refunded").await;
    nothing_stands(&system).await;
    network.set(Network::Passes).await;
    Customer::new().reserve_all(&system).await;
}

/// Nobody listens where payment should be: certainly no charge.
pub(crate) async fn cannot_be_reached(setup: Setup) {
    let system = Plan::of(setup).through_proxy(Link::RESERVE_TO_PAY).start().await;
    let network = system.network(Link::RESERVE_TO_PAY);
    network.set(Network::Refuses).await;
    unanswered(&system, "payment_not_sent", "Nothing was charged").await;
    network.set(Network::Passes).await;
    Customer::new().reserve_all(&system).await;
    let books = system.ledger().books().await;
    assert_eq!((books.charges, books.refunds), (1, 0), "{books:?}");
}

/// The process itself is gone, then frozen, then back.
pub(crate) async fn process_is_down(setup: Setup) {
    let system = Plan::of(setup).payment_timeout_ms(1500).start().await;
    Customer::new().reserve_all(&system).await;
    system.process(Service::Payment).kill().await;
    unanswered(&system, "payment_not_sent", "Nothing was charged").await;
    system.restart(Service::Payment).await;
    Customer::new().reserve_all(&system).await;
    system.process(Service::Payment).freeze();
    unanswered(&system, "payment_unknown", "refunded").await;
    system.process(Service::Payment).thaw();
    Customer::new().reserve_all(&system).await;
    let books = settled(&system, |books| books.charges - books.refunds == 3).await;
    assert_eq!(books.charges - books.refunds, 3, "{books:?}");
}

const BREAKER: &str = "/actuator/circuitbreakers/payment";

/// Opens after failures, asks payment no more, tries again by itself, closes.
pub(crate) async fn breaker_opens_and_closes(setup: Setup) {
    let system = Plan::of(setup)
        .through_proxy(Link::RESERVE_TO_PAY)
        .with(Service::Prereservation, "CIRCUIT_BREAKER_SLIDING_WINDOW_SIZE", 4)
        .with(Service::Prereservation, "CIRCUIT_BREAKER_MINIMUM_NUMBER_OF_CALLS", 4)
        .with(Service::Prereservation, "CIRCUIT_BREAKER_WAIT_DURATION_IN_OPEN_STATE_MS", 1500)
        .with(Service::Prereservation, "CIRCUIT_BREAKER_PERMITTED_NUMBER_OF_CALLS_IN_HALF_OPEN_STATE", 2)
        .start()
        .await;
    let network = system.network(Link::RESERVE_TO_PAY);
    network.set(Network::CutsAnswers).await;
    for _ in 0..4 {
        assert_eq!(breaker(&system).await["state"], "CLOSED");
        unanswered(&system, "payment_unknown", "refunded").await;
    }
    assert_eq!(breaker(&system).await["state"], "OPEN");
    let asked_before = network.requests();
    let problem = unanswered(&system, "payment_not_sent", "Nothing was charged").await;
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("circuit breaker")), "{problem}");
    assert_eq!(network.requests(), asked_before, "while it is open, payment is not asked");
    assert_eq!(breaker(&system).await["notPermittedCalls"], 1);
    let metrics = system.service(Service::Prereservation).get("/actuator/prometheus").await.text();
    assert!(is_counted(&metrics, "resilience4j_circuitbreaker_state", "open", 1.0), "{metrics}");

    // payment is well again; the breaker finds out without being told.
    network.set(Network::Passes).await;
    eventually(PATIENCE, "a trial call succeeds", async || {
        let answer = system.gateway().post("/preReservations", &Customer::new().order()).await;
        when(answer.status == 201, answer.status)
    })
    .await;
    Customer::new().reserve_all(&system).await;
    let snapshot = breaker(&system).await;
    assert_eq!(snapshot["state"], "CLOSED", "{snapshot}");
    // The four that were charged and lost are given back.
    settled(&system, |books| books.refunds == 4).await;
}

/// What an operator can do to it.
pub(crate) async fn breaker_is_forced(setup: Setup) {
    let system = Plan::of(setup).through_proxy(Link::RESERVE_TO_PAY).start().await;
    let network = system.network(Link::RESERVE_TO_PAY);
    let prereservation = system.service(Service::Prereservation);
    let force = async |state: &str| prereservation.post(BREAKER, &json!({"updateState": state})).await;

    let forced = force("FORCE_OPEN").await.expect(200).json();
    assert_eq!(forced["currentState"], "FORCED_OPEN", "{forced}");
    unanswered(&system, "payment_not_sent", "Nothing was charged").await;
    assert_eq!(network.requests(), 0);

    assert_eq!(force("DISABLE").await.expect(200).json()["currentState"], "DISABLED");
    network.set(Network::Refuses).await;
    for _ in 0..25 {
        unanswered(&system, "payment_not_sent", "Nothing was charged").await;
    }
    assert_eq!(breaker(&system).await["state"], "DISABLED", "it counts nothing");
    network.set(Network::Passes).await;

    assert_eq!(force("CLOSE").await.expect(200).json()["currentState"], "CLOSED");
    Customer::new().reserve_all(&system).await;
    force("OPEN_SESAME").await.problem(400);
    prereservation
        .post("/actuator/circuitbreakers/nobody", &json!({"updateState": "CLOSE"}))
        .await
        .problem(404);
}

/// A reservation that ends with 503; its problem, after a look at everything that it has to say.
async fn unanswered(system: &System, reason: &str, about_the_money: &str) -> Value {
    let answer = system.gateway().post("/preReservations", &Customer::new().order()).await;
    let problem = answer.problem(503);
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(about_the_money), "{about_the_money:?} is not in {problem}");
    assert_eq!(problem["reason"], reason, "{problem}");
    let id = problem["reservationId"].as_i64().unwrap();
    let view = view(system, id, |view| statuses(view)[0] == "reservation_cancelled").await;
    assert_eq!(view["cancelReason"], reason, "{view}");
    system.gateway().get(&format!("/preReservations/{id}")).await.problem(404);
    problem
}

async fn breaker(system: &System) -> Value {
    let all =
        system.service(Service::Prereservation).get("/actuator/circuitbreakers").await.expect(200).json();
    all["circuitBreakers"]["payment"].clone()
}

async fn settled(system: &System, is_settled: impl Fn(&Books) -> bool) -> Books {
    eventually(PATIENCE, "the card network's books are settled", async || {
        let books = system.ledger().books().await;
        when(is_settled(&books) && books.charges >= books.refunds, books)
    })
    .await
}

/// No reservation, no payment, no receipt; every charge refunded.
async fn nothing_stands(system: &System) {
    eventually(PATIENCE, "no money stands", async || {
        let books = system.ledger().books().await;
        when(books.charges == books.refunds, books)
    })
    .await;
    for collection in ["preReservations", "payments", "receipts"] {
        eventually(PATIENCE, &format!("no {collection}"), async || {
            let page =
                system.gateway().get(&format!("/{collection}")).await.expect(200).json()["page"].clone();
            when(page["totalElements"] == 0, page)
        })
        .await;
    }
}

/// Whether a metric of the breaker has this value for this label.
fn is_counted(metrics: &str, metric: &str, label: &str, value: f64) -> bool {
    metrics.lines().filter(|line| line.starts_with(metric)).any(|line| {
        line.contains(&format!("state=\"{label}\""))
            && line.rsplit(' ').next().and_then(|text| text.parse::<f64>().ok()) == Some(value)
    })
}
