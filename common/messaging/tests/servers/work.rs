//! A service at work: facts are committed, published to Kafka, and read by two replicas.

use std::sync::Arc;
use std::time::Duration;

use messaging::{ConsumerStatus, EventLogSettings, Outbox, Record, Relay, RelayStatus};
use storage::Database;
use testkit::{TestDatabase, eventually, record};

use crate::handler::{REPEATED, TestHandler};
use crate::kafka_rig::{consume, log};
use crate::rig::{Rig, Running, first_occurrences, texts};

const KEYS: usize = 20;
/// Longer than a client takes until it is replaced.
const PATIENCE: Duration = Duration::from_secs(240);

pub(crate) struct Work {
    pub(crate) rig: Rig,
    database: Database,
    outbox: Outbox,
    topic: String,
    relay: Running,
    relay_status: RelayStatus,
    replicas: Vec<(Running, ConsumerStatus)>,
    committed: usize,
}

impl Work {
    pub(crate) async fn new(db: TestDatabase, settings: &EventLogSettings) -> Self {
        let mut rig = Rig::new(db).await;
        rig.settings.batch = 20;
        // Whoever does not know whether the log has a record publishes it again; services know such repeats.
        rig.handler = Arc::new(TestHandler::new(rig.outbox.clone()).skipping_repeats());
        let relay_status = RelayStatus::default();
        let relay = Relay::new("test", Outbox::new(rig.replica().await.0), log(settings).await)
            .with_status(relay_status.clone());
        let relay = Running::spawn(|stop| relay.run(stop));
        let (database, outbox) = rig.replica().await;
        let replicas = vec![consume(&rig, settings).await, consume(&rig, settings).await];
        let topic = settings.topic.clone();
        Self { rig, database, outbox, topic, relay, relay_status, replicas, committed: 0 }
    }

    /// Commits one more fact, however often that has to be tried.
    pub(crate) async fn commit(&mut self) {
        let fact = record(&self.topic, self.committed % KEYS, self.committed);
        eventually("a fact is committed", PATIENCE, async || self.try_to_commit(&fact).await.is_ok()).await;
        self.committed += 1;
    }

    async fn try_to_commit(&self, fact: &Record) -> Result<(), sqlx::Error> {
        let mut tx = self.database.begin().await?;
        self.outbox.append(&mut tx, std::slice::from_ref(fact)).await?;
        tx.commit().await
    }

    /// All that was committed takes effect.
    pub(crate) async fn is_done(&self) {
        eventually("all took effect", PATIENCE, async || self.facts().await.len() >= self.committed).await;
    }

    /// The rig, which expects answers, gets connections that have seen no restart.
    pub(crate) async fn look_through_new_connections(&mut self) {
        self.rig.database = self.rig.replica().await.0;
    }

    pub(crate) fn relay_fails(&self) -> bool {
        self.relay_status.failing().is_some()
    }

    /// Effects without those of repeats.
    async fn facts(&self) -> Vec<(Option<String>, String)> {
        let mut effects = self.rig.effects_of_keys().await;
        effects.retain(|(_, payload)| !payload.starts_with(REPEATED));
        effects
    }

    /// Everything took effect once and in order, and nobody complains any more.
    pub(crate) async fn ends_well(self) {
        self.is_done().await;
        eventually("all is published", PATIENCE, async || self.rig.count("outbox").await == 0).await;
        eventually("the relay is well", PATIENCE, async || !self.relay_fails()).await;
        for (_, status) in &self.replicas {
            eventually("the consumers are well", PATIENCE, async || {
                status.stalled().is_none() && status.stopped().is_none()
            })
            .await;
        }
        let facts = self.facts().await;
        assert_eq!(facts.len(), self.committed, "lost or doubled");
        for (key, payloads) in first_occurrences(facts) {
            let key: usize = key.parse().unwrap();
            assert_eq!(payloads, texts((key..self.committed).step_by(KEYS)), "order of key {key}");
        }
        assert_eq!(self.rig.aside().await, []);
        for (consumer, _) in self.replicas {
            consumer.stop().await;
        }
        self.relay.stop().await;
    }
}
