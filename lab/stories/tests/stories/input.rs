//! What bad input gets: a problem document, never a 5xx, and nothing is stored.

use std::time::Duration;

use futures::future::join_all;
use harness::Service;
use harness::ledger::Books;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use stories::customer::{CARD, Customer};
use stories::http::{Answer, Http, send, try_send};
use stories::setup::Setup;
use stories::system::{Plan, System};

const GENERATED: usize = 400;
const AT_ONCE: usize = 8;

pub(crate) async fn refused_and_nothing_stored(setup: Setup) {
    let system = Plan::of(setup)
        .with(Service::Prereservation, "SERVER_HEADER_TIMEOUT_MS", 2000)
        .with(Service::Gateway, "SERVER_HEADER_TIMEOUT_MS", 2000)
        .with(Service::Gateway, "SERVER_BODY_TIMEOUT_MS", 2000)
        .start()
        .await;
    for (http, path) in [
        (system.gateway(), "/preReservations"),
        (system.service(Service::Prereservation), "/preReservations"),
        (system.payment_from_inside(), "/payments"),
    ] {
        orders(&http, path).await;
        bodies(&http, path).await;
        slow_bodies(&http, path, path == "/payments").await;
    }
    generated(&system).await;
    nothing_stored(&system).await;
}

/// An order in which one value is wrong: 400, and the problem names the field.
async fn orders(http: &Http, path: &str) {
    let mut order = Customer::new().order();
    order["preReservationId"] = json!(1);
    let numbers = ["userId", "productId", "price"];
    let bad_numbers = [
        json!(0),
        json!("0"),
        json!(-1),
        json!("-1"),
        json!(1.5),
        json!("1.5"),
        json!("abc"),
        json!(""),
        json!(true),
        json!([1]),
        json!({"a": 1}),
        json!(9_223_372_036_854_775_808_u64),
        json!("9223372036854775808"),
        json!("1e5"),
        json!(1e300),
        Value::Null,
        json!("1 000"),
        json!("0x10"),
        json!("١"),
    ];
    let texts = if path == "/payments" { vec!["productName"] } else { vec!["userAddress", "productName"] };
    let bad_texts = [
        json!(""),
        json!("   "),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("\u{7f}"),
        json!("x".repeat(501)),
        json!(5),
        json!(true),
        json!([]),
        json!({}),
        Value::Null,
    ];
    let bad_cards = [
        json!(""),
        json!("1234"),
        json!("1".repeat(11)),
        json!("1".repeat(20)),
        json!("1234-1234-1234-12x4"),
        json!("１２３４５６７８９０１２"),
        json!("1234_1234_1234_1234"),
        json!("1234-1234\n-1234-1234"),
        json!(1234),
        json!(-1),
        json!(["1234-1234-1234-1234"]),
        Value::Null,
    ];
    let rows = numbers
        .iter()
        .flat_map(|field| bad_numbers.iter().map(move |value| (*field, value)))
        .chain(texts.iter().flat_map(|field| bad_texts.iter().map(move |value| (*field, value))))
        .chain(bad_cards.iter().map(|value| ("cardNo", value)));
    for (field, value) in rows {
        let mut wrong = order.clone();
        wrong[field] = value.clone();
        names(&http.post(path, &wrong).await, &[field]);
        if value.is_null() {
            wrong.as_object_mut().unwrap().remove(field);
            names(&http.post(path, &wrong).await, &[field]);
        }
    }
    let fields: Vec<&str> = numbers.into_iter().chain(texts).chain(["cardNo"]).collect();
    names(&http.post(path, &json!({})).await, &fields);
}

#[track_caller]
fn names(answer: &Answer, fields: &[&str]) {
    let problem = answer.problem(400);
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    for field in fields {
        let found = errors.iter().any(|error| error["field"] == *field && error["message"].is_string());
        assert!(found, "{field} is not named: {problem}");
    }
}

async fn bodies(http: &Http, path: &str) {
    let post = |body: &'static [u8]| {
        http.request("POST", path).header("content-type", "application/json").body(body)
    };
    let deep: &'static [u8] = "[".repeat(50_000).into_bytes().leak();
    for body in [
        b"".as_slice(),
        b"   ",
        b"{",
        b"[]",
        b"null",
        b"42",
        b"\"text\"",
        b"{}x",
        b"{\"userId\":}",
        b"\xff\xfe",
        deep,
        b"{\"userId\":\"\xc3\x28\"}",
        b"{\"userId\":\"\\ud800\"}",
        b"userId=1&price=2",
        b"<order/>",
        b"\0\0\0\0",
    ] {
        send(post(body)).await.problem(400);
    }
    let order = Customer::new().order().to_string();
    for media_type in
        ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "x"]
    {
        let request = http.request("POST", path).header("content-type", media_type).body(order.clone());
        send(request).await.problem(415);
    }
    let big = Customer::new().order_with("userAddress", "x".repeat(70_000)).to_string();
    let request = http.request("POST", path).header("content-type", "application/json").body(big);
    match try_send(request).await {
        Ok(answer) => drop(answer.problem(413)),
        Err(error) => assert!(error.is_request() || error.is_body(), "{error:?}"),
    }
    for key in ["", &"k".repeat(300)] {
        let request = http.request("POST", path).header("Idempotency-Key", key).json(&json!({}));
        send(request).await.problem(400);
    }
}

