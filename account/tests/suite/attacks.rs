//! Guessing, floods, and secrets that must show up nowhere.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use sqlx::Row as _;
use testkit::{SOON, TestDatabase, TestLog, eventually};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::support::app::{App, settings};
use crate::support::{PASSWORD, Stores};

testkit::for_each_backend! {
    async fn fifty_sign_ups_of_one_address_at_once(db: TestDatabase) {
        let log = TestLog::new().await;
        let app = App::start(settings(&db, &log)).await;
        // The same address in several spellings.
        let spellings = ["jos\u{e9}@shop.example", "jose\u{301}@shop.example", "JOS\u{c9}@SHOP.EXAMPLE"];
        let all = join_all((0..50).map(|n: usize| {
            let mut client = app.client();
            let body = json!({"email": spellings[n % 3], "password": PASSWORD});
            async move { client.post("/users/signup", &body).await.status }
        }));
        let statuses = all.await;
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [201, 409, 503].contains(status)), "{statuses:?}");
        app.stop().await;
    }

    async fn who_guesses_an_address_waits(db: TestDatabase) {
        let log = TestLog::new().await;
        let mut settings = settings(&db, &log);
        settings.own.throttle.failures_per_address = 3;
        settings.own.throttle.window_ms = 3_600_000;
        // Two replicas count together.
        let replicas = [App::start(settings.clone()).await, App::start(settings).await];
        let (_, id) = replicas[0].user("kim@shop.example").await;
        for replica in [0, 1, 0] {
            assert_eq!(replicas[replica].client().sign_in("kim@shop.example", "a wrong one").await.status, 401);
        }
        for replica in &replicas {
            let answer = replica.client().sign_in("kim@shop.example", PASSWORD).await;
            assert_eq!(answer.status, 429, "{}", answer.text);
            let wait: u64 = answer.header("retry-after").parse().unwrap();
            assert!((3_500..=3_600).contains(&wait), "{wait}");
        }
        // Nobody learns whether there is such an address.
        for _ in 0..3 {
            assert_eq!(replicas[0].client().sign_in("nobody@shop.example", "a wrong one").await.status, 401);
        }
        assert_eq!(replicas[0].client().sign_in("nobody@shop.example", "a wrong one").await.status, 429);
        let stores = Stores::open(&db).await;
        let subjects: Vec<(String,)> =
            sqlx::query_as("SELECT subject FROM attempts").fetch_all(stores.database.reader()).await.unwrap();
        assert!(subjects.iter().all(|(subject,)| !subject.contains("shop") && !subject.contains("127")), "{subjects:?}");
        // Time passes.
        sqlx::query("UPDATE attempts SET began_at = began_at - 3600000")
            .execute(stores.database.writer().await.unwrap()).await.unwrap();
        let mut kim = replicas[1].client();
        assert_eq!(kim.sign_in("kim@shop.example", PASSWORD).await.status, 200);
        assert_eq!(kim.current_user().await["id"], id);
        for replica in replicas {
            replica.stop().await;
        }
    }

    async fn who_guesses_many_addresses_waits_and_others_do_not(db: TestDatabase) {
        let log = TestLog::new().await;
        let mut settings = settings(&db, &log);
        settings.own.throttle.failures_per_client = 4;
        settings.own.throttle.sign_ups_per_client = 2;
        let app = App::start(settings).await;
        app.user("kim@shop.example").await;
        let mut guesser = app.client();
        guesser.forwarded_for = Some("203.0.113.7".into());
        for n in 0..4 {
            assert_eq!(guesser.sign_in(&format!("user{n}@shop.example"), "a wrong one").await.status, 401);
        }
        assert_eq!(guesser.sign_in("kim@shop.example", PASSWORD).await.status, 429);
        let mut neighbour = app.client();
        neighbour.forwarded_for = Some("203.0.113.8".into());
        assert_eq!(neighbour.sign_in("kim@shop.example", PASSWORD).await.status, 200);
        for (n, status) in [(0, 201), (1, 201), (2, 429)] {
            let body = json!({"email": format!("new{n}@shop.example"), "password": PASSWORD});
            assert_eq!(guesser.post("/users/signup", &body).await.status, status);
        }
        // Also of those who come at once.
        let at_once = futures::future::join_all((0..12).map(|n| {
            let mut client = app.client();
            client.forwarded_for = Some("203.0.113.9".into());
            let body = json!({"email": format!("once{n}@shop.example"), "password": PASSWORD});
            async move { client.post("/users/signup", &body).await.status }
        }));
        let mut at_once = at_once.await;
        at_once.sort_unstable();
        assert_eq!(at_once, [&[201; 2][..], &[429; 10]].concat());
        app.stop().await;
    }

    /// More guesses at once than are allowed: no more than those who have a turn are looked at.
    async fn a_burst_of_guesses_gets_no_further(db: TestDatabase) {
        let log = TestLog::new().await;
        let mut settings = settings(&db, &log);
        settings.own.throttle.failures_per_address = 5;
        settings.own.passwords.at_once = 2;
        settings.own.passwords.waiting = 1_000;
        let app = App::start(settings).await;
        app.user("kim@shop.example").await;
        let guesses = join_all((0..60).map(|n| {
            let mut client = app.client();
            async move { client.sign_in("kim@shop.example", &format!("guess number {n}")).await.status }
        }));
        let statuses = guesses.await;
        let looked_at = statuses.iter().filter(|status| **status == 401).count();
        assert!((5..=7).contains(&looked_at), "{looked_at}: {statuses:?}");
        assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
        app.stop().await;
    }

    async fn a_flood_is_answered_503_and_the_service_goes_on(db: TestDatabase) {
        let log = TestLog::new().await;
        let mut settings = settings(&db, &log);
        settings.own.passwords = account::settings::PasswordSettings {
            memory_kib: 19_456, passes: 2, lanes: 1, at_once: 1, waiting: 2,
        };
        settings.own.throttle.failures_per_client = 1_000;
        let app = App::start(settings).await;
        app.user("kim@shop.example").await;
        let flood = join_all((0..40).map(|n| {
            let mut client = app.client();
            async move { client.sign_in(&format!("user{n}@shop.example"), "a wrong one").await }
        }));
        let mut other = app.client();
        let (answers, keys) = futures::future::join(flood, other.get("/.well-known/jwks.json")).await;
        assert_eq!(keys.status, 200);
        let busy: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
        assert!(!busy.is_empty() && answers.iter().any(|answer| answer.status == 401));
        assert!(answers.iter().all(|answer| [401, 503].contains(&answer.status)));
        assert!(busy.iter().all(|answer| answer.header("retry-after") == "1"));
        assert_eq!(app.client().sign_in("kim@shop.example", PASSWORD).await.status, 200);
        app.stop().await;
    }

    async fn a_hash_of_old_parameters_is_renewed(db: TestDatabase) {
        let log = TestLog::new().await;
        let mut settings = settings(&db, &log);
        let app = App::start(settings.clone()).await;
        app.user("kim@shop.example").await;
        app.stop().await;
        settings.own.passwords.memory_kib = 128;
        let app = App::start(settings).await;
        let stores = Stores::open(&db).await;
        let hash = async || -> String {
            sqlx::query_scalar("SELECT password_hash FROM users").fetch_one(stores.database.reader()).await.unwrap()
        };
        assert!(hash().await.contains("m=64,"));
        assert_eq!(app.client().sign_in("kim@shop.example", "a wrong one").await.status, 401);
        assert!(hash().await.contains("m=64,"));
        assert_eq!(app.client().sign_in("kim@shop.example", PASSWORD).await.status, 200);
        assert!(hash().await.starts_with("$argon2id$v=19$m=128,t=1,p=1$"));
        assert_eq!(app.client().sign_in("kim@shop.example", PASSWORD).await.status, 200);
        app.stop().await;
    }

    async fn what_no_client_of_ours_sends(db: TestDatabase) {
        let log = TestLog::new().await;
        let app = App::start(settings(&db, &log)).await;
        let (kim, id) = app.user("kim@shop.example").await;
        let huge = json!({"email": "lee@shop.example", "password": "x".repeat(10_000_000)}).to_string();
        let longest = "\u{1f600}".repeat(128);
        let mut client = app.client();
        assert_eq!(client.send(Method::POST, "/users/signup", Some(huge.into_bytes())).await.status, 413);
        let body = json!({"email": "lee@shop.example", "password": longest});
        assert_eq!(client.post("/users/signup", &body).await.status, 201);
        assert_eq!(app.client().sign_in("lee@shop.example", &longest).await.status, 200);
        assert_eq!(app.client().sign_in("lee@shop.example", &longest[4..]).await.status, 401);
        // A password is one whichever way its letters are composed, and keeps its white space.
        let body = json!({"email": "park@shop.example", "password": " cafe\u{301} au lait "});
        assert_eq!(app.client().post("/users/signup", &body).await.status, 201);
        assert_eq!(app.client().sign_in("park@shop.example", " caf\u{e9} au lait ").await.status, 200);
        assert_eq!(app.client().sign_in("park@shop.example", "caf\u{e9} au lait").await.status, 401);

        let refresh = kim.cookie("refresh").unwrap().to_owned();
        let mut twice = kim.clone();
        twice.cookies.insert("refresh".into(), ("/users".into(), format!("{refresh}; refresh={refresh}")));
        assert_eq!(twice.post_nothing("/users/refresh").await.status, 400);
        for made_up in ["", "x", &"A".repeat(64), &format!("{refresh}A"), &"A".repeat(20_000)] {
            let mut other = kim.clone();
            other.cookies.insert("refresh".into(), ("/users".into(), made_up.to_owned()));
            let status = other.post_nothing("/users/refresh").await.status;
            assert!([400, 401, 431].contains(&status), "{} bytes: {status}", made_up.len());
        }
        // None of this ended the session.
        let mut kim = kim;
        assert_eq!(kim.post_nothing("/users/refresh").await.status, 204);
        assert_eq!(kim.current_user().await["id"], id);
        app.stop().await;
    }

    /// The canary: a password and the tokens of a session are in no table, topic, line of the log, or field of a span, of which
    /// traces are made.
    async fn no_secret_is_left_anywhere(db: TestDatabase) {
        let written = LINES.clone();
        let canary = "the canary of passwords";
        let log = TestLog::new().await;
        let app = App::start(settings(&db, &log)).await;
        let mut kim = app.client();
        let body = json!({"email": "canary-bird@shop.example", "password": canary});
        assert_eq!(kim.post("/users/signup", &body).await.status, 201);
        let mut secrets = vec![canary.to_owned()];
        let mut remember = |client: &crate::support::client::Client| {
            secrets.push(client.cookie("session").unwrap().to_owned());
            secrets.push(client.cookie("refresh").unwrap().to_owned());
        };
        remember(&kim);
        assert_eq!(kim.post_nothing("/users/refresh").await.status, 204);
        remember(&kim);
        assert_eq!(kim.sign_in("canary-bird@shop.example", canary).await.status, 200);
        remember(&kim);
        assert_eq!(kim.sign_in("canary-bird@shop.example", &format!("{canary}!")).await.status, 401);
        assert_eq!(kim.post("/users/signup", &json!({"email": canary, "password": [canary]})).await.status, 400);
        eventually("it is told", SOON, async || !log.records("account").await.is_empty()).await;
        app.stop().await;

        let stores = Stores::open(&db).await;
        let mut places = vec![("topic", log.payloads("account").await.join("\n"))];
        for table in ["users", "refresh_family", "attempts", "signing_key", "outbox"] {
            let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT * FROM {table}")))
                .fetch_all(stores.database.reader()).await.unwrap();
            let mut text = String::new();
            for row in &rows {
                for column in 0..row.len() {
                    let bytes = row.try_get::<Option<Vec<u8>>, _>(column).ok().flatten().unwrap_or_default();
                    let string = row.try_get::<Option<String>, _>(column).ok().flatten().unwrap_or_default();
                    text += &String::from_utf8_lossy(&bytes);
                    text += &string;
                }
            }
            places.push((table, text));
        }
        let lines = written.text();
        assert!(lines.contains("sign-in") && lines.contains("c***@shop.example"), "the audit's lines are there");
        assert!(!lines.contains("canary-bird@"), "no address in full");
        places.push(("log", lines));
        for (place, text) in places {
            for secret in &secrets {
                // A part of a token is as bad; its head and claims say nothing.
                let part = secret.rsplit('.').next().unwrap();
                assert!(!text.contains(part), "{place}");
            }
        }
    }
}

/// All that this process logs, with every span that begins and its fields.
static LINES: LazyLock<Written> = LazyLock::new(|| {
    let written = Written::default();
    let lines = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_writer(move || lines.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("no other test listens to the log");
    written
});

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
