//! The full card number is nowhere but in the requests: a number that occurs nowhere else is looked for everywhere.

use std::path::Path;

use harness::Service;
use harness::chaos::Network;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use stories::customer::{Customer, statuses, view};
use stories::http::send;
use stories::setup::Setup;
use stories::system::{Link, Plan, System};

const DIGITS: &str = "5105271694830752";
const DASHES: &str = "5105-2716-9483-0752";
const SPACES: &str = "5105 2716 9483 0752";

pub(crate) async fn card_number_is_nowhere(setup: Setup) {
    let system = Plan::of(setup)
        .through_proxy(Link::RESERVE_TO_PAY)
        .payment_timeout_ms(1500)
        .log_level("trace")
        .start()
        .await;
    let mut answers = Vec::new();
    let customer = Customer::new();
    for card in [DIGITS, DASHES, SPACES] {
        let answer =
            system.gateway().post("/preReservations", &customer.order_with("cardNo", card)).await.expect(201);
        answers.push(answer.text());
        stories::customer::Reservation::of(&answer).complete(&system).await;
    }
    let number: i64 = DIGITS.parse().unwrap();
    answers
        .push(system.gateway().post("/preReservations", &customer.order_with("cardNo", number)).await.text());
    // Where errors are made, numbers are quoted.
    for wrong in [
        format!("{DIGITS}12345678"),
        format!("x{DIGITS}"),
        format!("{DASHES}-{DASHES}"),
        format!("{SPACES}\u{7}"),
    ] {
        let answer = system.gateway().post("/preReservations", &customer.order_with("cardNo", wrong)).await;
        answer.problem(400);
        answers.push(answer.text());
    }
    for (field, value) in [("userId", "none"), ("price", "0")] {
        let mut order = customer.order_with("cardNo", DASHES);
        order[field] = value.into();
        answers.push(system.gateway().post("/preReservations", &order).await.text());
    }
    let broken = format!("{{\"userId\":1,\"cardNo\":\"{DASHES}\",");
    let request =
        system.gateway().request("POST", "/preReservations").header("content-type", "application/json");
    answers.push(send(request.body(broken)).await.text());
    let keyed = system.gateway().request("POST", "/preReservations").header("Idempotency-Key", "a key");
    answers.push(send(keyed.json(&customer.order_with("cardNo", DASHES))).await.expect(201).text());
    // Failures on the way to payment, and payment's own.
    for network in [Network::CutsAnswers, Network::Swallows, Network::Refuses] {
        system.network(Link::RESERVE_TO_PAY).set(network).await;
        let answer = system.gateway().post("/preReservations", &customer.order_with("cardNo", SPACES)).await;
        let id = answer.problem(503)["reservationId"].as_i64().unwrap();
        answers.push(answer.text());
        view(&system, id, |view| statuses(view)[0] == "reservation_cancelled").await;
    }
    let payments = system.payment_from_inside();
    answers.push(payments.post("/payments", &customer.order_with("cardNo", DASHES)).await.text());
    for collection in ["preReservations", "payments", "receipts", "myReservations"] {
        answers.push(system.gateway().get(&format!("/{collection}?size=1000")).await.expect(200).text());
    }
    for service in Service::ALL {
        answers.push(system.service(service).get("/actuator/prometheus").await.text());
    }

    let mut places = vec![("an answer".to_owned(), answers.join("\n").into_bytes())];
    for record in system.events().all().await {
        let headers: String =
            record.headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        places.push(("a record".to_owned(), [record.raw.as_slice(), headers.as_bytes()].concat()));
    }
    let said: String = system.processes().iter().map(|process| process.said()).collect();
    assert!(said.contains("TRACE") && said.contains("DEBUG"), "the logs tell everything");
    places.push(("the log".to_owned(), said.into_bytes()));
    files(&system.data(), &mut places);
    tables(&system, &mut places).await;
    assert!(
        places.iter().any(|(_, bytes)| contains(bytes, b"****-****-****-0752")),
        "it was looked at the right places"
    );

    for spelling in spellings() {
        for (place, bytes) in &places {
            if let Some(at) = find(bytes, spelling.as_bytes()) {
                let around = &bytes[at.saturating_sub(200)..(at + 60).min(bytes.len())];
                panic!("{spelling} is in {place}: {}", String::from_utf8_lossy(around));
            }
        }
    }
}

/// As text, as JSON escapes would not change it, in hexadecimal as databases print bytes, and in debug output of bytes.
fn spellings() -> Vec<String> {
    let plain = [DIGITS, DASHES, SPACES];
    let hex = plain.iter().map(|text| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
    let bytes = plain.iter().map(|text| {
        let numbers: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
        numbers.join(", ")
    });
    plain.iter().map(|text| (*text).to_owned()).chain(hex).chain(bytes).collect()
}

fn files(directory: &Path, places: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, places);
        } else {
            places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

/// Every row of every table on PostgreSQL, as text.
async fn tables(system: &System, places: &mut Vec<(String, Vec<u8>)>) {
    for url in system.database_urls() {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
                .fetch_all(&mut connection)
                .await
                .unwrap();
        for table in tables {
            let select = AssertSqlSafe(format!("SELECT t::text FROM \"{table}\" t"));
            let rows: Vec<String> = sqlx::query_scalar(select).fetch_all(&mut connection).await.unwrap();
            places.push((format!("table {table}"), rows.join("\n").into_bytes()));
        }
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    find(bytes, wanted).is_some()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
