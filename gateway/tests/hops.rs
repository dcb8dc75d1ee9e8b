//! Each side of the gateway is a connection of its own: versions, framings and fields of one do not leak into the other.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Client, Gateway, Reply, Service, eventually, get};

/// What a client says of its connection does not take out what the gateway says.
#[tokio::test]
async fn connection_does_not_name_what_goes_all_the_way() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::before(&service).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for own in ["", "X-Request-Id: order-7\r\ntraceparent: "] {
        let own = if own.is_empty() { String::new() } else { format!("{own}{trace}\r\n") };
        let request = format!(
            "POST /x HTTP/1.1\r\nHost: shop:8088\r\nConnection: traceparent, x-request-id, X-Forwarded-For, Forwarded, \
             X-Forwarded-Host, Content-Length, X-Mine\r\nX-Mine: 1\r\n{own}Content-Length: 2\r\n\r\nok"
        );
        let answer = Client::connect(gateway.addr).await.ask(&request).await;
        let seen = service.last();
        assert_eq!(seen.header("x-request-id"), answer.header("x-request-id"));
        assert!(seen.header("x-request-id").is_some() && seen.header("traceparent").is_some());
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(seen.header("x-forwarded-host"), Some("shop:8088"));
        assert_eq!((seen.header("x-mine"), seen.body.as_slice()), (None, &b"ok"[..]));
    }
}

#[tokio::test]
async fn answers_with_more_than_one_reading_are_none() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        // Broken from the first bytes of the body on.
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello",
    ] {
        let service = Service::start(move |_| Reply::text(answer)).await;
        let gateway = Gateway::before(&service).await;
        for method in ["GET", "POST"] {
            let mut client = Client::connect(gateway.addr).await;
            let request = format!("{method} /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
            client.ask(&request).await.is_problem(502);
        }
        eventually("the connections are not used again", async || service.ended() == service.seen().len())
            .await;
    }
}

#[tokio::test]
async fn each_side_speaks_its_own_version() {
    let service = Service::start(|request| match request.request_line() {
        "GET /x/close HTTP/1.1" => {
            let (send, pieces) = tokio::sync::mpsc::channel(1);
            send.try_send(b"HTTP/1.0 200 OK\r\n\r\nold".to_vec()).unwrap();
            Reply::Pieces(pieces)
        }
        _ => Reply::text("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold"),
    })
    .await;
    let gateway = Gateway::before(&service).await;
    for path in ["/x", "/x/close"] {
        let answer = get(gateway.addr, path).await;
        assert!(answer.head.starts_with("HTTP/1.1 200") && answer.body == "old", "{answer:?}");
        // And the client's connection goes on.
        assert_eq!(answer.header("connection"), None);
    }
    let mut old = Client::connect(gateway.addr).await;
    let answer = old.ask("GET /x/close HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert_eq!((answer.header("transfer-encoding"), answer.body.as_str()), (None, "old"));
}

#[tokio::test]
async fn targets_are_paths_or_whole_addresses() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::before(&service).await;
    for method in ["GET", "POST", "HEAD", "OPTIONS"] {
        for target in ["shop:80", "shop", "127.0.0.1:80", "*x", "?x"] {
            let mut client = Client::connect(gateway.addr).await;
            client.send(format!("{method} {target} HTTP/1.1\r\nHost: shop\r\n\r\n")).await;
            let answer = match method {
                "HEAD" => client.answer_to_head().await,
                _ => client.answer().await,
            };
            assert_eq!(answer.status, 400, "{method} {target}");
        }
    }
    let mut client = Client::connect(gateway.addr).await;
    client.ask("CONNECT shop:80 HTTP/1.1\r\nHost: shop:80\r\n\r\n").await.is_problem(405);
    let whole = "GET http://shop:81/x HTTP/1.1\r\nHost: other\r\n\r\n";
    assert_eq!(Client::connect(gateway.addr).await.ask(whole).await.status, 200);
    assert_eq!(service.last().header("x-forwarded-host"), Some("shop:81"));
    assert_eq!(service.seen().len(), 1);
}

/// HTTP/1.0: the client says nothing of where it asks, so it is what it connected to.
#[tokio::test]
async fn without_host_the_links_lead_back() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::before(&service).await;
    let addr = gateway.addr.to_string();
    assert_eq!(Client::connect(gateway.addr).await.ask("GET /x HTTP/1.0\r\n\r\n").await.body, "ok");
    assert_eq!(service.last().header("x-forwarded-host"), Some(addr.as_str()));
    assert_eq!(service.last().header("x-forwarded-port"), Some(gateway.addr.port().to_string().as_str()));
    let root = Client::connect(gateway.addr).await.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert!(root.body.contains(&format!("http://{addr}/")), "{root:?}");
}

/// Who sends nothing more may well read on.
#[tokio::test]
async fn half_closed_clients_get_their_answers() {
    let service = Service::start(|request| Reply::ok(&String::from_utf8_lossy(&request.body))).await;
    let gateway = Gateway::before(&service).await;
    let chunked = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n";
    for (request, body) in [
        ("GET /x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), ""),
        ("GET /x HTTP/1.0\r\n\r\n".to_owned(), ""),
        ("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok".to_owned(), "ok"),
        (format!("{chunked}\r\n"), "ok"),
        (format!("{chunked}X: trailer\r\n\r\n"), "ok"),
    ] {
        for _ in 0..5 {
            let mut client = Client::connect(gateway.addr).await;
            client.send(&request).await;
            client.end().await;
            let answer = client.last_answer().await;
            assert_eq!((answer.status, answer.body.as_str()), (200, body), "{request}");
            assert!(client.is_closed().await);
        }
    }
    // Both of two that came together.
    let mut client = Client::connect(gateway.addr).await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2)).await;
    client.end().await;
    assert_eq!((client.answer().await.status, client.last_answer().await.status), (200, 200));
    assert!(client.is_closed().await);
}

/// They are asked whether they are still there, in a way that every client of HTTP/1.1 passes over.
#[tokio::test]
async fn half_closed_clients_wait_for_a_service_that_takes_its_time() {
    let (speak, pieces): (Vec<_>, Vec<_>) = (0..2).map(|_| tokio::sync::mpsc::channel(1)).unzip();
    let pieces = std::sync::Mutex::new(pieces);
    let service = Service::start(move |_| Reply::Pieces(pieces.lock().unwrap().remove(0))).await;
    let gateway = Gateway::before(&service).await;
    // One of HTTP/1.0 would take the question for its answer.
    let mut old = Client::connect(gateway.addr).await;
    old.send("GET /x HTTP/1.0\r\n\r\n").await;
    eventually("the service is asked", async || service.seen().len() == 1).await;
    old.end().await;
    let mut client = Client::connect(gateway.addr).await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the service is asked", async || service.seen().len() == 2).await;
    client.end().await;
    assert_eq!(client.answer().await.status, 100);
    for speak in speak {
        speak.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnow".to_vec()).await.unwrap();
    }
    for client in [&mut client, &mut old] {
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "now"));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(client.is_closed().await);
    }
}
