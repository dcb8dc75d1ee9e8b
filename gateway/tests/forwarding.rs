//! What becomes of a request and its answer on their way through.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Mutex;

use support::{Client, Gateway, Reply, Service, eventually, get, route, settings};
use tokio::sync::mpsc;

#[tokio::test]
async fn hop_by_hop_fields_stay_behind_both_ways() {
    let service = Service::start(|_| {
        Reply::text(
            "HTTP/1.1 200 OK\r\nConnection: X-Secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\n\
             Upgrade: h2c\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\nX-Kept: 1\r\nSet-Cookie: a=1\r\n\
             Set-Cookie: b=2\r\n\r\nok",
        )
    })
    .await;
    let gateway = Gateway::before(&service).await;
    let mut client = Client::connect(gateway.addr).await;
    let answer = client
        .ask(
            "GET /x HTTP/1.1\r\nHost: shop:80\r\nConnection: keep-alive, X-Mine, Host\r\nX-Mine: 1\r\n\
             Keep-Alive: timeout=5\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: websocket\r\nProxy-Connection: close\r\n\
             Proxy-Authorization: Basic x\r\nExpect: 100-continue\r\nAccept: a\r\nAccept: b\r\n\r\n",
        )
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    for name in ["connection", "x-secret", "keep-alive", "upgrade", "proxy-authenticate"] {
        assert_eq!(answer.header(name), None, "{name} in {answer:?}");
    }
    assert_eq!(answer.header("x-kept"), Some("1"));
    assert_eq!(answer.headers("set-cookie"), ["a=1", "b=2"]);
    assert!(answer.header("date").is_some());
    let seen = service.last();
    for name in [
        "connection",
        "x-mine",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "proxy-connection",
        "proxy-authorization",
        "expect",
        "transfer-encoding",
        "content-length",
    ] {
        assert_eq!(seen.header(name), None, "{name} in {}", seen.head);
    }
    assert_eq!(seen.headers("accept"), ["a", "b"]);
    assert_eq!(seen.header("host"), Some(service.addr.to_string().as_str()));
}

#[tokio::test]
async fn nobody_outside_passes_for_a_service() {
    let service = Service::saying("").await;
    let mut trusting = settings(&[route("x", "/x/**", service.addr)]);
    trusting.forwarded.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    for gateway in [Gateway::before(&service).await, Gateway::start(trusting).await] {
        let mut client = Client::connect(gateway.addr).await;
        client
            .ask("GET /x HTTP/1.1\r\nHost: a\r\nX-Internal-Token: one\r\nX-INTERNAL-TOKEN: two\r\n\r\n")
            .await;
        assert_eq!(service.last().header("x-internal-token"), None);
    }
}

#[tokio::test]
async fn claims_about_the_client_are_replaced_unless_the_peer_is_trusted() {
    let service = Service::saying("").await;
    let request = "GET /x HTTP/1.1\r\nHost: shop:8088\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\
                   X-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\
                   X-Forwarded-Prefix: /evil\r\n\r\n";
    let gateway = Gateway::before(&service).await;
    Client::connect(gateway.addr).await.ask(request).await;
    let seen = service.last();
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-forwarded-host"), Some("shop:8088"));
    assert_eq!(seen.header("x-forwarded-port"), Some("8088"));
    assert_eq!(seen.header("forwarded"), Some("for=127.0.0.1;host=\"shop:8088\";proto=http"));
    assert_eq!(seen.header("x-real-ip"), None);
    assert_eq!(seen.header("x-forwarded-prefix"), None);

    let mut trusting = settings(&[route("x", "/x/**", service.addr)]);
    trusting.forwarded.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let gateway = Gateway::start(trusting).await;
    Client::connect(gateway.addr).await.ask(request).await;
    let seen = service.last();
    assert_eq!(seen.header("x-forwarded-for"), Some("6.6.6.6, 127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-host"), Some("evil"));
    assert_eq!(seen.header("x-forwarded-prefix"), Some("/evil"));
}

#[tokio::test]
async fn requests_are_named_and_traced() {
    let service = Service::saying("").await;
    let gateway = Gateway::before(&service).await;
    let answer = get(gateway.addr, "/x").await;
    let seen = service.last();
    let (id, trace) = (seen.header("x-request-id").unwrap(), seen.header("traceparent").unwrap());
    assert_eq!((trace.len(), &trace[3..35]), (55, id));
    assert_eq!(answer.header("x-request-id"), Some(id));

    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut client = Client::connect(gateway.addr).await;
    let answer = client
        .ask(&format!(
            "GET /x HTTP/1.1\r\nHost: a\r\nX-Request-Id: order-7\r\ntraceparent: {trace}\r\ntracestate: a=b\r\n\r\n"
        ))
        .await;
    assert_eq!(answer.header("x-request-id"), Some("order-7"));
    let seen = service.last();
    assert_eq!(seen.header("x-request-id"), Some("order-7"));
    assert_eq!(seen.header("traceparent"), Some(trace));
    assert_eq!(seen.header("tracestate"), Some("a=b"));

    client
        .ask("GET /x HTTP/1.1\r\nHost: a\r\nX-Request-Id: a b<script>\r\ntraceparent: no\r\ntracestate: a=b\r\n\r\n")
        .await;
    let seen = service.last();
    assert_eq!(seen.header("x-request-id").unwrap().len(), 32);
    assert_eq!(seen.header("traceparent").unwrap().len(), 55);
    assert_eq!(seen.header("tracestate"), None);
    assert_ne!(get(gateway.addr, "/nowhere").await.header("x-request-id"), None);
}

