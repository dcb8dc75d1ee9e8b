//! The same on Kafka: partitions move between replicas, and nothing is lost, doubled or out of order.

use messaging::{Outbox, Record, Relay};
use testkit::{TestDatabase, record};

use crate::kafka_rig::{log, replica, settings};
use crate::rig::{Rig, Running, first_occurrences, texts};

const KEYS: usize = 20;

async fn commit(rig: &Rig, topic: &str, numbers: std::ops::Range<usize>) {
    let records: Vec<Record> = numbers.map(|n| record(topic, n % KEYS, n)).collect();
    let mut tx = rig.database.begin().await.unwrap();
    rig.outbox.append(&mut tx, &records).await.unwrap();
    tx.commit().await.unwrap();
}

testkit::for_each_backend! {
    async fn partitions_move_between_replicas_and_every_fact_takes_effect_once(db: TestDatabase) {
        let Some(settings) = settings() else {
            return;
        };
        let mut rig = Rig::new(db).await;
        rig.settings.batch = 20;
        let relay = Relay::new("test", Outbox::new(rig.database.clone()), log(&settings).await);
        let relay = Running::spawn(|stop| relay.run(stop));

        let mut sent = 0;
        let first = replica(&rig, &settings).await;
        let mut send = async |wait_for: usize| {
            commit(&rig, &settings.topic, sent..sent + 500).await;
            sent += 500;
            rig.effects_come(wait_for).await;
            sent
        };
        send(500).await;
        let second = replica(&rig, &settings).await;
        send(600).await;
        first.kill().await;
        send(1_100).await;
        let third = replica(&rig, &settings).await;
        send(1_600).await;
        second.stop().await;
        let sent = send(2_500).await;
        third.stop().await;

        let effects = rig.effects_of_keys().await;
        assert_eq!(effects.len(), sent, "lost or doubled");
        for (key, payloads) in first_occurrences(effects) {
            let key: usize = key.parse().unwrap();
            assert_eq!(payloads, texts((0..sent).filter(|n| n % KEYS == key)), "order of key {key}");
        }
        relay.stop().await;
    }
}