/// A body that does not come gets 408, whoever waits for it.
async fn slow_bodies(http: &Http, path: &str, is_patient: bool) {
    if is_patient {
        return;
    }
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n"
    );
    let answer = http.raw(format!("{head}{{\"userId\":1,").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let answer = http.raw(format!("GET {path} HTTP/1.1\r\nHost:").as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(300_000));
    let answer = http.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

/// One generated request.
#[derive(Clone, Debug)]
struct Odd {
    to: Service,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// Requests of all kinds to every endpoint: never a 5xx, every error a problem document.
async fn generated(system: &System) {
    let mut runner = TestRunner::default();
    let requests: Vec<Odd> = (0..GENERATED)
        .map(|_| odd().new_tree(&mut runner).expect("the strategy rejects nothing").current())
        .collect();
    for some in requests.chunks(AT_ONCE) {
        join_all(some.iter().map(|odd| ask(system, odd))).await;
    }
}

async fn ask(system: &System, odd: &Odd) {
    let http = system.service(odd.to);
    let Ok(url) = reqwest::Url::parse(&format!("{}{}", http.origin(), odd.path)) else { return };
    let mut request = http.request(odd.method, url.as_str()).body(odd.body.clone());
    request = request.timeout(Duration::from_secs(20));
    for (name, value) in &odd.headers {
        request = request.header(*name, value.as_bytes());
    }
    // What the client library itself refuses is never sent.
    let Ok(answer) =
        try_send(request).await.map_err(|error| assert!(error.is_builder(), "{error:?} for {odd:?}"))
    else {
        return;
    };
    // A token that names a write which never was is a wait in vain, and the documented answer to that is 503.
    let waited_in_vain = answer.status == 503 && odd.headers.iter().any(|(name, _)| *name == "X-Min-Version");
    assert!(answer.status < 500 || waited_in_vain, "{} {} for {odd:?}", answer.status, answer.text());
    assert!(!(odd.method == "POST" && answer.status == 201), "{odd:?} was taken: {}", answer.text());
    if answer.status >= 400 && odd.method != "HEAD" {
        answer.problem(answer.status);
    }
}

fn odd() -> impl Strategy<Value = Odd> {
    let service = prop::sample::select(Service::ALL.to_vec());
    let method = prop::sample::select(vec![
        "GET", "POST", "POST", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH",
    ]);
    let headers = prop::collection::vec(header(), 0..4);
    (service, method, path(), headers, body()).prop_map(|(to, method, path, headers, body)| Odd {
        to,
        method,
        path,
        headers,
        body,
    })
}

fn path() -> impl Strategy<Value = String> {
    let collection = prop::sample::select(vec![
        "preReservations",
        "payments",
        "receipts",
        "myReservations",
        "actuator",
        "openapi.json",
        "",
    ]);
    let below = prop_oneof![
        3 => Just(String::new()),
        2 => any::<i64>().prop_map(|id| format!("/{id}")),
        1 => "[ -~]{1,12}".prop_map(|text| format!("/{text}")),
        1 => any::<String>().prop_map(|text| format!("/{}", percent(&text))),
        1 => Just("/search/findByUserId".to_owned()),
    ];
    let query = prop_oneof![
        3 => Just(String::new()),
        2 => (any::<i64>(), any::<i64>(), "[a-zA-Z,;]{0,12}")
            .prop_map(|(page, size, sort)| format!("?page={page}&size={size}&sort={sort}&userId={page}")),
        1 => any::<String>().prop_map(|text| format!("?userId={0}&page={0}&sort={0}", percent(&text))),
    ];
    (collection, below, query).prop_map(|(collection, below, query)| format!("/{collection}{below}{query}"))
}

fn header() -> impl Strategy<Value = (&'static str, String)> {
    let name = prop::sample::select(vec![
        "Idempotency-Key",
        "Accept",
        "Content-Type",
        "X-Min-Version",
        "X-Request-Id",
        "traceparent",
        "Origin",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "Forwarded",
        "Accept-Language",
        "Range",
    ]);
    let value = prop_oneof![
        "[ -~]{0,40}",
        Just("application/json".to_owned()),
        Just("99999999.99999999".to_owned()),
        "[0-9]{1,30}\\.[0-9]{1,30}",
        "é[ -~]{0,10}",
    ];
    (name, value)
}

/// Bodies close to an order, none of which is one: the address is always wrong.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let scalar = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9 -]{10,24}".prop_map(Value::from),
        Just(Value::Null),
        Just(json!(CARD)),
        Just(json!([[], {}])),
    ];
    let names = vec![
        "userId",
        "productId",
        "productName",
        "price",
        "cardNo",
        "preReservationId",
        "status",
        "id",
        "version",
    ];
    let fields = prop::collection::vec((prop::sample::select(names), scalar), 0..9);
    prop_oneof![
        6 => fields.prop_map(|fields| {
            let mut order: Map<String, Value> =
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            order.insert("userAddress".to_owned(), json!("\u{1}"));
            // payment knows no address.
            order.insert("productName".to_owned(), json!("\u{1}"));
            Value::Object(order).to_string().into_bytes()
        }),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => any::<String>().prop_map(String::into_bytes),
    ]
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

async fn nothing_stored(system: &System) {
    for service in Service::OF_RESERVATIONS {
        let page =
            system.service(service).get(&format!("/{}", service.collection())).await.expect(200).json();
        assert_eq!(page["page"]["totalElements"], 0, "{service:?}");
    }
    assert_eq!(system.ledger().books().await, Books::default());
    assert_eq!(system.events().all().await.len(), 0, "no fact was told");
    for process in system.processes() {
        let said = process.said();
        assert!(!said.contains("panicked") && !said.contains("ERROR"), "{}:\n{said}", process.name());
    }
}
