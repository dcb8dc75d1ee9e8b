//! Several addresses, services that come and go: a request is repeated where that is safe, and only there.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use gateway::settings::RouteSettings;
use support::{Answer, Client, Gateway, Reply, Service, eventually, get, settings};

fn several(services: &[std::net::SocketAddr]) -> gateway::Settings {
    settings(&[RouteSettings {
        id: "x".to_owned(),
        uris: services.iter().map(|addr| format!("http://{addr}")).collect(),
        path: "/x/**".to_owned(),
        ..RouteSettings::default()
    }])
}

async fn post(addr: std::net::SocketAddr) -> Answer {
    Client::connect(addr).await.ask("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok").await
}

#[tokio::test]
async fn addresses_take_turns() {
    let (one, two) = (Service::saying("one").await, Service::saying("two").await);
    let gateway = Gateway::start(several(&[one.addr, two.addr])).await;
    for _ in 0..10 {
        get(gateway.addr, "/x").await;
    }
    assert_eq!((one.seen().len(), two.seen().len()), (5, 5));
    assert_eq!(one.last().header("host"), Some(one.addr.to_string().as_str()));
    assert_eq!(two.last().header("host"), Some(two.addr.to_string().as_str()));
}

#[tokio::test]
async fn who_is_busy_is_asked_last() {
    let (busy, free) = (Service::start(|_| Reply::Silence).await, Service::saying("free").await);
    let mut settings = several(&[busy.addr, free.addr]);
    settings.upstream.max_connections = 1;
    let gateway = Gateway::start(settings).await;
    let mut waits = Client::connect(gateway.addr).await;
    waits.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("one of them is busy", async || busy.seen().len() == 1).await;
    for _ in 0..4 {
        assert_eq!(get(gateway.addr, "/x").await.body, "free");
    }
}

#[tokio::test]
async fn addresses_may_be_listed_under_a_name() {
    let (one, two) = (Service::saying("one").await, Service::saying("two").await);
    let mut named = settings(&[RouteSettings {
        id: "x".to_owned(),
        uri: Some("payment".to_owned()),
        path: "/x".to_owned(),
        ..RouteSettings::default()
    }]);
    named.url.insert("payment".to_owned(), format!("http://{}, http://{}", one.addr, two.addr));
    let gateway = Gateway::start(named).await;
    let mut bodies = [get(gateway.addr, "/x").await.body, get(gateway.addr, "/x").await.body];
    bodies.sort();
    assert_eq!(bodies, ["one", "two"]);
}

/// A refused connection carried nothing: any method goes on to the next address.
#[tokio::test]
async fn who_refuses_is_passed_over_whatever_the_method() {
    let nobody = Service::saying("").await.kill().await;
    let service = Service::saying("ok").await;
    let mut settings = several(&[nobody, service.addr]);
    settings.upstream.retry_after_ms = 100;
    settings.upstream.retry_after_max_ms = 100;
    let gateway = Gateway::start(settings).await;
    for _ in 0..10 {
        assert_eq!(post(gateway.addr).await.body, "ok");
        assert_eq!(get(gateway.addr, "/x").await.body, "ok");
    }
    assert_eq!(service.seen().len(), 20);
    assert_eq!(service.seen().iter().filter(|request| request.body == b"ok").count(), 10);

    // It comes back, and gets its share.
    let back = Service::start_at(nobody, |_| Reply::ok("back")).await;
    eventually("it is asked again", async || get(gateway.addr, "/x").await.body == "back").await;
    drop(back);
}

/// A service that stops says so on what it still answers: whoever comes to it afterwards may find it gone with their request.
#[tokio::test]
async fn who_says_that_it_stops_is_asked_last() {
    let leaving = Arc::new(AtomicBool::new(true));
    let stops = leaving.clone();
    let one = Service::start(move |_| {
        let connection = if stops.load(Ordering::SeqCst) { "keep-alive, Close" } else { "keep-alive" };
        Reply::text(&format!("HTTP/1.1 200 OK\r\nConnection: {connection}\r\nContent-Length: 3\r\n\r\none"))
    })
    .await;
    let two = Service::saying("two").await;
    let gateway = Gateway::start(several(&[one.addr, two.addr])).await;
    let mut bodies = Vec::new();
    for _ in 0..10 {
        bodies.push(post(gateway.addr).await.body);
    }
    assert_eq!(one.seen().len(), 1, "{bodies:?}");

    // Nobody else is there: better asked than nobody.
    let nobody = two.kill().await;
    assert_eq!(post(gateway.addr).await.body, "one");

    // It stays after all.
    leaving.store(false, Ordering::SeqCst);
    let _two = Service::start_at(nobody, |_| Reply::ok("two")).await;
    eventually("both are asked in turn again", async || {
        let mut turn = [get(gateway.addr, "/x").await.body, get(gateway.addr, "/x").await.body];
        turn.sort();
        turn == ["one", "two"]
    })
    .await;
}

