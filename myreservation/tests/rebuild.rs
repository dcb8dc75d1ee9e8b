//! The view built anew beside the live one, and put in its place.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use chassis::SharedSettings;
use myreservation::inbound::cli::rebuild;
use myreservation::outbound::sql::SqlShadow;
use myreservation::use_cases::ports::{Positions, Shadow, Swap, View};
use myreservation::use_cases::rebuild::{Options, RebuildError};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use storage::{ListQuery, Readable as _};
use support::app::{App, settings};
use support::facts::*;
use support::{MIGRATED, Store};
use testkit::{SOON, TestDatabase, TestLog, eventually};

async fn tell(log: &TestLog, ids: impl Iterator<Item = i64>) {
    let records: Vec<_> = ids.flat_map(whole_story).map(|event| record(&event)).collect();
    log.publish(&records).await;
}

/// Until the consumer has read everything.
async fn settled(store: &Store, log: &TestLog) {
    let end = log.records(TOPIC).await.len() as i64;
    eventually("the consumer has read everything", SOON, async || {
        let next: Option<i64> = sqlx::query_scalar("SELECT next_offset FROM inbox_position WHERE topic = $1")
            .bind(TOPIC)
            .fetch_optional(store.database.reader())
            .await
            .unwrap();
        next == Some(end)
    })
    .await;
}

async fn total(store: &Store) -> i64 {
    store.view.list(&ListQuery { limit: 1, ..ListQuery::default() }).await.unwrap().1
}

const VERIFY: Options = Options { verify: true, force: false };
const FORCE: Options = Options { verify: true, force: true };

fn silent(_: i64, _: i64) {}

