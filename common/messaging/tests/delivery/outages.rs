//! A database or a log that is away is nobody's fault.

use std::sync::Arc;
use std::time::Duration;

use messaging::local::LocalLog;
use messaging::{Relay, RelayStatus};
use sqlx::{Connection, Executor, SqliteConnection};
use storage::Database;
use testkit::{Backend, Network, SOON, TcpProxy, TestDatabase, eventually, record, until};

use crate::handler::Fault;
use crate::rig::{EFFECTS, Rig, Running, TOPIC, texts};

testkit::for_each_backend! {
    async fn nothing_is_set_aside_while_the_database_is_away_and_the_stall_shows(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.handler.set(3, Fault::Away);
        rig.publish((0..10).map(|n| (n, n))).await;
        let (consumer, status) = rig.consume();
        let mut longest = Duration::ZERO;
        eventually("it was tried often", SOON, async || {
            if let Some((since, why)) = status.stalled() {
                assert!(why.contains("timed out"), "{why}");
                assert!(since >= longest, "the stall seems to begin anew with each try");
                longest = since;
            }
            rig.handler.tries(3) >= 10
        })
        .await;
        assert!(longest > Duration::ZERO);
        assert_eq!(rig.aside().await, []);
        assert_eq!(rig.effects().await, texts([]));
        rig.handler.heal(3);
        assert_eq!(rig.effects_come(10).await, texts(0..10));
        eventually("the stall is over", SOON, async || status.stalled().is_none()).await;
        consumer.stop().await;
    }

    async fn stopping_does_not_wait_until_the_database_is_back(db: TestDatabase) {
        let mut rig = Rig::new(db).await;
        rig.settings.longest_backoff_ms = 3_600_000;
        rig.handler.set(1, Fault::Away);
        rig.publish([(1, 1)]).await;
        let (consumer, status) = rig.consume();
        eventually("stalled", SOON, async || status.stalled().is_some()).await;
        consumer.stop().await;
    }

    async fn stopping_does_not_wait_until_a_record_was_tried_often_enough(db: TestDatabase) {
        let mut rig = Rig::new(db).await;
        rig.settings.attempts = 1_000_000;
        rig.settings.longest_backoff_ms = 3_600_000;
        rig.handler.set(1, Fault::BadStatement);
        rig.publish([(1, 1)]).await;
        let (consumer, _) = rig.consume();
        eventually("tried", SOON, async || rig.handler.tries(1) >= 3).await;
        consumer.stop().await;
        assert_eq!(rig.aside().await, []);
    }

    async fn while_the_log_is_away_the_relay_says_so(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let status = RelayStatus::default();
        let relay = Relay::new("test", rig.outbox.clone(), rig.log.log()).with_status(status.clone());
        let relay = Running::spawn(|stop| relay.run(stop));
        rig.log.faults().go_away();
        rig.commit([(1, 0)]).await;
        let (_, why) = until("it fails", SOON, async || status.failing()).await;
        assert!(why.contains("did not acknowledge"), "{why}");
        rig.log.faults().come_back();
        eventually("it goes on", SOON, async || status.failing().is_none()).await;
        assert_eq!(rig.log.records(TOPIC).await.len(), 1);
        relay.stop().await;
    }

    async fn while_the_log_is_away_the_consumer_waits_and_is_not_at_fault(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let (consumer, status) = rig.consume();
        rig.publish([(1, 0)]).await;
        rig.effects_come(1).await;
        rig.log.faults().go_away();
        rig.publish((1..20).map(|n| (n, n))).await;
        rig.log.faults().come_back();
        assert_eq!(rig.effects_come(20).await, texts(0..20));
        assert!(status.stalled().is_none());
        consumer.stop().await;
    }
}

#[test]
fn on_postgres_an_outage_of_the_server_loses_and_doubles_nothing() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let proxy = TcpProxy::to(db.server().unwrap()).await;
        let settings =
            storage::DatabaseSettings { acquire_timeout_ms: 300, ..db.settings_through(proxy.address()) };
        let direct = db.open(&[messaging::MIGRATIONS, EFFECTS]).await;
        let through = Database::open(&settings, &[]).await.unwrap();
        let rig = Rig::on(db, direct).await;
        let outbox = messaging::Outbox::new(through);
        let (consumer, status) = rig.consume_from(rig.log.log(), outbox.clone());
        let relay = rig.relay_to(rig.log.log(), outbox, Duration::from_secs(3));
        let mut published = 0;
        for _ in 0..5 {
            rig.publish((published..published + 100).map(|n| (n % 7, n))).await;
            published += 100;
            rig.effects_come(published - 50).await;
            proxy.set(Network::Resets).await;
            rig.publish((published..published + 10).map(|n| (n % 7, n))).await;
            published += 10;
            eventually("the stall shows", SOON, async || status.stalled().is_some()).await;
            proxy.set(Network::Passes).await;
        }
        assert_eq!(rig.effects_come(published).await, texts(0..published));
        eventually("the stall is over", SOON, async || status.stalled().is_none()).await;
        assert_eq!(rig.aside().await, []);
        eventually("all is published", SOON, async || rig.count("outbox").await == 0).await;
        consumer.stop().await;
        relay.stop().await;
    });
}

