//! Several replicas of one service.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use testkit::{SOON, TestDatabase, eventually};

use crate::rig::{Rig, TOPIC, texts};

/// So short that a stuck call outlives it quickly.
const SHORT: Duration = Duration::from_millis(600);
/// Not within a test.
const NEVER: Duration = Duration::from_secs(3600);

testkit::for_each_backend! {
    async fn one_relay_at_a_time_publishes(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let (logs, mut relays) = ([rig.log.another(), rig.log.another()], Vec::new());
        for log in &logs {
            let (_, outbox) = rig.replica().await;
            relays.push(rig.relay_to(log.clone(), outbox, Duration::from_secs(3)));
        }
        for n in 0..50 {
            rig.commit([(1, n)]).await;
        }
        eventually("published", SOON, async || rig.log.records(TOPIC).await.len() >= 50).await;
        let calls = logs.each_ref().map(|log| log.publish_calls());
        assert!(calls.contains(&0), "both published: {calls:?}");

        // The one who publishes dies without a word.
        let holder = usize::from(calls[0] == 0);
        relays.remove(holder).kill().await;
        let died = Instant::now();
        rig.commit([(1, 50)]).await;
        eventually("the other one publishes", SOON, async || rig.log.records(TOPIC).await.len() > 50).await;
        assert!(died.elapsed() < Duration::from_secs(5), "taken over after {:?}", died.elapsed());
        // What the dead one had published and not yet removed comes once more.
        let (mut seen, mut told) = (HashSet::new(), rig.log.payloads(TOPIC).await);
        told.retain(|payload| seen.insert(payload.clone()));
        assert_eq!(told, texts(0..=50));
        relays.remove(0).stop().await;
    }

    async fn who_stops_hands_over_at_once(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let first = rig.relay_to(rig.log.log(), rig.outbox.clone(), NEVER);
        rig.commit([(1, 0)]).await;
        eventually("published", SOON, async || rig.log.records(TOPIC).await.len() == 1).await;
        let second = rig.relay_to(rig.log.log(), rig.replica().await.1, NEVER);
        first.stop().await;
        rig.commit([(1, 1)]).await;
        eventually("published", SOON, async || rig.log.records(TOPIC).await.len() == 2).await;
        second.stop().await;
    }

    /// A log that takes long to answer is no reason for a second relay to publish the same.
    async fn who_waits_for_the_log_stays_the_one_who_publishes(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let (slow, quick) = (rig.log.another(), rig.log.another());
        slow.get_stuck();
        let first = rig.relay_to(slow.clone(), rig.outbox.clone(), SHORT);
        rig.commit([(1, 0)]).await;
        eventually("it publishes", SOON, async || slow.publish_calls() == 1).await;
        let second = rig.relay_to(quick.clone(), rig.replica().await.1, SHORT);
        let start = Instant::now();
        eventually("the lease would have ended", SOON, async || start.elapsed() > 4 * SHORT).await;
        assert_eq!(quick.publish_calls(), 0, "a second relay published");
        slow.get_unstuck();
        eventually("published", SOON, async || rig.log.records(TOPIC).await.len() == 1).await;
        first.stop().await;
        second.stop().await;
    }

    async fn of_two_consumers_one_reads_and_the_other_one_continues(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let (first, _) = rig.consume_from(rig.log.log(), rig.outbox.clone());
        rig.publish((0..50).map(|n| (n % 4, n))).await;
        rig.effects_come(50).await;
        let (second, status) = rig.consume_from(rig.log.log(), rig.replica().await.1);
        rig.publish((50..2_000).map(|n| (n % 4, n))).await;
        rig.effects_come(100).await;
        first.kill().await;
        rig.publish((2_000..2_100).map(|n| (n % 4, n))).await;
        let effects = rig.effects_come(2_100).await;
        assert_eq!(effects, texts(0..2_100));
        assert!(status.stalled().is_none());
        second.stop().await;
        assert_eq!(rig.effects().await.len(), 2_100);
    }
}
