//! What telemetry costs a request when nothing is exported and nothing is logged: no allocation.
#![allow(clippy::unwrap_used)]

use telemetry::{Kind, LogSettings, Operation, Scope, TraceContext, TracingSettings};

const REQUESTS: u64 = 100;

async fn request(traceparent: &str) {
    let operation = Operation::start(Kind::Server, "request", TraceContext::parse(traceparent));
    let work = async {
        tracing::debug!(user = %"1", "not logged");
        let call = Operation::child(Kind::Client, "POST /payments");
        call.set("http.response.status_code", 201);
        let header = call.context().to_traceparent();
        call.run(tokio::task::yield_now()).await;
        header
    };
    let header = operation.run(work).await;
    assert_eq!(header[3..35], traceparent.as_bytes()[3..35]);
    operation.set("http.response.status_code", 201);
}

#[test]
fn a_request_allocates_nothing() {
    let guard = telemetry::init("payment", &LogSettings::default(), &TracingSettings::default());
    let _guard = guard.unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let requests = |count: u64| {
        runtime.block_on(async {
            for _ in 0..count {
                let scope = Scope::current().with_application("payment");
                scope.run(request("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")).await;
            }
        });
    };
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1, "allocations are counted at all");
    // The first one fills what is filled once per process and thread.
    requests(1);
    let allocated = allocation_counter::measure(|| requests(REQUESTS)).count_total;
    assert!(allocated < REQUESTS, "{allocated} allocations in {REQUESTS} requests");
}
