//! A payment that behaves: wiremock for what is HTTP, a raw socket for what is not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::contract::{Behaviour, DETAIL, PAYMENT_ID, order};

pub(crate) enum FakePayment {
    Http(MockServer),
    Raw { address: SocketAddr, asked: Arc<AtomicUsize>, server: JoinHandle<()> },
    Nobody { url: String },
    Unreachable { listener: TcpListener, _queued: Vec<TcpStream> },
}

impl FakePayment {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        match behaviour {
            Behaviour::Refuses => {
                // The port was free a moment ago, and is not given out again soon.
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                drop(listener);
                Self::Nobody { url: format!("http://{address}") }
            }
            Behaviour::UnknownHost => Self::Nobody { url: "http://payment.invalid:8081".to_owned() },
            Behaviour::IsUnreachable => unreachable().await,
            Behaviour::NeverEnds
            | Behaviour::IsSilent
            | Behaviour::FallsSilent
            | Behaviour::Resets
            | Behaviour::HangsUp
            | Behaviour::HangsUpOnce
            | Behaviour::HangsUpThenAnswers(_)
            | Behaviour::HangsUpForGood
            | Behaviour::BreaksOff
            | Behaviour::SpeaksAnotherLanguage => raw(behaviour).await,
            _ => {
                let server = MockServer::start().await;
                Mock::given(method("POST"))
                    .and(path("/payments"))
                    .respond_with(answer(behaviour, &server.uri()))
                    .mount(&server)
                    .await;
                Mock::given(path("/elsewhere"))
                    .respond_with(ResponseTemplate::new(201).set_body_json(payment()))
                    .mount(&server)
                    .await;
                Self::Http(server)
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Http(server) => server.uri(),
            Self::Raw { address, .. } => format!("http://{address}"),
            Self::Nobody { url } => url.clone(),
            Self::Unreachable { listener, .. } => format!("http://{}", listener.local_addr().unwrap()),
        }
    }

    pub(crate) async fn asked(&self) -> usize {
        match self {
            Self::Http(server) => server.received_requests().await.unwrap().len(),
            Self::Raw { asked, .. } => asked.load(Ordering::SeqCst),
            Self::Nobody { .. } | Self::Unreachable { .. } => 0,
        }
    }
}

impl Drop for FakePayment {
    fn drop(&mut self) {
        if let Self::Raw { server, .. } = self {
            server.abort();
        }
    }
}

fn payment() -> Value {
    let order = order();
    json!({
        "id": PAYMENT_ID, "preReservationId": order.reservation_id, "userId": order.user_id,
        "productId": order.product_id, "productName": order.product_name, "price": order.price,
        "cardNo": order.card.masked().as_str(), "status": "paid",
        "createdAt": "2021-09-07T01:02:03.456+00:00", "modifiedAt": "2021-09-07T01:02:03.456+00:00",
        "_links": { "self": { "href": "http://payment/payments/5" } },
    })
}

fn payment_with(field: &str, value: Value) -> Value {
    let mut payment = payment();
    payment[field] = value;
    payment
}

fn problem(status: u16) -> ResponseTemplate {
    let body = json!({ "type": "about:blank", "status": status, "detail": DETAIL });
    ResponseTemplate::new(status).set_body_raw(body.to_string(), "application/problem+json")
}

fn answer(behaviour: Behaviour, uri: &str) -> ResponseTemplate {
    let created = |body: Value| ResponseTemplate::new(201).set_body_json(body);
    match behaviour {
        Behaviour::Charges => created(payment()),
        Behaviour::HasCharged => ResponseTemplate::new(200).set_body_json(payment()),
        Behaviour::DeclinesCard => problem(402),
        Behaviour::DeclinesWordlessly => ResponseTemplate::new(402).set_body_string("<html>no</html>"),
        Behaviour::Redirects => {
            ResponseTemplate::new(307).insert_header("Location", format!("{uri}/elsewhere"))
        }
        Behaviour::AnswersGarbage => ResponseTemplate::new(201).set_body_string("<html>yes</html>"),
        Behaviour::PaysAnother => created(payment_with("preReservationId", json!(8))),
        Behaviour::PaysAnotherPrice => created(payment_with("price", json!(1))),
        Behaviour::HasRefunded => {
            let refunded = payment_with("status", json!("payment_cancelled"));
            ResponseTemplate::new(200).set_body_json(refunded)
        }
        Behaviour::Answers(status) => problem(status),
        other => panic!("{other:?} is nothing that an HTTP server does"),
    }
}

/// Nobody accepts, and the queue is full: the system drops further attempts to connect.
async fn unreachable() -> FakePayment {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
    }
    FakePayment::Unreachable { listener, _queued: queued }
}

async fn raw(behaviour: Behaviour) -> FakePayment {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if behaviour == Behaviour::HangsUpForGood {
                drop(listener);
                return misbehave(stream, behaviour, count).await;
            }
            tokio::spawn(misbehave(stream, behaviour, count.clone()));
        }
    });
    FakePayment::Raw { address, asked, server }
}

async fn misbehave(mut stream: TcpStream, behaviour: Behaviour, asked: Arc<AtomicUsize>) {
    if !read_request(&mut stream).await {
        return;
    }
    let earlier = asked.fetch_add(1, Ordering::SeqCst);
    match behaviour {
        Behaviour::HangsUpOnce if earlier > 0 => {
            let body = payment().to_string();
            let head = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes()).await;
        }
        Behaviour::IsSilent => wait_for_goodbye(&mut stream).await,
        Behaviour::FallsSilent => {
            write_half_an_answer(&mut stream).await;
            wait_for_goodbye(&mut stream).await;
        }
        Behaviour::Resets => stream.set_zero_linger().unwrap(),
        Behaviour::BreaksOff => {
            write_half_an_answer(&mut stream).await;
            stream.set_zero_linger().unwrap();
        }
        Behaviour::SpeaksAnotherLanguage => {
            let _ = stream.write_all(b"220 mail.example ESMTP ready\r\n").await;
        }
        Behaviour::NeverEnds => {
            let head = b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n";
            let mut sent = stream.write_all(head).await;
            while sent.is_ok() {
                sent = stream.write_all(format!("400\r\n{}\r\n", "x".repeat(1024)).as_bytes()).await;
            }
        }
        Behaviour::HangsUpThenAnswers(status) if earlier > 0 => {
            let head = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
        }
        Behaviour::HangsUp
        | Behaviour::HangsUpOnce
        | Behaviour::HangsUpThenAnswers(_)
        | Behaviour::HangsUpForGood => {}
        other => panic!("{other:?} is what an HTTP server does"),
    }
}

/// The whole request, body included; false when the client left before.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut request = Vec::new();
    loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|length| length.trim().parse().ok())
                .unwrap_or(0);
            if request.len() >= end + 4 + length {
                return true;
            }
        }
        match stream.read_buf(&mut request).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

async fn write_half_an_answer(stream: &mut TcpStream) {
    let head = "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n";
    let _ = stream.write_all(format!("{head}{{\"id\":5,").as_bytes()).await;
}

async fn wait_for_goodbye(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0]).await;
}
