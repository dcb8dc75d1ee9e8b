//! Whatever is sent: an answer that is not our fault, and nothing stored.

use crate::support::app::App;
use crate::support::backend::on_each;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

const REQUESTS: usize = 300;

#[derive(Debug)]
enum Bad {
    Post { media: String, body: Vec<u8> },
    Get(String),
    Other(&'static str, String),
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9 -]{0,40}".prop_map(Value::from),
        Just(json!([1, {"a": null}])),
        Just(json!({"$gt": ""})),
        Just(json!("99999999999999999999999999")),
    ]
}

/// A body in which a field or two are right at most, so that it can never be a payment.
fn object() -> impl Strategy<Value = Vec<u8>> {
    let names = prop::sample::select(vec![
        "preReservationId",
        "userId",
        "productId",
        "productName",
        "price",
        "cardNo",
    ]);
    prop::collection::vec((names, value()), 0..6).prop_map(|fields| {
        let mut object: Map<String, Value> = fields.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        object.insert("price".to_owned(), json!(-1));
        serde_json::to_vec(&object).unwrap()
    })
}

fn bad() -> impl Strategy<Value = Bad> {
    let media = prop_oneof![Just("application/json".to_owned()), "[a-z]{1,5}/[a-z+;=]{1,9}"];
    let body = prop_oneof![object(), any::<Vec<u8>>(), "[\\[{\":,0-9a-z\\]}]{0,30}".prop_map(Vec::from)];
    let id = prop_oneof!["[0-9]{1,25}", "[a-zA-Z0-9%._~-]{1,20}", "-?[0-9]{1,5}"];
    let query = "[a-zA-Z0-9=&,%+._-]{0,40}";
    prop_oneof![
        4 => (media, body).prop_map(|(media, body)| Bad::Post { media, body }),
        1 => id.prop_map(|id| Bad::Get(format!("/payments/{}", id.replace('%', "%25")))),
        1 => query.prop_map(|query| Bad::Get(format!("/payments?{}", query.replace('%', "%25")))),
        1 => (query, "(userId=)?[0-9x-]{0,25}")
            .prop_map(|(query, user)| Bad::Get(format!("/payments/search/findByUserId?{user}&{}", query.replace('%', "%25")))),
        1 => (prop::sample::select(vec!["PUT", "PATCH", "DELETE", "TRACE", "FOO"]), "/(payments)?(/[0-9]{1,3})?")
            .prop_map(|(method, path)| Bad::Other(method, path)),
    ]
}

#[tokio::test]
async fn no_request_is_answered_with_a_5xx_or_stored() {
    on_each(async |backend| {
        let app = App::start(backend).await;
        let mut runner = TestRunner::default();
        for _ in 0..REQUESTS {
            let bad = bad().new_tree(&mut runner).unwrap().current();
            let request = match &bad {
                Bad::Post { media, body } => {
                    app.http.post(app.url("/payments")).header("content-type", media).body(body.clone())
                }
                Bad::Get(path) => app.http.get(app.url(path)),
                Bad::Other(method, path) => {
                    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
                    app.http.request(method, app.url(path))
                }
            };
            let answer = app.send(request).await;
            assert!(
                answer.status < 500 && answer.status != 201,
                "{bad:?}: {} {}",
                answer.status,
                answer.text
            );
            if answer.status >= 400 {
                assert_eq!(answer.header("content-type"), "application/problem+json", "{bad:?}");
                assert_eq!(answer.json()["status"], answer.status, "{bad:?}");
            }
        }
        let database = backend.database().await;
        let stored: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM payment").fetch_one(database.reader()).await.unwrap();
        database.close().await;
        assert_eq!((stored, app.ledger().await), (0, (0, 0)));
        app.stop().await;
    })
    .await;
}
