//! A database or a log that is away is nobody's fault.

use std::time::Duration;

use storage::Database;
use testkit::{Backend, SOON, TcpProxy, TestDatabase, eventually};

use crate::handler::Fault;
use crate::rig::{EFFECTS, Rig, texts};

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
            storage::DatabaseSettings { acquire_timeout_ms: 300, ..db.settings_through(proxy.addr()) };
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
            proxy.cut();
            rig.publish((published..published + 10).map(|n| (n % 7, n))).await;
            published += 10;
            eventually("the stall shows", SOON, async || status.stalled().is_some()).await;
            proxy.restore();
        }
        assert_eq!(rig.effects_come(published).await, texts(0..published));
        eventually("the stall is over", SOON, async || status.stalled().is_none()).await;
        assert_eq!(rig.aside().await, []);
        eventually("all is published", SOON, async || rig.count("outbox").await == 0).await;
        consumer.stop().await;
        relay.stop().await;
    });
}
