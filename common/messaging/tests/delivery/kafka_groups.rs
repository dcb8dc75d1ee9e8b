//! Two deployments that share one consumer group by mistake, on a real Kafka.

use std::time::Duration;

use messaging::{ConsumerStatus, Record};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use testkit::{TestDatabase, eventually, record};

use crate::kafka_rig::{consume, log, settings};
use crate::rig::Rig;

/// For a group to gather, and to be asked.
const PATIENCE: Duration = Duration::from_secs(90);

fn client_ids(group: &str) -> Vec<String> {
    let brokers = std::env::var("TEST_KAFKA_BROKERS").unwrap();
    let tools: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let groups = tools.fetch_group_list(Some(group), PATIENCE).unwrap();
    let members = groups.groups().iter().flat_map(|group| group.members());
    members.map(|member| member.client_id().to_owned()).collect()
}

async fn members(group: &str, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    eventually("the group has gathered", PATIENCE, async || {
        found = tokio::task::block_in_place(|| client_ids(group));
        found.len() == count
    })
    .await;
    found
}

async fn says(status: &ConsumerStatus, client_id: &str) {
    let (_, database) = client_id.split_once('@').unwrap();
    eventually("it says so", PATIENCE, async || match status.warnings().as_slice() {
        [warning] => warning.contains(&format!("is shared with database {database} at ")),
        _ => false,
    })
    .await;
}

testkit::for_each_backend! {
    async fn another_deployment_in_the_group_is_told_from_a_replica(db: TestDatabase) {
        let Some(settings) = settings() else { return };
        let rig = Rig::new(db).await;
        let (first, first_says) = consume(&rig, &settings).await;
        let (replica, replica_says) = consume(&rig, &settings).await;
        let ours = members(&settings.topic, 2).await;
        assert_eq!(ours[0], ours[1], "replicas have one database");

        let other = Rig::new(TestDatabase::sqlite()).await;
        let (stranger, stranger_says) = consume(&other, &settings).await;
        let all = members(&settings.topic, 3).await;
        let theirs = all.iter().find(|id| **id != ours[0]).unwrap();
        // Exactly one warning each: a replica is none.
        says(&first_says, theirs).await;
        says(&replica_says, theirs).await;
        says(&stranger_says, &ours[0]).await;

        // Each has a part; who is alone reads the other one's as well.
        let publisher = log(&settings).await;
        let facts: Vec<Record> = (0..40).map(|n| record(&settings.topic, n, n)).collect();
        for result in publisher.publish(&facts).await {
            result.unwrap();
        }
        eventually("all is read by one of them", PATIENCE, async || {
            rig.effects().await.len() + other.effects().await.len() == 40
        })
        .await;
        assert!(!other.effects().await.is_empty());
        stranger.stop().await;
        eventually("all is read by one", PATIENCE, async || rig.effects().await.len() == 40).await;
        for status in [&first_says, &replica_says] {
            eventually("nobody says it any more", PATIENCE, async || status.warnings().is_empty()).await;
        }
        first.stop().await;
        // A restart is the same database.
        let (again, _) = consume(&rig, &settings).await;
        assert_eq!(members(&settings.topic, 2).await, ours);
        again.stop().await;
        replica.stop().await;
    }
}
