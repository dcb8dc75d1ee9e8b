//! Kafka is there and answers nobody, as in a long garbage collection or on a machine that hangs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use messaging::{Follower, FollowerStatus, ReceivedRecord, Record};
use testkit::{TestDatabase, eventually, record};

use crate::infra::Infra;
use crate::kafka_rig::{log, settings};
use crate::rig::Running;
use crate::work::Work;

/// Longer than the brokers and the members of the group wait for each other.
const FROZEN: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(50);

testkit::for_each_backend! {
    async fn a_frozen_kafka_that_thaws_has_lost_and_doubled_nothing(db: TestDatabase) {
        let Some(mut settings) = settings() else { return };
        let Some(infra) = Infra::alone().await else { return };
        // Shorter than the frost, so that the relay has to publish again what may be in the log.
        settings.delivery_timeout_ms = 8_000;
        let mut work = Work::new(db, &settings).await;
        for _ in 0..200 {
            work.commit().await;
        }
        work.is_done().await;

        let frozen = infra.freeze_kafka();
        let mut load = tokio::time::interval(EVERY);
        for _ in 0..FROZEN.as_millis() / EVERY.as_millis() {
            load.tick().await;
            work.commit().await;
        }
        assert!(work.relay_fails(), "the relay does not say that Kafka is silent");
        drop(frozen);
        for _ in 0..200 {
            work.commit().await;
        }
        work.ends_well().await;
    }
}

/// A client that finds no leader is replaced, and each client takes its time.
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_goes_on_behind_a_frost() {
    let Some(settings) = settings() else { return };
    let Some(infra) = Infra::alone().await else { return };
    let log = log(&settings).await;
    let (status, given) = (FollowerStatus::default(), Arc::new(Mutex::new(BTreeSet::new())));
    let gives = given.clone();
    let follower = Follower {
        topic: settings.topic.clone(),
        reader: "follower",
        log: log.clone(),
        since: Duration::from_secs(900),
        status: status.clone(),
        record: move |received: &ReceivedRecord, _| {
            gives.lock().unwrap().insert(String::from_utf8_lossy(&received.record.payload).into_owned());
        },
    };
    let following = Running::spawn(|stop| follower.run(stop));
    let tell = async |n: usize| {
        let fact = Record { timestamp_ms: storage::now_ms(), ..record(&settings.topic, n, n) };
        eventually("told", PATIENCE, async || log.publish(std::slice::from_ref(&fact)).await[0].is_ok())
            .await;
    };
    let knows = async |n: usize| {
        eventually("known", PATIENCE, async || given.lock().unwrap().contains(&n.to_string())).await;
    };
    tell(1).await;
    knows(1).await;
    let frozen = infra.freeze_kafka();
    tokio::time::sleep(FROZEN).await;
    drop(frozen);
    for n in 2..10 {
        tell(n).await;
        knows(n).await;
    }
    assert!(status.has_caught_up());
    following.stop().await;
}