/// It subscribes anew each time, is assigned what it had, and cannot read it.
#[test]
fn while_the_log_cannot_be_read_the_consumer_says_so_without_a_pause() {
    testkit::run(Backend::Sqlite, async |db: TestDatabase| {
        let rig = Rig::new(db).await;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.db");
        let log = Arc::new(LocalLog::open(&path).await.unwrap());
        let (consumer, status) = rig.consume_from(log.clone(), rig.outbox.clone());
        assert!(messaging::EventLog::publish(&*log, &[record(TOPIC, 1, 0)]).await[0].is_ok());
        rig.effects_come(1).await;
        // As a damaged page would.
        let url = format!("sqlite://{}", path.display());
        let mut file = SqliteConnection::connect(&url).await.unwrap();
        file.execute(
            "INSERT INTO record (topic_id, position, key, payload, headers, timestamp_ms) \
             SELECT topic_id, 1, key, payload, x'ff', 0 FROM record",
        )
        .await
        .unwrap();
        let mut longest = Duration::ZERO;
        eventually("it is down for seconds", SOON, async || {
            let since = status.stalled().map_or(Duration::ZERO, |(since, _)| since);
            assert!(since >= longest, "the stall seems to begin anew with each try");
            longest = since;
            longest > Duration::from_secs(2)
        })
        .await;
        file.execute("UPDATE record SET headers = x''").await.unwrap();
        eventually("the stall is over", SOON, async || status.stalled().is_none()).await;
        rig.effects_come(2).await;
        consumer.stop().await;
    });
}

/// What administrators set for a database.
#[test]
fn on_postgres_settings_of_the_database_lose_and_double_nothing() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let rig = Rig::new(db).await;
        let name: String = sqlx::query_scalar("SELECT CAST(current_database() AS TEXT)")
            .fetch_one(rig.database.reader())
            .await
            .unwrap();
        set(&rig, &format!("DATABASE \"{name}\"")).await;
        let settings = rig.db.settings();
        works(&rig, &settings).await;
    });
}

/// What they set for the service's role, which outranks what is set for the database.
#[test]
fn on_postgres_settings_of_the_role_lose_and_double_nothing() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let rig = Rig::new(db).await;
        let role = format!("role_{}", uuid::Uuid::new_v4().simple());
        // It owns nothing, so that it can be dropped before the database.
        execute(&rig, format!("CREATE ROLE {role} LOGIN SUPERUSER")).await;
        set(&rig, &format!("ROLE {role}")).await;
        let settings = rig.db.settings_as(&role, "");
        works(&rig, &settings).await;
        execute(&rig, format!("DROP ROLE {role}")).await;
    });
}

async fn set(rig: &Rig, whose: &str) {
    for setting in [
        "default_transaction_isolation = 'serializable'",
        "statement_timeout = '2s'",
        "lock_timeout = '1s'",
        "timezone = 'Asia/Seoul'",
    ] {
        execute(rig, format!("ALTER {whose} SET {setting}")).await;
    }
}

async fn execute(rig: &Rig, statement: String) {
    let query = sqlx::query(sqlx::AssertSqlSafe(statement));
    query.execute(rig.database.writer().await.unwrap()).await.unwrap();
}

/// Facts are committed, published and read over connections that have the settings.
async fn works(rig: &Rig, settings: &storage::DatabaseSettings) {
    let database = Database::open(settings, &[]).await.unwrap();
    let timeout: String =
        sqlx::query_scalar("SHOW statement_timeout").fetch_one(database.reader()).await.unwrap();
    assert_eq!(timeout, "2s", "the settings are not in force");
    let outbox = messaging::Outbox::new(database.clone());
    let (consumer, status) = rig.consume_from(rig.log.log(), outbox.clone());
    let relay = rig.relay_to(rig.log.log(), outbox.clone(), Duration::from_secs(3));
    for n in 0..200 {
        let mut tx = database.begin().await.unwrap();
        outbox.append(&mut tx, &[record(TOPIC, n % 7, n)]).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut effects = rig.effects_come(200).await;
    effects.sort_by_key(|payload| payload.parse::<usize>().unwrap());
    assert_eq!(effects, texts(0..200));
    assert_eq!(rig.aside().await, []);
    eventually("no stall", SOON, async || status.stalled().is_none()).await;
    consumer.stop().await;
    relay.stop().await;
}
