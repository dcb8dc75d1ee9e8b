//! A service in miniature: a database, a log, a consumer, a relay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use messaging::{
    Asked, Consumer, ConsumerSettings, ConsumerStatus, DeadLetter, DeadLetters, EventLog, Outbox, Record,
    Relay, Request,
};
use storage::{Database, Migrations};
use testkit::{SOON, TestDatabase, TestLog, eventually, record};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::handler::TestHandler;

pub(crate) const TOPIC: &str = "facts";
pub(crate) const GROUP: &str = "service";

pub(crate) static EFFECTS: Migrations =
    storage::migrations!("tests/delivery/migrations/sqlite", "tests/delivery/migrations/postgres");

pub(crate) struct Rig {
    pub(crate) db: TestDatabase,
    pub(crate) database: Database,
    pub(crate) outbox: Outbox,
    pub(crate) log: TestLog,
    pub(crate) handler: Arc<TestHandler>,
    pub(crate) settings: ConsumerSettings,
}

/// A task that can be stopped as SIGTERM does it, and killed.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(
        run: impl FnOnce(CancellationToken) -> F,
    ) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(stop.clone()));
        Self { stop, task }
    }

    /// Returns when it has ended in order.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(SOON, self.task).await.expect("it ends").expect("without a panic");
    }

    /// As `kill -9`, as far as this can be done inside a process: it stops wherever it waits.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

impl Rig {
    pub(crate) async fn new(db: TestDatabase) -> Self {
        let database = db.open(&[messaging::MIGRATIONS, EFFECTS]).await;
        Self::on(db, database).await
    }

    pub(crate) async fn on(db: TestDatabase, database: Database) -> Self {
        let outbox = Outbox::new(database.clone());
        Self {
            handler: Arc::new(TestHandler::new(outbox.clone())),
            log: TestLog::new().await,
            settings: ConsumerSettings { batch: 100, attempts: 3, longest_backoff_ms: 50 },
            db,
            database,
            outbox,
        }
    }

    /// Another process of the same service: pools and outbox of its own, the same handler.
    pub(crate) async fn replica(&self) -> (Database, Outbox) {
        let database = self.db.open(&[]).await;
        (database.clone(), Outbox::new(database))
    }

    pub(crate) fn consume(&self) -> (Running, ConsumerStatus) {
        self.consume_from(self.log.log(), self.outbox.clone())
    }

    pub(crate) fn consume_from(&self, log: Arc<dyn EventLog>, outbox: Outbox) -> (Running, ConsumerStatus) {
        self.consumer(TOPIC, log, outbox, self.handler.clone())
    }

    /// Reads another topic as well, in the same group and into the same database.
    pub(crate) fn consume_topic(&self, topic: &str, handler: Arc<TestHandler>) -> (Running, ConsumerStatus) {
        self.consumer(topic, self.log.log(), self.outbox.clone(), handler)
    }

    fn consumer(
        &self,
        topic: &str,
        log: Arc<dyn EventLog>,
        outbox: Outbox,
        handler: Arc<TestHandler>,
    ) -> (Running, ConsumerStatus) {
        let status = ConsumerStatus::default();
        let consumer = Consumer {
            group: GROUP,
            topic: topic.to_owned(),
            outbox,
            log,
            handler,
            settings: self.settings.clone(),
            status: status.clone(),
        };
        (Running::spawn(|stop| consumer.run(stop)), status)
    }

    pub(crate) fn relay(&self) -> Running {
        self.relay_to(self.log.log(), self.outbox.clone(), Duration::from_secs(3))
    }

    pub(crate) fn relay_to(&self, log: Arc<dyn EventLog>, outbox: Outbox, ttl: Duration) -> Running {
        let relay = Relay::new("test", outbox, log).with_lease_ttl(ttl);
        Running::spawn(|stop| relay.run(stop))
    }

    /// Appends facts to the topic: key and payload.
    pub(crate) async fn publish<K: ToString, P: ToString>(&self, facts: impl IntoIterator<Item = (K, P)>) {
        let records: Vec<Record> = facts.into_iter().map(|(key, n)| record(TOPIC, key, n)).collect();
        self.log.publish(&records).await;
    }

    /// Commits facts to the outbox, in one transaction.
    pub(crate) async fn commit<K: ToString, P: ToString>(&self, facts: impl IntoIterator<Item = (K, P)>) {
        let records: Vec<Record> = facts.into_iter().map(|(key, n)| record(TOPIC, key, n)).collect();
        let mut tx = self.database.begin().await.unwrap();
        self.outbox.append(&mut tx, &records).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Payloads in the order in which they took effect.
    pub(crate) async fn effects(&self) -> Vec<String> {
        self.effects_of_keys().await.into_iter().map(|(_, payload)| payload).collect()
    }

    pub(crate) async fn effects_of_keys(&self) -> Vec<(Option<String>, String)> {
        sqlx::query_as("SELECT record_key, payload FROM effect ORDER BY id")
            .fetch_all(self.database.reader())
            .await
            .unwrap()
    }

    /// Waits for so many effects.
    #[track_caller]
    pub(crate) fn effects_come(&self, count: usize) -> impl Future<Output = Vec<String>> {
        let come = eventually("the effects come", SOON, async move || self.effects().await.len() >= count);
        async move {
            come.await;
            self.effects().await
        }
    }

    pub(crate) async fn letters(&self) -> Vec<DeadLetter> {
        let letters = DeadLetters::new(self.database.clone());
        let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM dead_letter ORDER BY id")
            .fetch_all(self.database.reader())
            .await
            .unwrap();
        let mut whole = Vec::new();
        for id in ids {
            // One that was listed may be served meanwhile.
            whole.extend(letters.show(id).await.unwrap());
        }
        whole
    }

    /// Of each letter its payload and status.
    pub(crate) async fn aside(&self) -> Vec<(String, String)> {
        self.letters().await.into_iter().map(|letter| (letter.payload, letter.status)).collect()
    }

    pub(crate) async fn request(&self, payload: &str, request: Request) {
        let letters = self.letters().await;
        let letter = letters.iter().find(|letter| letter.payload == payload).unwrap();
        let asked = DeadLetters::new(self.database.clone()).request(letter.id, request, false).await;
        assert_eq!(asked.unwrap(), Asked::Noted);
    }

    pub(crate) async fn next_offset(&self) -> i64 {
        let next: Option<i64> = sqlx::query_scalar("SELECT next_offset FROM inbox_position")
            .fetch_optional(self.database.reader())
            .await
            .unwrap();
        next.unwrap_or(0)
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}")))
            .fetch_one(self.database.reader())
            .await
            .unwrap()
    }
}

/// Of each key the payloads in order, without those that came before: what a reader makes of repeats.
pub(crate) fn first_occurrences(
    facts: impl IntoIterator<Item = (Option<String>, String)>,
) -> BTreeMap<String, Vec<String>> {
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, payload) in facts {
        let payloads = seen.entry(key.unwrap_or_default()).or_default();
        if !payloads.contains(&payload) {
            payloads.push(payload);
        }
    }
    seen
}

pub(crate) fn texts(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|n| n.to_string()).collect()
}