#[tokio::test]
async fn bodies_pass_in_every_framing() {
    let service = Service::start(|request| match request.request_line().split(' ').nth(1) {
        Some("/x/chunked") => Reply::text(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
        ),
        Some("/x/none") => Reply::text("HTTP/1.1 204 No Content\r\n\r\n"),
        Some("/x/unchanged") => Reply::text("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"),
        Some("/x/early") => Reply::text(
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        Some("/x/head") => Reply::text("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        Some("/x/until-close") => {
            let (send, pieces) = mpsc::channel(4);
            for piece in ["HTTP/1.1 200 OK\r\n\r\nab", "cde"] {
                send.try_send(piece.as_bytes().to_vec()).unwrap();
            }
            Reply::Pieces(pieces)
        }
        _ => Reply::ok(&String::from_utf8_lossy(&request.body)),
    })
    .await;
    let gateway = Gateway::before(&service).await;
    let mut client = Client::connect(gateway.addr).await;
    for (path, status, body) in [
        ("/x/chunked", 200, "abcde"),
        ("/x/none", 204, ""),
        ("/x/unchanged", 304, ""),
        ("/x/early", 200, ""),
        ("/x/until-close", 200, "abcde"),
        ("/x/chunked", 200, "abcde"),
    ] {
        let answer = client.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{path}");
    }
    client.send("HEAD /x/head HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.answer_to_head().await;
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("1000")));

    let answer = client.ask("POST /x/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(answer.body, "hello");
    assert_eq!(service.last().header("content-length"), Some("5"));
    assert_eq!(service.last().header("transfer-encoding"), None);

    let answer = client
        .ask("POST /x/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n")
        .await;
    assert_eq!(answer.status, 200);
    // It was read before it was sent on, so its length is known.
    assert_eq!(service.last().header("content-length"), Some("5"));
    assert_eq!(service.last().header("transfer-encoding"), None);
    assert_eq!(service.last().body, b"hello");
    // What follows chunks is never read as a request.
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let service = Service::start(|request| Reply::ok(&String::from_utf8_lossy(&request.body))).await;
    let gateway = Gateway::before(&service).await;
    let mut client = Client::connect(gateway.addr).await;
    for size in [1, 4095, 4096, 8192, 65_536, 1_000_000] {
        let body: String = ('a'..='z').cycle().take(size).collect();
        let answer =
            client.ask(&format!("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n{body}")).await;
        assert!(answer.status == 200 && answer.body == body, "{size}");
    }
}

#[tokio::test]
async fn answers_stream() {
    let (send, pieces) = mpsc::channel(4);
    let pieces = Mutex::new(Some(pieces));
    let service = Service::start(move |_| Reply::Pieces(pieces.lock().unwrap().take().unwrap())).await;
    let gateway = Gateway::before(&service).await;
    let mut client = Client::connect(gateway.addr).await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    send.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()).await.unwrap();
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
    for word in ["first", "second"] {
        send.send(format!("{:x}\r\n{word}\r\n", word.len()).into_bytes()).await.unwrap();
        // Here before the next piece was even sent.
        assert_eq!(client.chunk().await.unwrap(), word.as_bytes());
    }
    send.send(b"0\r\n\r\n".to_vec()).await.unwrap();
    assert_eq!(client.chunk().await.unwrap(), b"");
}

#[tokio::test]
async fn requests_stream() {
    let service = Service::start(|request| Reply::ok(&String::from_utf8_lossy(&request.body))).await;
    let seen_early = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = seen_early.local_addr().unwrap();
    let mut eager = settings(&[route("x", "/x/**", addr)]);
    eager.server.body_buffer_bytes = 5;
    let gateway = Gateway::start(eager).await;
    let mut client = Client::connect(gateway.addr).await;
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst").await;
    let (mut stream, _) = seen_early.accept().await.unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\nfirst") {
        assert_ne!(tokio::io::AsyncReadExt::read_buf(&mut stream, &mut received).await.unwrap(), 0);
    }
    client.send("later").await;
    while !received.ends_with(b"firstlater") {
        assert_ne!(tokio::io::AsyncReadExt::read_buf(&mut stream, &mut received).await.unwrap(), 0);
    }
    drop(service);
}

