//! How much and how long: every limit has its status, and a client that breaks one is let go.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    net::SocketAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use gateway::settings::RouteSettings;
use support::{Client, Gateway, PATIENCE, Reply, Service, eventually, get, route, settings};
use tokio::{net::TcpStream, sync::mpsc};

#[tokio::test]
async fn bodies_that_are_too_large() {
    let service = Service::saying("").await;
    let gateway = Gateway::start(settings(&[RouteSettings {
        body_limit_bytes: Some(10),
        ..route("x", "/x/**", service.addr)
    }]))
    .await;
    let body = "a".repeat(100_000);
    let mut client = Client::connect(gateway.addr).await;
    let answer = client
        .ask(&format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
        .await;
    answer.is_problem(413);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(client.is_closed().await);

    // Chunks say their size only as they come.
    let mut client = Client::connect(gateway.addr).await;
    let chunk = "5\r\naaaaa\r\n";
    let answer = client
        .ask(&format!(
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}0\r\n\r\n"
        ))
        .await;
    answer.is_problem(413);
    assert!(client.is_closed().await);
    assert!(service.seen().is_empty());

    let mut client = Client::connect(gateway.addr).await;
    let answer = client
        .ask(&format!(
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n"
        ))
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn heads_that_are_too_large() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::before(&service).await;
    let long = "a".repeat(20_000);
    for (request, status) in [
        (format!("GET /x/{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET /x HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), 431),
        (format!("GET /x HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(101)), 431),
    ] {
        for before in ["", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let mut client = Client::connect(gateway.addr).await;
            client.send(before).await;
            if !before.is_empty() {
                assert_eq!(client.answer().await.body, "ok");
            }
            client.ask(&request).await.is_problem(status);
            assert!(client.is_closed().await);
        }
    }
    // Large is not too large.
    let large = "a".repeat(15_000);
    let mut client = Client::connect(gateway.addr).await;
    let answer = client.ask(&format!("GET /x HTTP/1.1\r\nHost: a\r\nX: {large}\r\n\r\n")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(service.last().header("x"), Some(large.as_str()));
}

#[tokio::test]
async fn heads_in_drops_arrive() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::before(&service).await;
    let mut client = Client::connect(gateway.addr).await;
    for _ in 0..2 {
        for byte in b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok" {
            client.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(client.answer().await.body, "ok");
        assert_eq!(service.last().body, b"ok");
    }
}

#[tokio::test]
async fn slow_clients() {
    let service = Service::saying("ok").await;
    let mut hasty = settings(&[route("x", "/x/**", service.addr)]);
    hasty.server.header_timeout_ms = 100;
    hasty.server.body_timeout_ms = 100;
    let gateway = Gateway::start(hasty).await;
    for before in ["", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"] {
        for half in [
            "GET /x HTTP/1.1\r\nHo",
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab",
            "POST /actuator/loggers/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
        ] {
            let mut client = Client::connect(gateway.addr).await;
            client.send(before).await;
            if !before.is_empty() {
                client.answer().await;
            }
            let answer = client.ask(half).await;
            answer.is_problem(408);
            assert_eq!(answer.header("connection"), Some("close"));
            assert!(client.is_closed().await);
        }
    }
    assert!(service.seen().iter().all(|request| request.head.starts_with("GET")));
}

#[tokio::test]
async fn silent_clients_are_let_go() {
    let service = Service::saying("ok").await;
    let mut hasty = settings(&[route("x", "/x/**", service.addr)]);
    hasty.server.keep_alive_ms = 100;
    let gateway = Gateway::start(hasty).await;
    let mut client = Client::connect(gateway.addr).await;
    assert!(client.is_closed().await);
    let mut client = Client::connect(gateway.addr).await;
    assert_eq!(client.ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.body, "ok");
    assert!(client.is_closed().await);
}

/// After a second of silence a connection has no hyper any more, and gets another one with the next request.
#[tokio::test]
async fn connections_outlive_their_buffers() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::before(&service).await;
    let mut client = Client::connect(gateway.addr).await;
    for _ in 0..2 {
        assert_eq!(client.ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.body, "ok");
        tokio::time::sleep(Duration::from_millis(1200)).await;
    }
    assert_eq!(client.ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.body, "ok");
}

#[tokio::test]
async fn services_that_do_not_answer() {
    let service = Service::start(|_| Reply::Silence).await;
    let gateway = Gateway::start(settings(&[RouteSettings {
        response_timeout_ms: Some(100),
        ..route("silent", "/x/**", service.addr)
    }]))
    .await;
    let mut client = Client::connect(gateway.addr).await;
    for request in
        ["GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok"]
    {
        let began = Instant::now();
        client.ask(request).await.is_problem(504);
        assert!(began.elapsed() >= Duration::from_millis(100));
    }
    // Their connections are given up with them.
    eventually("the calls end", async || service.ended() == 2).await;
    let metrics = get(gateway.addr, "/actuator/prometheus").await.body;
    assert!(metrics.contains(r#"status="IO_ERROR",outcome="UNKNOWN",client_name="silent"} 1"#), "{metrics}");
}

#[tokio::test]
async fn services_that_cannot_be_reached() {
    let nobody = Service::saying("").await.kill().await;
    let gateway = Gateway::start(settings(&[route("x", "/x/**", nobody)])).await;
    get(gateway.addr, "/x").await.is_problem(502);

    let full = full_listener().await;
    let gateway = Gateway::start(settings(&[RouteSettings {
        connect_timeout_ms: Some(100),
        ..route("x", "/x/**", full.addr)
    }]))
    .await;
    get(gateway.addr, "/x").await.is_problem(504);

    let mut unknown = settings(&[route("x", "/x/**", nobody)]);
    unknown.routes[0].uri = Some("http://nobody.invalid:80".to_owned());
    let gateway = Gateway::start(unknown).await;
    get(gateway.addr, "/x").await.is_problem(502);
}

#[tokio::test]
async fn services_that_talk_nonsense() {
    for nonsense in [
        "nonsense\r\n\r\n",
        "HTTP/1.1 999999 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ] {
        let service = Service::start(|_| Reply::text(nonsense)).await;
        let gateway = Gateway::before(&service).await;
        get(gateway.addr, "/x").await.is_problem(502);
    }
}

#[tokio::test]
async fn answers_that_stall_or_break_off_are_cut_off() {
    for stall in [true, false] {
        let (send, pieces) = mpsc::channel(4);
        let pieces = std::sync::Mutex::new(Some(pieces));
        let service = Service::start(move |_| Reply::Pieces(pieces.lock().unwrap().take().unwrap())).await;
        let mut hasty = settings(&[route("x", "/x/**", service.addr)]);
        hasty.server.stall_timeout_ms = 100;
        let gateway = Gateway::start(hasty).await;
        let mut client = Client::connect(gateway.addr).await;
        client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        send.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()).await.unwrap();
        let kept = stall.then_some(send);
        // The head, and never the whole body: a client must not take half for all.
        assert!(client.try_answer().await.is_none());
        drop(kept);
    }
}

#[tokio::test]
async fn clients_that_do_not_read_are_cut_off() {
    let service = Service::start(|_| {
        let body = "a".repeat(20_000_000);
        Reply::ok(&body)
    })
    .await;
    let mut hasty = settings(&[route("x", "/x/**", service.addr)]);
    hasty.server.stall_timeout_ms = 200;
    let gateway = Gateway::start(hasty).await;
    let mut client = Client::connect(gateway.addr).await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the call ends", async || service.ended() == 1).await;
    assert!(client.try_answer().await.is_none());
}

/// The same answer, and a client that reads none of it: the limit on stalling counts, though hyper is done.
#[tokio::test]
async fn who_reads_nothing_of_a_finished_answer_is_cut_off() {
    let service = Service::start(|_| Reply::ok(&"a".repeat(350_000))).await;
    let mut hasty = settings(&[route("x", "/x/**", service.addr)]);
    hasty.server.stall_timeout_ms = 200;
    let gateway = Gateway::start(hasty).await;
    let mut client = Client::with_receive_buffer(gateway.addr, 8_192).await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(client.try_answer().await.is_none());
}

struct FullListener {
    addr: std::net::SocketAddr,
    _listener: tokio::net::TcpListener,
    _waiting: Vec<TcpStream>,
}

/// Listens, and has no room for another connection.
async fn full_listener() -> FullListener {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    let began = Instant::now();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(addr)).await
    {
        waiting.push(stream);
        assert!(began.elapsed() < PATIENCE);
    }
    FullListener { addr, _listener: listener, _waiting: waiting }
}

const NOW: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nnow";

/// With one connection, and a request on it that is answered when the sender speaks.
async fn occupied(
    routes: impl Fn(SocketAddr) -> Vec<RouteSettings>,
) -> (Gateway, SocketAddr, Client, mpsc::Sender<Vec<u8>>) {
    let (speak, pieces) = mpsc::channel(1);
    let pieces = Mutex::new(Some(pieces));
    let service = Service::start(move |_| match pieces.lock().unwrap().take() {
        Some(pieces) => Reply::Pieces(pieces),
        None => Reply::ok("later"),
    })
    .await;
    let mut settings = settings(&routes(service.addr));
    settings.upstream.max_connections = 1;
    settings.upstream.max_waiting = 1;
    let gateway = Gateway::start(settings).await;
    let mut first = Client::connect(gateway.addr).await;
    first.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the service is asked", async || service.seen().len() == 1).await;
    (gateway, service.addr, first, speak)
}

#[tokio::test]
async fn what_is_too_much_for_a_service_waits_for_its_turn() {
    let (gateway, service, mut first, speak) = occupied(|addr| vec![route("x", "/x/**", addr)]).await;
    let (mut one, mut other) = (Client::connect(gateway.addr).await, Client::connect(gateway.addr).await);
    for client in [&mut one, &mut other] {
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok").await;
    }
    // One of them waits; for the other there is no room.
    let (refused, mut waits) = tokio::select! {
        answer = one.answer() => (answer, other),
        answer = other.answer() => (answer, one),
    };
    refused.is_problem(503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(pending(gateway.addr, service).await, "1");

    speak.send(NOW.into()).await.unwrap();
    assert_eq!(first.answer().await.body, "now");
    assert_eq!(waits.answer().await.body, "later");
    assert_eq!(pending(gateway.addr, service).await, "0");
}

/// What operators see of those who wait.
async fn pending(gateway: SocketAddr, service: SocketAddr) -> String {
    let metrics = get(gateway, "/actuator/prometheus").await.body;
    let series = format!(
        "reactor_netty_connection_provider_pending_connections{{application=\"gateway\",remote_address=\"{service}\"}}"
    );
    let shown = metrics.lines().find_map(|line| line.strip_prefix(&series)).map(str::trim);
    shown.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn nobody_waits_for_a_turn_longer_than_for_an_answer() {
    let hurried =
        |addr| RouteSettings { response_timeout_ms: Some(100), ..route("hurried", "/hurried/**", addr) };
    let (gateway, _, mut first, speak) =
        occupied(|addr| vec![route("x", "/x/**", addr), hurried(addr)]).await;
    let began = Instant::now();
    let refused = get(gateway.addr, "/hurried").await;
    refused.is_problem(503);
    assert!(refused.header("retry-after").is_some() && began.elapsed() >= Duration::from_millis(100));

    speak.send(NOW.into()).await.unwrap();
    assert_eq!(first.answer().await.body, "now");
    assert_eq!(get(gateway.addr, "/hurried").await.body, "later");
}