testkit::for_each_backend! {
    async fn a_sound_view_is_rebuilt_the_same_again_and_again(db: TestDatabase) {
        let log = TestLog::new().await;
        let settings = settings(&db, &log);
        let app = App::start(settings.clone()).await;
        let store = Store::open(&db).await;
        tell(&log, 1..=300).await;
        settled(&store, &log).await;
        let index_names = async || -> BTreeSet<String> {
            let text = match store.database.dialect() {
                storage::Dialect::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
                storage::Dialect::Postgres => "SELECT CAST(indexname AS TEXT) FROM pg_indexes WHERE tablename = 'my_reservation'",
            };
            let names: Vec<String> =
                sqlx::query_scalar(text).fetch_all(store.database.reader()).await.unwrap();
            names.into_iter().filter(|name| name.starts_with("my_reservation_") && !name.contains("pkey")).collect()
        };
        let first = index_names().await;
        assert_eq!(first.len(), 6, "{first:?}");
        for _ in 0..2 {
            let report = rebuild(&settings.shared, VERIFY, &silent).await.unwrap();
            assert_eq!((report.records, report.unreadable), (1800, 0));
            assert_eq!(report.differences, Some((Vec::new(), 0)));
            assert_eq!(total(&store).await, 300);
            store.assert_ranges_are_counted().await;
        }
        assert_eq!(index_names().await, first);
        // The service goes on with the new tables, and the counters with it.
        tell(&log, 301..=310).await;
        settled(&store, &log).await;
        assert_eq!(total(&store).await, 310);
        assert_eq!(app.get("/myReservations/310").await.status, 200);
        let sagas = store.view.sagas(0).await.unwrap();
        assert_eq!(sagas.by_outcome.values().sum::<i64>(), 310);
        store.assert_ranges_are_counted().await;
        app.stop().await;
    }

    async fn a_damaged_view_is_told_of_and_healed(db: TestDatabase) {
        let log = TestLog::new().await;
        let settings = settings(&db, &log);
        let app = App::start(settings.clone()).await;
        let store = Store::open(&db).await;
        tell(&log, 1..=20).await;
        log.publish(&[testkit::record(TOPIC, 99, "no fact")]).await;
        settled(&store, &log).await;
        for damage in [
            "UPDATE my_reservation SET price = 0 WHERE id = 3",
            "DELETE FROM my_reservation WHERE id = 4",
            "INSERT INTO my_reservation (id, user_id, product_id, product_name, price, created_at) VALUES (77, 1, 1, 'x', 1, 1)",
            "DELETE FROM my_reservation_step WHERE reservation_id = 5",
        ] {
            sqlx::query(damage).execute(store.database.writer().await.unwrap()).await.unwrap();
        }
        // Reservation 77 would vanish: nobody knows that it is damage and no loss of the topic.
        let (objections, count) = refused(&settings.shared, VERIFY).await;
        assert_eq!((objections, count), (vec!["1 reservations would vanish".to_owned()], Some(4)));
        assert_eq!(total(&store).await, 20);
        let report = rebuild(&settings.shared, FORCE, &silent).await.unwrap();
        assert_eq!(report.unreadable, 1);
        let (shown, count) = report.differences.unwrap();
        let found: Vec<_> =
            shown.iter().map(|d| (d.table, d.reservation_id, d.in_old, d.in_new)).collect();
        assert_eq!(found, [
            ("my_reservation", 3, true, true), ("my_reservation", 4, false, true), ("my_reservation", 77, true, false),
            ("my_reservation_step", 5, false, true),
        ]);
        assert_eq!(count, 4);
        assert_eq!(store.view.item(3).await.unwrap().unwrap().purchase.price, price_of(3));
        assert_eq!(total(&store).await, 20);
        app.stop().await;
    }

    async fn nothing_that_is_told_meanwhile_is_lost(db: TestDatabase) {
        let log = TestLog::new().await;
        let settings = settings(&db, &log);
        let app = App::start(settings.clone()).await;
        let store = Store::open(&db).await;
        tell(&log, 1..=400).await;
        settled(&store, &log).await;
        let rebuilt = AtomicBool::new(false);
        let last = tokio::join!(
            async {
                for _ in 0..2 {
                    let report = rebuild(&settings.shared, VERIFY, &silent).await.unwrap();
                    assert_eq!(report.differences, Some((Vec::new(), 0)));
                }
                rebuilt.store(true, Ordering::Release);
            },
            async {
                let mut id = 400;
                while !rebuilt.load(Ordering::Acquire) {
                    tell(&log, id + 1..=id + 5).await;
                    id += 5;
                    // Reads go on, and the live view does.
                    assert_eq!(app.get("/myReservations/1").await.status, 200);
                    eventually("the live view follows", SOON, async || {
                        store.view.reservation_version(id).await.unwrap() == 2
                    })
                    .await;
                }
                id
            }
        ).1;
        settled(&store, &log).await;
        assert_eq!(total(&store).await, last);
        for id in [1, 401, last / 2, last] {
            assert_eq!(store.view.steps(id).await.unwrap().len(), 6, "{id}");
        }
        app.stop().await;
    }

    async fn of_two_rebuilds_only_the_later_one_may_swap(db: TestDatabase) {
        let database = db.open(&MIGRATED).await;
        let first = SqlShadow::new(database.clone(), TOPIC.into());
        first.create().await.unwrap();
        assert!(first.report(1, 2).await.unwrap());
        let second = SqlShadow::new(database.clone(), TOPIC.into());
        second.create().await.unwrap();
        assert!(!first.report(1, 2).await.unwrap());
        let mut tx = first.begin().await.unwrap();
        assert_eq!(first.swap(&mut tx, &Positions::new()).await.unwrap(), Swap::TakenOver);
        tx.rollback().await.unwrap();
        first.discard().await.unwrap();
        second.build_indexes().await.unwrap();
        let mut tx = second.begin().await.unwrap();
        let held = second.hold_live(&mut tx).await.unwrap();
        assert_eq!(second.swap(&mut tx, &held).await.unwrap(), Swap::Done);
        tx.commit().await.unwrap();
        let (view, _) = myreservation::outbound::sql::adapters(&database);
        assert_eq!(view.rebuild_progress().await.unwrap(), None);
    }

    async fn a_partition_that_appears_during_the_swap_stops_it(db: TestDatabase) {
        let database = db.open(&MIGRATED).await;
        let shadow = SqlShadow::new(database.clone(), TOPIC.into());
        shadow.create().await.unwrap();
        let mut tx = shadow.begin().await.unwrap();
        let held = shadow.hold_live(&mut tx).await.unwrap();
        sqlx::query("INSERT INTO inbox_position (topic, log_partition, owner, next_offset) VALUES ($1, 5, 'x', 3)")
            .bind(TOPIC)
            .execute(&mut *tx)
            .await
            .unwrap();
        assert_eq!(shadow.swap(&mut tx, &held).await.unwrap(), Swap::Moved);
    }
}

