//! The service as clients see it.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use events::reason;
use identity::{Mode, Role};
use proptest::prelude::*;
use support::app::{App, settings};
use support::facts::*;
use testkit::{Backend, Network, SOON, TcpProxy, TestDatabase, TestLog, TestUsers, eventually};

async fn tell(log: &TestLog, events: &[events::Envelope]) {
    log.publish(&events.iter().map(record).collect::<Vec<_>>()).await;
}

testkit::for_each_backend! {
    async fn the_story_of_a_reservation(db: TestDatabase) {
        let log = TestLog::new().await;
        let app = App::start(settings(&db, &log)).await;
        let empty = app.get("/myReservations").await.json();
        assert_eq!(empty["_embedded"]["myReservations"], serde_json::json!([]));
        assert_eq!(app.get("/myReservations/7").await.status, 404);

        tell(&log, &[paid(7), reserved(7), issued(7)]).await;
        app.shows(1).await;
        let item = app.get_with_token("/myReservations/7", "7.1").await;
        assert_eq!(item.header("content-type"), "application/hal+json");
        let tag = item.header("etag").to_string();
        let item = item.json();
        for (field, value) in [
            ("id", serde_json::json!(7)), ("status", "receipt_issued".into()),
            ("reservationStatus", "reservated".into()), ("paymentStatus", "paid".into()),
            ("receiptStatus", "receipt_issued".into()), ("paymentId", 1007.into()), ("receiptId", 2007.into()),
            ("userAddress", "seoul".into()), ("cardNo", "****-****-****-1234".into()),
            ("cancelReason", serde_json::Value::Null),
            ("createdAt", "2022-09-11T07:56:49.007+00:00".into()),
            ("expectedDeliveryAt", "2022-10-02T07:56:49.407+00:00".into()),
        ] {
            assert_eq!(item[field], value, "{field}");
        }
        let link = item["_links"]["myReservation"]["href"].as_str().unwrap();
        assert_eq!(link, app.url("/myReservations/7"));

        // Cancelled reservations stay, with their reason.
        tell(&log, &[cancelled(7, 2, reason::CANCELLED_BY_CUSTOMER), refunded(7), withdrawn(7)]).await;
        let item = app.get_with_token("/myReservations/7", "7.2").await.json();
        assert_eq!(item["status"], "reservation_cancelled");
        assert_eq!(item["cancelReason"], "cancelled_by_customer");
        eventually("all three are cancelled", SOON, async || {
            let item = app.get("/myReservations/7").await.json();
            item["paymentStatus"] == "payment_cancelled" && item["receiptStatus"] == "receipt_cancelled"
        })
        .await;
        let later = app.get("/myReservations/7").await.header("etag").to_string();
        assert!(later.starts_with('"') && later != tag, "{tag} {later}");
        let found = app.get(&format!("/myReservations/search/findByUserId?userId={}", user_of(7))).await.json();
        assert_eq!(found["page"]["totalElements"], 1);
        let metrics = app.get("/actuator/prometheus").await.text;
        assert!(metrics.contains("sagas{"), "{metrics}");
        app.stop().await;
    }

    async fn in_mode_required_everybody_sees_his_own_and_administrators_all(db: TestDatabase) {
        let log = TestLog::new().await;
        let users = TestUsers::default();
        let mut settings = settings(&db, &log);
        settings.shared.auth.mode = Mode::Required;
        let app = App::start_for(settings, &users).await;
        let (mine, strange) = (7, 8);
        tell(&log, &[paid(mine), reserved(mine), paid(strange), reserved(strange)]).await;
        let admin = users.bearer(100, &[Role::Admin]);
        let customer = users.bearer(user_of(mine), &[Role::Customer]);
        eventually("the view shows both", SOON, async || {
            app.get_as("/myReservations", &admin).await.json()["page"]["totalElements"] == 2
        })
        .await;

        let list = app.get_as("/myReservations?sort=createdAt,desc", &customer).await.json();
        assert_eq!(list["page"]["totalElements"], 1, "{list}");
        assert_eq!(list["_embedded"]["myReservations"][0]["id"], mine);
        for below in ["", "/timeline"] {
            for (id, status) in [(mine, 200), (strange, 403), (99, 404)] {
                let path = format!("/myReservations/{id}{below}");
                assert_eq!(app.get_as(&path, &customer).await.status, status, "{path}");
                let of_all = if id == 99 { 404 } else { 200 };
                assert_eq!(app.get_as(&path, &admin).await.status, of_all, "{path}");
                assert_eq!(app.get(&path).await.status, 401, "{path}");
            }
        }
        // A write of somebody else is nothing to wait for in order to read it.
        let path = app.url(&format!("/myReservations/{strange}"));
        let waiting = app.http.get(path).header("Authorization", &customer).header("X-Min-Version", format!("{strange}.1"));
        assert_eq!(app.send(waiting).await.status, 403);
        app.stop().await;
    }

    async fn the_timeline(db: TestDatabase) {
        let log = TestLog::new().await;
        let app = App::start(settings(&db, &log)).await;
        assert_eq!(app.get("/myReservations/3/timeline").await.status, 404);
        tell(&log, &[paid(3), reserved(3)]).await;
        let open = app.get_with_token("/myReservations/3/timeline", "3.1").await.json();
        assert_eq!(open["outcome"], "open");
        assert_eq!(open["waitingFor"], serde_json::json!(["ReceiptCreated"]));
        assert_eq!(open["endedAt"], serde_json::Value::Null);

        tell(&log, &whole_story(3)[2..]).await;
        let mut timeline = serde_json::Value::Null;
        eventually("all steps are there", SOON, async || {
            timeline = app.get("/myReservations/3/timeline").await.json();
            timeline["steps"].as_array().unwrap().len() == 6
        })
        .await;
        assert_eq!(timeline["outcome"], "cancelled");
        assert_eq!(timeline["durationMs"], 5_200);
        assert_eq!(timeline["cancelReason"], "cancelled_by_customer");
        let steps = timeline["steps"].as_array().unwrap();
        let named: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
        assert_eq!(named, [
            "PaymentCreated", "ReservationCreated", "ReceiptCreated", "ReservationCancelled", "PaymentCancelled",
            "ReceiptCancelled",
        ]);
        assert_eq!(steps[1]["traceId"], TRACE_ID);
        assert_eq!((steps[1]["afterMs"].as_i64(), steps[1]["durationMs"].as_i64()), (Some(500), Some(100)));
        let allowed = app.send(app.http.post(app.url("/myReservations/3/timeline"))).await;
        assert_eq!((allowed.status, allowed.header("allow")), (405, "GET, HEAD, OPTIONS"));
        app.stop().await;
    }

    /// One of the two reads the topic; the other's readers find the write all the same.
    async fn replicas_wait_for_each_other(db: TestDatabase) {
        let log = TestLog::new().await;
        let mut settings = settings(&db, &log);
        settings.own.read_your_writes.wait_ms = 10_000;
        let one = App::start(settings.clone()).await;
        let other = App::start(settings).await;
        for id in [1, 2, 3] {
            let token = format!("{id}.1");
            let path = format!("/myReservations/{id}");
            let telling = async {
                tokio::task::yield_now().await;
                tell(&log, &[reserved(id)]).await;
            };
            let (first, second, ()) =
                tokio::join!(one.get_with_token(&path, &token), other.get_with_token(&path, &token), telling);
            assert_eq!((first.status, second.status), (200, 200));
        }
        one.stop().await;
        other.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_written() {
    let (db, log) = (TestDatabase::sqlite(), TestLog::new().await);
    let app = App::start(settings(&db, &log)).await;
    for path in [
        "/myReservations",
        "/myReservations/1",
        "/myReservations/search",
        "/myReservations/search/findByUserId",
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let request = app.http.request(method, app.url(path)).header("content-type", "application/json");
            let answer = app.send(request.body("{}")).await;
            assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD, OPTIONS"), "{path}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
    let answer = app.send(app.http.head(app.url("/myReservations"))).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    let document = app.get("/openapi.json").await.json();
    assert!(document["paths"]["/myReservations/{id}/timeline"].is_object());
    assert_eq!(app.get("/").await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_waits_for_the_write_and_no_longer_than_allowed() {
    let (db, log) = (TestDatabase::sqlite(), TestLog::new().await);
    let mut settings = settings(&db, &log);
    settings.own.read_your_writes.wait_ms = 10_000;
    let app = App::start(settings.clone()).await;
    // The token is shown before the fact is told.
    for path in ["/myReservations/5", "/myReservations", "/myReservations/search/findByUserId?userId=6"] {
        let waiting = app.get_with_token(path, "5.1");
        let telling = async {
            tokio::task::yield_now().await;
            tell(&log, &[reserved(5)]).await;
        };
        let (answer, ()) = tokio::join!(waiting, telling);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text.contains("\"seoul\""), "{path}: {}", answer.text);
    }
    app.stop().await;

    settings.own.read_your_writes.wait_ms = 200;
    settings.own.read_your_writes.max_waiting = 1;
    let app = App::start(settings).await;
    let asked = Instant::now();
    let answer = app.get_with_token("/myReservations/5", "5.2").await;
    assert!(asked.elapsed() >= Duration::from_millis(200));
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(app.get("/myReservations/5").await.status, 200);
    for wrong in ["5", "5.0", "x.1", "-5.1", "5.1, 6.1", "", "5.1.1"] {
        let answer = app.get_with_token("/myReservations/5", wrong).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
    // One waits; the second is told at once that there is no room.
    let (one, other) = tokio::join!(
        app.get_with_token("/myReservations", "5.9"),
        app.get_with_token("/myReservations", "6.9")
    );
    assert_eq!((one.status, other.status), (503, 503));
    assert!(one.text.contains("Too many") != other.text.contains("Too many"), "{} {}", one.text, other.text);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_set_aside_and_the_rest_goes_on() {
    let (db, log) = (TestDatabase::sqlite(), TestLog::new().await);
    let app = App::start(settings(&db, &log)).await;
    let text = |key: i64, text: &str| testkit::record(TOPIC, key, text);
    let zero = String::from_utf8(reserved(12).payload).unwrap().replace("\"version\":1", "\"version\":0");
    let nul = String::from_utf8(reserved(13).payload).unwrap().replace("seoul", "se\\u0000ul");
    let open =
        String::from_utf8(reserved(14).payload).unwrap().replace("****-****-****-1234", "4111111111111234");
    log.publish(&[
        text(10, "no json"),
        text(11, "{\"eventType\":\"ReservationCreated\"}"),
        text(12, &zero),
        text(13, &nul),
        text(14, &open),
        text(15, "{\"eventType\":\"CourierSent\",\"timestamp\":1}"),
        record(&reserved(16)),
    ])
    .await;
    app.shows(2).await;
    eventually("the four are dead letters", SOON, async || {
        let letters = app.get("/actuator/deadletters").await.json();
        letters["deadLetters"].as_array().is_some_and(|letters| letters.len() == 4)
    })
    .await;
    let item = app.get("/myReservations/14").await.json();
    assert_eq!(item["cardNo"], "****-****-****-1234");

    // An operator works them off.
    let letters = app.get("/actuator/deadletters").await.json();
    assert_eq!((&letters["dead"], &letters["waiting"]), (&4.into(), &0.into()));
    let first = letters["deadLetters"][0]["id"].as_i64().unwrap();
    let others = app.get(&format!("/actuator/deadletters/after/{first}")).await.json();
    assert_eq!(others["deadLetters"].as_array().unwrap().len(), 3);
    log.publish(&[record(&reserved(10))]).await;
    eventually("the sound one waits", SOON, async || {
        app.get("/actuator/deadletters").await.json()["waiting"] == 1
    })
    .await;
    let id = app.get("/actuator/deadletters").await.json()["deadLetters"][4]["id"].as_i64().unwrap();
    let one = format!("/actuator/deadletters/{id}");
    assert_eq!(app.post_json(&one, r#"{"action":"discard"}"#).await.status, 409);
    for vague in [
        r#"{"action":"discard"}"#,
        r#"{"action":"discard","all":true,"key":"1"}"#,
        r#"{"action":"discard","resaon":"x"}"#,
    ] {
        assert_eq!(app.post_json("/actuator/deadletters", vague).await.status, 400, "{vague}");
    }
    let asked = app.post_json("/actuator/deadletters", r#"{"action":"discard","all":true}"#).await;
    assert_eq!(asked.json()["requested"], 4);
    app.shows(3).await;
    app.stop().await;
}

/// What a stranger may send.
fn request() -> impl Strategy<Value = (String, String, Option<String>, Option<String>)> {
    let word = || prop_oneof!["[a-zA-Z0-9,._%+=-]{0,24}", "-?[0-9]{1,22}", Just("id,desc".to_owned())];
    let path = prop_oneof![
        Just("/myReservations".to_owned()),
        "/myReservations/[a-z0-9.%2F-]{1,24}",
        "/myReservations/-?[0-9]{1,22}(/timeline)?/?",
        "/myReservations/search(/[a-zA-Z]{0,12})?",
        Just("/myReservations/search/findByUserId".to_owned()),
    ];
    let parameter = (prop::sample::select(vec!["page", "size", "sort", "userId", "x"]), word());
    let query = prop::collection::vec(parameter, 0..4).prop_map(|all| {
        all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    });
    let accept = prop::option::of(prop_oneof!["[ -~]{0,30}", Just("application/json".to_owned())]);
    (path, query, accept, prop::option::of("[ -~]{0,24}"))
}

#[test]
fn nonsense_is_refused_and_never_our_fault() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (app, _db, _log) = runtime.block_on(async {
        let (db, log) = (TestDatabase::sqlite(), TestLog::new().await);
        let mut settings = settings(&db, &log);
        settings.own.read_your_writes.wait_ms = 0;
        (App::start(settings).await, db, log)
    });
    proptest!(ProptestConfig::with_cases(400), |((path, query, accept, token) in request())| {
        let mut request = app.http.get(format!("{}?{query}", app.url(&path)));
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        if let Some(token) = token {
            request = request.header("x-min-version", token);
        }
        let answer = runtime.block_on(app.send(request));
        // 503 only where a well-formed token asked for what nobody has written.
        prop_assert!(
            matches!(answer.status, 200 | 400 | 404 | 406) || (answer.status == 503 && answer.text.contains("X-Min-Version")),
            "{} {}", answer.status, answer.text
        );
        if answer.status != 200 {
            prop_assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    });
    runtime.block_on(app.stop());
}

/// Each way to read says whose fault it is, and when to come again.
#[test]
fn on_postgres_nothing_that_cannot_be_read_is_a_defect() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let log = TestLog::new().await;
        let proxy = TcpProxy::to(db.server().unwrap()).await;
        let mut settings = settings(&db, &log);
        settings.shared.database =
            storage::DatabaseSettings { acquire_timeout_ms: 500, ..db.settings_through(proxy.address()) };
        let app = App::start(settings).await;
        tell(&log, &[reserved(7), paid(7), issued(7)]).await;
        app.shows(1).await;
        let paths = [
            "/myReservations",
            "/myReservations?sort=price,desc&page=3",
            "/myReservations/7",
            "/myReservations/7/timeline",
            "/myReservations/search/findByUserId?userId=1",
        ];
        proxy.set(Network::Resets).await;
        for path in paths {
            let refused = app.get(path).await;
            assert_eq!(
                (refused.status, refused.header("retry-after")),
                (503, "1"),
                "{path}: {}",
                refused.text
            );
        }
        eventually("health says so", SOON, async || app.get("/actuator/health/db").await.status == 503).await;
        assert_eq!(app.get("/actuator/health/readiness").await.status, 200);
        proxy.set(Network::Passes).await;
        for path in paths {
            eventually("it is read again", SOON, async || app.get(path).await.status == 200).await;
        }
        eventually("health is up", SOON, async || app.get("/actuator/health").await.status == 200).await;
        app.stop().await;
    });
}
