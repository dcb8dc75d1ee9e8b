//! From the log to effects.

use std::sync::atomic::Ordering;

use testkit::{SOON, TestDatabase, eventually};

use crate::handler::{CAUSED, Fault};
use crate::rig::{Rig, TOPIC, texts};

testkit::for_each_backend! {
    async fn every_record_takes_effect_once_and_in_order_however_small_the_batches(db: TestDatabase) {
        let mut rig = Rig::new(db).await;
        rig.settings.batch = 7;
        rig.publish((0..100).map(|n| (n % 3, n))).await;
        let (consumer, status) = rig.consume();
        rig.publish((100..300).map(|n| (n % 3, n))).await;
        assert_eq!(rig.effects_come(300).await, texts(0..300));
        assert!(rig.handler.largest_batch.load(Ordering::Relaxed) <= 7);
        assert!(rig.handler.committed.load(Ordering::Relaxed) >= 300 / 7);
        assert!(status.stalled().is_none());
        consumer.stop().await;
    }

    async fn what_records_cause_is_published(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let (consumer, _) = rig.consume();
        let relay = rig.relay();
        rig.publish((0..100).map(|n| (n % 3, n))).await;
        eventually("caused", SOON, async || rig.log.records(CAUSED).await.len() >= 100).await;
        consumer.stop().await;
        relay.stop().await;
        assert_eq!(rig.log.payloads(CAUSED).await, texts(0..100));
    }

    /// Of a batch whose last record fails, nothing is left: no effect, nothing caused, no position.
    async fn effect_caused_records_and_position_commit_together(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.handler.set(9, Fault::Away);
        rig.publish((0..10).map(|n| (n, n))).await;
        let (consumer, _) = rig.consume();
        eventually("tried a few times", SOON, async || rig.handler.tries(9) >= 3).await;
        assert_eq!(rig.effects().await, texts([]));
        assert_eq!(rig.count("outbox").await, 0);
        assert_eq!(rig.next_offset().await, 0);
        assert_eq!(rig.handler.committed.load(Ordering::Relaxed), 0);
        rig.handler.heal(9);
        assert_eq!(rig.effects_come(10).await, texts(0..10));
        consumer.stop().await;
        assert_eq!(rig.count("outbox").await, 10);
        assert_eq!(rig.next_offset().await, 10);
    }

    async fn stopped_and_started_it_goes_on_where_it_was(db: TestDatabase) {
        let rig = Rig::new(db).await;
        for round in 0..5 {
            let (consumer, _) = rig.consume();
            rig.publish((round * 10..round * 10 + 10).map(|n| (n, n))).await;
            rig.effects_come(round * 10 + 5).await;
            consumer.stop().await;
        }
        let (consumer, _) = rig.consume();
        assert_eq!(rig.effects_come(50).await, texts(0..50));
        consumer.stop().await;
        assert_eq!(rig.effects().await.len(), 50);
    }

    /// The group's own memory is lost, as with a restored or rebuilt log: the database knows better.
    async fn the_position_in_the_database_counts_not_the_groups(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.publish((0..10).map(|n| (n, n))).await;
        let (consumer, _) = rig.consume();
        rig.effects_come(10).await;
        consumer.stop().await;
        // The group is further than the database.
        let mut subscription = rig.log.log().subscribe(TOPIC, crate::rig::GROUP).await.unwrap();
        eventually("assigned", SOON, async || {
            let polled = subscription.poll(1, std::time::Duration::from_millis(100)).await.unwrap();
            matches!(polled, messaging::Polled::Assigned(_))
        })
        .await;
        rig.publish((10..20).map(|n| (n, n))).await;
        subscription.commit(0, 20).await.unwrap();
        drop(subscription);
        let (consumer, _) = rig.consume();
        assert_eq!(rig.effects_come(20).await, texts(0..20));
        consumer.stop().await;
    }
}
