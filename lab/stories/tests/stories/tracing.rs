//! What a collector of traces sees of a reservation.

use std::collections::BTreeSet;

use harness::waiting::{PATIENCE, eventually, when};
use stories::collector::{Collected, Collector};
use stories::customer::{Customer, Reservation, statuses, view};
use stories::http::send;
use stories::setup::Setup;
use stories::system::Plan;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const RESERVING: &str = "b7ad6b7169203331";
const CANCELLING: &str = "b7ad6b7169203332";

/// SERVER, CLIENT, CONSUMER, INTERNAL of OTLP.
const WANTED: [(&str, i32, &str); 11] = [
    ("gateway", 2, "POST"),
    ("prereservation", 2, "POST /preReservations"),
    ("prereservation", 3, "POST /payments"),
    ("payment", 2, "POST /payments"),
    ("receipt", 5, "process"),
    ("myreservation", 5, "process"),
    ("gateway", 2, "DELETE"),
    ("prereservation", 2, "DELETE /preReservations/{id}"),
    ("payment", 5, "process"),
    ("payment", 1, "refund"),
    ("myreservation", 5, "process"),
];

/// Reserved, paid, receipt issued, and all of it taken back: one trace, in which every span has its cause.
pub(crate) async fn one_reservation_is_one_trace(setup: Setup) {
    let collector = Collector::start().await;
    let system = Plan::of(setup).spans_to(collector.address()).start().await;
    let gateway = system.gateway();
    let ask = |method: &str, path: &str, span: &str| {
        gateway.request(method, path).header("traceparent", format!("00-{TRACE}-{span}-01"))
    };
    let order = Customer::new().order();
    let answer = send(ask("POST", "/preReservations", RESERVING).json(&order)).await.expect(201);
    let all = Reservation::of(&answer).complete(&system).await;
    let path = format!("/preReservations/{}", all.id);
    let _ = send(ask("DELETE", &path, CANCELLING)).await.expect(204);
    let cancelled = ["reservation_cancelled", "payment_cancelled", "receipt_cancelled"];
    view(&system, all.id, |view| statuses(view) == cancelled).await;

    eventually(PATIENCE, "the spans of everybody", async || {
        let spans = collector.spans_of(TRACE);
        let missing: Vec<_> = WANTED.iter().filter(|wanted| !spans.iter().any(|it| is(it, wanted))).collect();
        let orphans = orphans(&spans);
        // Six facts, and each is in the view.
        let told = spans.iter().filter(|it| is(it, &("myreservation", 5, ""))).count();
        let seen =
            format!("missing {missing:?}, without their cause {orphans:?}, {told} of 6 facts in the view");
        when(missing.is_empty() && orphans.is_empty() && told >= 6, ()).map_err(|()| seen)
    })
    .await;
}

fn is(collected: &Collected, (application, kind, name): &(&str, i32, &str)) -> bool {
    collected.application == *application
        && collected.span.kind == *kind
        && collected.span.name.starts_with(name)
}

/// Names of spans whose cause is neither the customer nor in the trace.
fn orphans(spans: &[Collected]) -> Vec<String> {
    let known: BTreeSet<String> =
        spans.iter().map(Collected::id).chain([RESERVING.to_owned(), CANCELLING.to_owned()]).collect();
    let orphans = spans.iter().filter(|it| !known.contains(&it.parent()));
    orphans.map(|it| format!("{} {}", it.application, it.span.name)).collect()
}
