//! Random interleavings of work, crashes, restarts and failures end with every fact applied once, in order per key.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use testkit::{SOON, TestDatabase, eventually, record};

use crate::handler::{REPEATED, TestHandler};
use crate::rig::{Rig, Running, TOPIC, first_occurrences};

const KEYS: usize = 3;
/// Takeovers from the dead are part of what happens here.
const TTL: Duration = Duration::from_millis(400);

#[derive(Clone, Debug)]
enum Step {
    Commit {
        key: usize,
        count: usize,
    },
    RollBack {
        key: usize,
    },
    KillRelay(usize),
    StartRelay(usize),
    StopRelay(usize),
    KillConsumer(usize),
    StartConsumer(usize),
    StopConsumer(usize),
    FailPublish(usize),
    LoseAcknowledgement(usize),
    LogAway,
    LogBack,
    /// Lets them work for a moment.
    Breathe(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..KEYS, 1..12_usize).prop_map(|(key, count)| Step::Commit { key, count }),
        1 => (0..KEYS).prop_map(|key| Step::RollBack { key }),
        2 => (0..2_usize).prop_map(Step::KillRelay),
        3 => (0..2_usize).prop_map(Step::StartRelay),
        1 => (0..2_usize).prop_map(Step::StopRelay),
        2 => (0..2_usize).prop_map(Step::KillConsumer),
        3 => (0..2_usize).prop_map(Step::StartConsumer),
        1 => (0..2_usize).prop_map(Step::StopConsumer),
        1 => (1..4_usize).prop_map(Step::FailPublish),
        1 => (1..4_usize).prop_map(Step::LoseAcknowledgement),
        1 => Just(Step::LogAway),
        2 => Just(Step::LogBack),
        6 => (0..40_u64).prop_map(Step::Breathe),
    ]
}

struct Stage {
    rig: Rig,
    relays: [Option<Running>; 2],
    consumers: [Option<Running>; 2],
    /// How many facts of each key were committed.
    committed: [usize; KEYS],
}

impl Stage {
    async fn new(db: TestDatabase) -> Self {
        let mut rig = Rig::new(db).await;
        rig.settings.batch = 5;
        // A relay that dies between publishing and removing publishes again; services know such repeats.
        rig.handler = Arc::new(TestHandler::new(rig.outbox.clone()).skipping_repeats());
        Self { rig, relays: [None, None], consumers: [None, None], committed: [0; KEYS] }
    }

    fn start_relay(&mut self, which: usize) {
        if self.relays[which].is_none() {
            let outbox = self.rig.outbox.clone();
            self.relays[which] = Some(self.rig.relay_to(self.rig.log.log(), outbox, TTL));
        }
    }

    fn start_consumer(&mut self, which: usize) {
        if self.consumers[which].is_none() {
            self.consumers[which] = Some(self.rig.consume().0);
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Commit { key, count } => {
                let from = self.committed[key];
                self.rig.commit((from..from + count).map(|n| (key, n))).await;
                self.committed[key] += count;
            }
            Step::RollBack { key } => {
                let mut tx = self.rig.database.begin().await.unwrap();
                let never = record(TOPIC, key, "never committed");
                self.rig.outbox.append(&mut tx, &[never]).await.unwrap();
            }
            Step::KillRelay(which) => kill(self.relays[which].take()).await,
            Step::StopRelay(which) => stop(self.relays[which].take()).await,
            Step::StartRelay(which) => self.start_relay(which),
            Step::KillConsumer(which) => kill(self.consumers[which].take()).await,
            Step::StopConsumer(which) => stop(self.consumers[which].take()).await,
            Step::StartConsumer(which) => self.start_consumer(which),
            Step::FailPublish(nth) => self.rig.log.faults().fail_publish(nth),
            Step::LoseAcknowledgement(nth) => self.rig.log.faults().lose_acknowledgement(nth),
            Step::LogAway => self.rig.log.faults().go_away(),
            Step::LogBack => self.rig.log.faults().come_back(),
            Step::Breathe(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
    }

    async fn end(mut self) -> (Vec<(Option<String>, String)>, [usize; KEYS]) {
        self.rig.log.faults().come_back();
        for which in 0..2 {
            self.start_relay(which);
            self.start_consumer(which);
        }
        let total: usize = self.committed.iter().sum();
        eventually("all took effect", SOON, async || facts(&self.rig).await.len() >= total).await;
        eventually("all is published", SOON, async || self.rig.count("outbox").await == 0).await;
        for running in self.relays.into_iter().chain(self.consumers) {
            stop(running).await;
        }
        assert_eq!(self.rig.aside().await, []);
        let offsets: Vec<i64> = sqlx::query_scalar("SELECT log_offset FROM effect ORDER BY log_offset")
            .fetch_all(self.rig.database.reader())
            .await
            .unwrap();
        assert!(offsets.is_sorted_by(|a, b| a < b), "a record of the log was applied twice: {offsets:?}");
        (facts(&self.rig).await, self.committed)
    }
}

/// Effects without what only came again.
async fn facts(rig: &Rig) -> Vec<(Option<String>, String)> {
    let mut effects = rig.effects_of_keys().await;
    effects.retain(|(_, payload)| !payload.starts_with(REPEATED));
    effects
}

async fn kill(running: Option<Running>) {
    if let Some(running) = running {
        running.kill().await;
    }
}

async fn stop(running: Option<Running>) {
    if let Some(running) = running {
        running.stop().await;
    }
}

testkit::for_each_backend! {
    async fn every_fact_takes_effect_once_and_in_order_whatever_happens(db: TestDatabase) {
        let cases = std::env::var("CHAOS_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
        let mut runner =
            TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 20, ..Config::default() });
        let runtime = tokio::runtime::Handle::current();
        let script = prop::collection::vec(step(), 20..60);
        let ran = tokio::task::block_in_place(|| runner.run(&script, |steps| {
            runtime.block_on(async {
                let fresh = match db.backend() {
                    testkit::Backend::Sqlite => TestDatabase::sqlite(),
                    testkit::Backend::Postgres => TestDatabase::postgres().await.unwrap(),
                };
                let mut stage = Stage::new(fresh).await;
                for step in steps {
                    stage.take(step).await;
                }
                let (effects, committed) = stage.end().await;
                prop_assert_eq!(effects.len(), committed.iter().sum::<usize>(), "applied twice");
                let seen = first_occurrences(effects);
                for (key, count) in committed.iter().enumerate() {
                    let expected: Vec<String> = (0..*count).map(|n| n.to_string()).collect();
                    let found = seen.get(&key.to_string()).cloned().unwrap_or_default();
                    prop_assert_eq!(found, expected, "order of key {}", key);
                }
                Ok(())
            })
        }));
        ran.unwrap();
    }
}
