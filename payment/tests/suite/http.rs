//! `/payments` as clients see it.

use crate::support::app::{App, body};
use crate::support::backend::on_each;
use futures::future::join_all;
use serde_json::{Value, json};

async fn on_each_app(test: impl AsyncFn(&App)) {
    on_each(async |backend| {
        let app = App::start(backend).await;
        test(&app).await;
        app.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_charge_is_a_payment_that_can_be_found() {
    on_each_app(async |app| {
        let created = app.post(&body(7)).await;
        assert_eq!(created.status, 201, "{}", created.text);
        let item = created.json();
        let location = created.header("location");
        assert_eq!(location, app.url(&format!("/payments/{}", item["id"])));
        assert_eq!(item["_links"]["self"]["href"], location);
        assert_eq!(item["_links"]["payment"]["href"], location);
        for (field, value) in [
            ("preReservationId", json!(7)),
            ("userId", json!(1)),
            ("productId", json!(1)),
            ("productName", json!("fold")),
            ("price", json!(1_300_000)),
            ("cardNo", json!("****-****-****-1234")),
            ("status", json!("paid")),
        ] {
            assert_eq!(item[field], value, "{field}");
        }
        assert!(item["createdAt"].as_str().unwrap().ends_with("+00:00"));

        let found = app.get(&format!("/payments/{}", item["id"])).await;
        assert_eq!((found.status, found.header("content-type")), (200, "application/hal+json"));
        assert_eq!(found.json(), item);
        let page = app.get("/payments?size=1&sort=price,desc").await.json();
        assert_eq!(page["_embedded"]["payments"], json!([item]));
        assert_eq!(page["page"], json!({"size": 1, "totalElements": 1, "totalPages": 1, "number": 0}));
        let of_user = app.get("/payments/search/findByUserId?userId=1").await.json();
        assert_eq!(of_user["_embedded"]["payments"], json!([item]));
        let of_nobody = app.get("/payments/search/findByUserId?userId=2").await.json();
        assert_eq!(of_nobody["_embedded"]["payments"], json!([]));
        assert_eq!(app.ledger().await, (1, 0));
    })
    .await;
}

#[tokio::test]
async fn numbers_may_be_text_and_unknown_fields_any() {
    on_each_app(async |app| {
        let answer = app
            .post(&json!({
                "preReservationId": "7", "userId": "1", "productId": "1", "productName": "fold",
                "price": "1300000", "cardNo": 4_000_111_122_223_333_u64, "status": "order",
            }))
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.json()["price"], 1_300_000);
        assert_eq!(answer.json()["cardNo"], "****-****-****-3333");
    })
    .await;
}

#[tokio::test]
async fn a_repeated_charge_is_the_same_charge() {
    on_each_app(async |app| {
        let body = body(7);
        let answers = join_all((0..16).map(|_| app.post(&body))).await;
        for answer in &answers {
            assert_eq!(answer.status, 201, "{}", answer.text);
            assert_eq!(answer.json()["id"], answers[0].json()["id"]);
        }
        assert_eq!(app.ledger().await, (1, 0));
        let told = app.told(1).await;
        assert_eq!(told.len(), 1);

        let mut other = body.clone();
        other["price"] = json!(5);
        let refused = app.post(&other).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert_eq!(app.ledger().await, (1, 0));
    })
    .await;
}

#[tokio::test]
async fn a_declined_card_is_declined_again_and_charges_nothing() {
    on_each_app(async |app| {
        let mut body = body(7);
        body["cardNo"] = json!("4000-0000-0000-9995");
        for _repeated in 0..2 {
            let answer = app.post(&body).await;
            assert_eq!((answer.status, answer.header("content-type")), (402, "application/problem+json"));
            assert_eq!(answer.json()["code"], "insufficient_funds");
            assert_eq!(answer.json()["detail"], "The card has insufficient funds.");
        }
        assert_eq!(app.get("/payments").await.json()["page"]["totalElements"], 0);
        assert_eq!(app.get("/payments/1").await.status, 404);
        assert_eq!(app.ledger().await, (0, 0));
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_stored() {
    on_each_app(async |app| {
        let table = [
            ("preReservationId", json!(null), "is required"),
            ("preReservationId", json!(0), "from 1 to"),
            ("userId", json!(-1), "from 1 to"),
            ("productId", json!("x"), "whole number"),
            ("productName", json!(""), "must not be empty"),
            ("productName", json!("a\u{7}b"), "control characters"),
            ("productName", json!("x".repeat(201)), "longer than 200"),
            ("price", json!(0), "from 1 to"),
            ("price", json!(1.5), "whole number"),
            ("price", json!("99999999999999999999"), "from 1 to"),
            ("cardNo", json!("1234"), "12 to 19 digits"),
            ("cardNo", json!("1234-1234-1234-123x"), "digits, spaces and dashes only"),
            ("cardNo", json!(["4000123412341234"]), "text"),
        ];
        for (field, value, message) in table {
            let mut body = body(7);
            body[field] = value;
            let answer = app.post(&body).await;
            assert_eq!(answer.status, 400, "{field}: {}", answer.text);
            let errors = answer.json()["errors"].clone();
            assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
            assert_eq!(errors[0]["field"], field);
            assert!(errors[0]["message"].as_str().unwrap().contains(message), "{errors}");
            assert!(!answer.text.contains("1234123412"), "{}", answer.text);
        }
        let all = app.post(&json!({})).await.json();
        assert_eq!(all["errors"].as_array().unwrap().len(), 6, "{all}");

        let raw = async |text: &'static str, media: &str| {
            let request = app.http.post(app.url("/payments")).header("content-type", media).body(text);
            app.send(request).await.status
        };
        for (text, media, status) in [
            ("", "application/json", 400),
            ("{", "application/json", 400),
            ("[]", "application/json", 400),
            ("{}", "text/plain", 415),
        ] {
            assert_eq!(raw(text, media).await, status, "{text} {media}");
        }
        let large = app.http.post(app.url("/payments")).body("x".repeat(100_000));
        assert_eq!(app.send(large).await.status, 413);

        assert_eq!(app.ledger().await, (0, 0));
        assert_eq!(app.get("/payments").await.json()["page"]["totalElements"], 0);
        // Not even as an intent: the reservation is still free.
        assert_eq!(app.post(&body(7)).await.status, 201);
    })
    .await;
}

#[tokio::test]
async fn only_the_methods_that_are_offered() {
    on_each_app(async |app| {
        let id = app.post(&body(7)).await.json()["id"].clone();
        let item = app.url(&format!("/payments/{id}"));
        let delete = app.send(app.http.delete(&item)).await;
        assert_eq!((delete.status, delete.header("allow")), (405, "GET, HEAD, OPTIONS"));
        assert_eq!(app.get(&format!("/payments/{id}")).await.status, 200);
        let put = app.send(app.http.put(app.url("/payments")).body("{}")).await;
        assert_eq!(put.status, 405);
        assert_eq!(put.header("content-type"), "application/problem+json");
        let head = app.send(app.http.head(&item)).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        let options = app.send(app.http.request(reqwest::Method::OPTIONS, app.url("/payments"))).await;
        assert_eq!(options.status, 200);
        assert!(options.header("allow").contains("POST"));
        for (path, status) in [("/payments/999", 404), ("/payments/x", 400), ("/nothing", 404)] {
            assert_eq!(app.get(path).await.status, status, "{path}");
        }
        assert_eq!(app.get("/payments/search/findByUserId").await.status, 400);
        let html = app.http.get(app.url("/payments")).header("accept", "text/html");
        assert_eq!(app.send(html).await.status, 406);
    })
    .await;
}

#[tokio::test]
async fn pages_and_their_links() {
    on_each_app(async |app| {
        for id in 1..=9 {
            let mut body = body(id);
            body["price"] = json!(100 - id);
            assert_eq!(app.post(&body).await.status, 201);
        }
        let page = app.get("/payments?page=1&size=2&sort=price,asc&sort=id").await.json();
        let prices: Vec<&Value> =
            page["_embedded"]["payments"].as_array().unwrap().iter().map(|p| &p["price"]).collect();
        assert_eq!(prices, [93, 94]);
        assert_eq!(page["page"], json!({"size": 2, "totalElements": 9, "totalPages": 5, "number": 1}));
        assert_eq!(page["_links"]["last"]["href"], app.url("/payments?page=4&size=2&sort=price,asc"));
        let last = app.get("/payments?page=4&size=2&sort=price,asc").await.json();
        assert_eq!(last["_embedded"]["payments"][0]["price"], 99);
        let beyond = app.get("/payments?page=99").await.json();
        assert_eq!(beyond["_embedded"]["payments"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn the_service_describes_itself() {
    on_each_app(async |app| {
        let root = app.get("/").await.json();
        assert_eq!(root["_links"]["payments"]["href"], app.url("/payments{?page,size,sort}"));
        let openapi = app.get("/openapi.json").await.json();
        assert!(openapi["openapi"].as_str().unwrap().starts_with("3.1"));
        for path in ["/payments", "/payments/{id}", "/payments/search/findByUserId"] {
            assert!(openapi["paths"][path]["get"].is_object(), "{path}");
        }
        app.post(&body(1)).await;
        let health = app.get("/actuator/health").await;
        assert_eq!(health.status, 200, "{}", health.text);
        assert_eq!(health.json()["components"]["provider"]["status"], "UP");
        let metrics = app.get("/actuator/prometheus").await.text;
        for name in ["payments_total", "payment_provider_seconds"] {
            assert!(metrics.contains(&format!("# HELP {name}")), "{name}");
        }
    })
    .await;
}