/// The service closed a kept connection while it was idle: nothing was sent on it.
#[tokio::test]
async fn kept_connections_that_were_closed_harm_nobody() {
    let service = Service::start(|_| {
        let (send, pieces) = tokio::sync::mpsc::channel(1);
        // Closes afterwards, without having said so.
        send.try_send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()).unwrap();
        Reply::Pieces(pieces)
    })
    .await;
    let gateway = Gateway::start(several(&[service.addr])).await;
    for round in 1..=50 {
        assert_eq!(post(gateway.addr).await.status, 200);
        eventually("the connection is closed", async || service.ended() == round).await;
    }
    assert_eq!(service.seen().len(), 50);
}

/// The service is replaced under load: every request that it did not get is answered by its successor.
#[tokio::test]
async fn a_restart_fails_no_request_that_was_not_sent() {
    let mut service = Service::saying("ok").await;
    let gateway = Gateway::start(several(&[service.addr])).await;
    for _ in 0..20 {
        for _ in 0..5 {
            assert_eq!(post(gateway.addr).await.body, "ok");
        }
        let addr = service.kill().await;
        service = Service::start_at(addr, |_| Reply::ok("ok")).await;
    }
    assert_eq!(post(gateway.addr).await.body, "ok");
}

#[tokio::test]
async fn what_was_perhaps_sent_is_repeated_if_that_is_safe() {
    let broken = Service::start(|_| Reply::HangUp).await;
    let service = Service::saying("ok").await;
    let gateway = Gateway::start(several(&[broken.addr, service.addr])).await;
    for _ in 0..10 {
        assert_eq!(get(gateway.addr, "/x").await.body, "ok");
    }
    assert_eq!((broken.seen().len(), service.seen().len()), (5, 10));
}

#[tokio::test]
async fn what_was_perhaps_sent_is_not_repeated_otherwise() {
    for request in [
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok",
        "POST /x HTTP/1.1\r\nHost: a\r\n\r\n",
        "DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok",
        "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok",
    ] {
        let (one, two) = (Service::start(|_| Reply::HangUp).await, Service::start(|_| Reply::HangUp).await);
        let gateway = Gateway::start(several(&[one.addr, two.addr])).await;
        Client::connect(gateway.addr).await.ask(request).await.is_problem(502);
        assert_eq!(one.seen().len() + two.seen().len(), 1, "{request:?}");
    }
}

/// The first answer keeps the connection; the second request on it is cut off after it was sent.
#[tokio::test]
async fn a_kept_connection_that_breaks_is_replaced_for_safe_requests_only() {
    for (request, status, times) in
        [("GET /x/2 HTTP/1.1\r\nHost: a\r\n\r\n", 200, 2), ("POST /x/2 HTTP/1.1\r\nHost: a\r\n\r\n", 502, 1)]
    {
        let asked = AtomicUsize::new(0);
        let service = Service::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
            1 => Reply::HangUp,
            _ => Reply::ok("ok"),
        })
        .await;
        let gateway = Gateway::start(several(&[service.addr])).await;
        assert_eq!(get(gateway.addr, "/x/1").await.status, 200);
        let answer = Client::connect(gateway.addr).await.ask(request).await;
        assert_eq!(answer.status, status);
        let tries = service.seen().iter().filter(|seen| seen.request_line().contains("/x/2")).count();
        assert_eq!(tries, times);
    }
}

#[tokio::test]
async fn nobody_is_there() {
    let (one, two) = (Service::saying("").await.kill().await, Service::saying("").await.kill().await);
    let gateway = Gateway::start(several(&[one, two])).await;
    for _ in 0..3 {
        post(gateway.addr).await.is_problem(502);
    }
}