#[tokio::test]
async fn a_client_waits_for_leave_to_send_its_body() {
    let service = Service::start(|request| Reply::ok(&String::from_utf8_lossy(&request.body))).await;
    let gateway = Gateway::before(&service).await;
    let mut client = Client::connect(gateway.addr).await;
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 100"));
    assert_eq!(client.ask("ok").await.body, "ok");
    assert_eq!(service.last().header("expect"), None);
    // Without leave where the answer does not depend on it.
    let mut client = Client::connect(gateway.addr).await;
    client
        .ask("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        .await
        .is_problem(404);
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_call_with_it() {
    let service = Service::start(|_| Reply::Silence).await;
    let gateway = Gateway::before(&service).await;
    let mut client = Client::connect(gateway.addr).await;
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok").await;
    eventually("the service is asked", async || service.seen().len() == 1).await;
    assert_eq!(service.ended(), 0);
    client.reset();
    eventually("the call ends", async || service.ended() == 1).await;
}

/// One that closes in order sends no reset of its own, and looks like one that only sends nothing more.
#[tokio::test]
async fn a_client_that_closes_in_order_takes_its_call_with_it() {
    for request in [
        "GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let service = Service::start(|_| Reply::Silence).await;
        let gateway = Gateway::before(&service).await;
        let mut client = Client::connect(gateway.addr).await;
        client.send(request).await;
        eventually("the service is asked", async || service.seen().len() == 1).await;
        assert_eq!(service.ended(), 0);
        drop(client);
        eventually("the call ends", async || service.ended() == 1).await;
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::before(&service).await;
    for _ in 0..5 {
        let mut client = Client::connect(gateway.addr).await;
        for _ in 0..5 {
            assert_eq!(client.ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.body, "ok");
        }
    }
    assert_eq!(service.seen().len(), 25);
    assert!(service.seen().iter().all(|request| request.connection == 0));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let service = Service::start(|request| Reply::ok(request.request_line())).await;
    let gateway = Gateway::before(&service).await;
    let mut client = Client::connect(gateway.addr).await;
    let mut all = String::new();
    for index in 0..20 {
        all += &format!("POST /x/{index} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n{index:03}");
    }
    client.send(all).await;
    for index in 0..20 {
        assert_eq!(client.answer().await.body, format!("POST /x/{index} HTTP/1.1"));
        assert_eq!(service.seen()[index].body, format!("{index:03}").into_bytes());
    }
}

#[tokio::test]
async fn many_clients_at_once() {
    let service = Service::start(|request| Reply::ok(&String::from_utf8_lossy(&request.body))).await;
    let mut several = settings(&[route("x", "/x/**", service.addr)]);
    several.server.workers = 3;
    let gateway = Gateway::start(several).await;
    let clients = (0..100).map(|client| async move {
        let mut connection = Client::connect(gateway.addr).await;
        for round in 0..20 {
            let body = format!("{client}:{round}");
            let request =
                format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            assert_eq!(connection.ask(&request).await.body, body);
        }
    });
    futures::future::join_all(clients).await;
    assert_eq!(service.seen().len(), 2000);
}

/// The gateway's own answers say it as every service's do; a service's own are its own.
#[tokio::test]
async fn every_answer_protects_those_who_open_it_in_a_browser() {
    let service = Service::start(|_| {
        Reply::text(
            "HTTP/1.1 200 OK\r\nContent-Security-Policy: default-src 'self'\r\nContent-Length: 2\r\n\r\nok",
        )
    })
    .await;
    let mut with_cors = settings(&[route("x", "/x/**", service.addr)]);
    with_cors.cors.allowed_origins = vec!["*".to_owned()];
    let gateway = Gateway::start(with_cors).await;
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /actuator/health HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS /x HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
        "GET //x HTTP/1.1\r\nHost: a\r\n\r\n",
        "broken\r\n\r\n",
    ] {
        let answer = Client::connect(gateway.addr).await.ask(request).await;
        for (name, value) in http_common::protective::FIELDS {
            assert_eq!(answer.headers(name), [value], "{request}: {answer:?}");
        }
    }
    let answer = get(gateway.addr, "/x").await;
    assert_eq!(answer.headers("content-security-policy"), ["default-src 'self'"]);
}

/// Proxies append to what their client has sent: whose attempts a service counts is for the gateway to say.
#[tokio::test]
async fn behind_a_trusted_proxy_the_gateway_says_who_asks() {
    let service = Service::saying("").await;
    let mut trusting = settings(&[route("x", "/x/**", service.addr)]);
    trusting.forwarded.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let claimed = "GET /x HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: 6.6.6.6, 203.0.113.1\r\n\
                   X-Client-Address: 6.6.6.6\r\nx-client-address: 7.7.7.7\r\n\
                   Connection: keep-alive, X-Client-Address\r\n\r\n";
    for (gateway, client) in [
        (Gateway::start(trusting).await, &["203.0.113.1"][..]),
        // The one element of `X-Forwarded-For` says it.
        (Gateway::before(&service).await, &[]),
    ] {
        assert_eq!(Client::connect(gateway.addr).await.ask(claimed).await.status, 200);
        assert_eq!(service.last().headers("x-client-address"), client);
    }
}