/// Objections, and how many differences were found where they were asked for.
async fn refused(settings: &SharedSettings, options: Options) -> (Vec<String>, Option<i64>) {
    let error = rebuild(settings, options, &silent).await.unwrap_err();
    match error.downcast_ref() {
        Some(RebuildError::Poorer { objections, differences }) => {
            (objections.clone(), differences.as_ref().map(|(_, count)| *count))
        }
        _ => panic!("{error}"),
    }
}

/// What `kafka-delete-records`, a compacting topic, a recreated one, and a restored older one leave of the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_lost_something_does_not_replace_a_sound_view() {
    for (damage, objection) in [
        ("DELETE FROM record WHERE position < 30", "partition 0 begins at 30, not at 0"),
        ("DELETE FROM record WHERE position BETWEEN 40 AND 44", "5 records are missing"),
        ("DELETE FROM record WHERE position BETWEEN 112 AND 119", "8 records are missing"),
        (
            "UPDATE record SET timestamp_ms = 7 WHERE position = 119",
            "record 119 of partition 0 is not the one",
        ),
    ] {
        let (db, log) = (TestDatabase::sqlite(), TestLog::new().await);
        let settings = settings(&db, &log);
        let app = App::start(settings.clone()).await;
        let store = Store::open(&db).await;
        tell(&log, 1..=20).await;
        settled(&store, &log).await;
        app.stop().await;
        let mut file =
            SqliteConnection::connect(&format!("sqlite://{}", log.path().display())).await.unwrap();
        // More is told behind, so that the topic is no shorter.
        tell(&log, 21..=21).await;
        sqlx::query(damage).execute(&mut file).await.unwrap();
        for options in [Options::default(), VERIFY] {
            let (objections, _) = refused(&settings.shared, options).await;
            assert!(objections.iter().any(|said| said.contains(objection)), "{damage}: {objections:?}");
            assert_eq!(total(&store).await, 20, "{damage}");
            assert_eq!(store.view.rebuild_progress().await.unwrap(), None);
        }
        let report = rebuild(&settings.shared, FORCE, &silent).await.unwrap();
        assert!(!report.objections.is_empty());
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM record WHERE position < 120")
            .fetch_one(&mut file)
            .await
            .unwrap();
        assert_eq!(report.records, left, "{damage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_shorter_than_what_was_read_is_said_at_once() {
    let (db, log) = (TestDatabase::sqlite(), TestLog::new().await);
    let settings = settings(&db, &log);
    let app = App::start(settings.clone()).await;
    let store = Store::open(&db).await;
    tell(&log, 1..=20).await;
    settled(&store, &log).await;
    app.stop().await;
    let mut file = SqliteConnection::connect(&format!("sqlite://{}", log.path().display())).await.unwrap();
    sqlx::query("DELETE FROM record WHERE position >= 100").execute(&mut file).await.unwrap();
    let error = rebuild(&settings.shared, FORCE, &silent).await.unwrap_err();
    assert!(error.to_string().contains("ends at 100, and was read up to 120"), "{error}");
    assert_eq!(total(&store).await, 20);
}

/// A log that has lost what the live view was made of.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_rebuild_leaves_the_view_as_it_was() {
    let (db, log) = (TestDatabase::sqlite(), TestLog::new().await);
    let mut settings = settings(&db, &log);
    let store = Store::open(&db).await;
    store.apply(&received(&whole_story(1))).await;
    settings.shared.event_log.url = "sqlite:///proc/no/such.db".into();
    assert!(rebuild(&settings.shared, Options::default(), &silent).await.is_err());
    assert!(store.view.item(1).await.unwrap().is_some());
    assert_eq!(store.view.rebuild_progress().await.unwrap(), None);
}
