//! From the outbox to the log.

use std::time::{Duration, Instant};

use messaging::{Relay, RelayStatus};
use testkit::{Backend, SOON, TestDatabase, eventually, record};

use crate::rig::{Rig, Running, TOPIC, first_occurrences, texts};

const LETTERS: &str = "facts.service.dlt";

async fn published(rig: &Rig) -> Vec<String> {
    rig.log.payloads(TOPIC).await
}

async fn empty(rig: &Rig) -> bool {
    rig.outbox.depth().await.unwrap().0 == 0
}

testkit::for_each_backend! {
    async fn what_is_committed_is_published_in_order_and_leaves(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let relay = rig.relay();
        for n in 0..40 {
            rig.commit((0..n % 13).map(|i| (i % 5, n * 100 + i))).await;
        }
        eventually("the outbox is empty", SOON, async || empty(&rig).await).await;
        let expected: Vec<usize> = (0..40).flat_map(|n| (0..n % 13).map(move |i| n * 100 + i)).collect();
        assert_eq!(published(&rig).await, texts(expected));
        relay.stop().await;
    }

    async fn a_record_arrives_as_it_was_appended(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let mut strange = record(TOPIC, "nul\0 back\\slash \\0", "");
        strange.payload = vec![0, 159, 146, 150, 255];
        strange.headers = vec![
            ("type".into(), b"PaymentCreated".to_vec()),
            ("type".into(), vec![0, 255]),
            (String::new(), vec![]),
        ];
        let mut keyless = strange.clone();
        keyless.key = None;
        keyless.timestamp_ms = -1;
        let sent = vec![strange, keyless];
        let mut tx = rig.database.begin().await.unwrap();
        rig.outbox.append(&mut tx, &sent).await.unwrap();
        tx.commit().await.unwrap();
        let relay = rig.relay();
        eventually("published", SOON, async || published(&rig).await.len() == 2).await;
        let received: Vec<_> = rig.log.records(TOPIC).await.into_iter().map(|r| r.record).collect();
        assert_eq!(received, sent);
        relay.stop().await;
    }

    /// Each commit wakes it, also those that happen while it is busy: it looks by itself only once an hour here.
    async fn a_commit_wakes_the_relay(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let relay = Relay::new("test", rig.outbox.clone(), rig.log.log())
            .with_poll_interval(Duration::from_secs(3600));
        let relay = Running::spawn(|stop| relay.run(stop));
        for n in 0..30 {
            rig.commit([(1, n)]).await;
            eventually("published", SOON, async || published(&rig).await.len() == n + 1).await;
        }
        for n in 30..200 {
            rig.commit([(1, n)]).await;
        }
        eventually("published", SOON, async || published(&rig).await.len() == 200).await;
        relay.stop().await;
    }

    async fn what_is_rolled_back_is_never_published(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let relay = rig.relay();
        for n in 0..10 {
            let mut tx = rig.database.begin().await.unwrap();
            rig.outbox.append(&mut tx, &[record(TOPIC, 1, format!("rolled back {n}"))]).await.unwrap();
            // The relay looks while the transaction is open, and sees the ones before and behind it.
            drop(tx);
            rig.commit([(1, n)]).await;
        }
        eventually("the outbox is empty", SOON, async || empty(&rig).await).await;
        assert_eq!(published(&rig).await, texts(0..10));
        relay.stop().await;
    }

    async fn while_the_log_is_away_nothing_is_lost_and_it_is_not_hammered(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.log.faults().go_away();
        let relay = rig.relay();
        let start = Instant::now();
        for n in 0..30 {
            rig.commit([(n % 3, n)]).await;
        }
        eventually("it was tried again", SOON, async || rig.log.faults().publish_calls() >= 5).await;
        // The pauses before the second to the fifth try are at least 25, 50, 100 and 200 ms.
        assert!(start.elapsed() >= Duration::from_millis(375), "no backoff");
        assert_eq!(rig.outbox.depth().await.unwrap().0, 30);
        rig.log.faults().come_back();
        eventually("the outbox is empty", SOON, async || empty(&rig).await).await;
        assert_eq!(published(&rig).await, texts(0..30));
        relay.stop().await;
    }

    async fn failures_and_lost_acknowledgements_keep_the_order_of_a_key(db: TestDatabase) {
        let rig = Rig::new(db).await;
        for call in [1, 3, 4] {
            rig.log.faults().fail_publish(call);
        }
        for call in [2, 6] {
            rig.log.faults().lose_acknowledgement(call);
        }
        let relay = rig.relay();
        for n in 0..60 {
            rig.commit([(n % 3, n)]).await;
        }
        eventually("the outbox is empty", SOON, async || empty(&rig).await).await;
        let facts = rig.log.records(TOPIC).await.into_iter().map(|r| {
            (r.record.key, String::from_utf8(r.record.payload).unwrap())
        });
        for (key, payloads) in first_occurrences(facts) {
            let key: usize = key.parse().unwrap();
            assert_eq!(payloads, texts((0..60).filter(|n| n % 3 == key)));
        }
        relay.stop().await;
    }

    async fn what_the_log_refuses_holds_up_nobody_but_its_key(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.log.faults().refuse(|r| r.key.as_deref() == Some("refused") && r.payload == b"1");
        let relay = rig.relay();
        rig.commit([("refused", 0), ("refused", 1), ("refused", 2), ("free", 3)]).await;
        // More than a batch of the relay: what waits must not fill its window.
        rig.commit((10..700).map(|n| ("refused", n))).await;
        for n in 1_000..1_010 {
            rig.commit([("free", n)]).await;
        }
        eventually("the free ones are published", SOON, async || published(&rig).await.len() == 12).await;
        let free: Vec<usize> = [0, 3].into_iter().chain(1_000..1_010).collect();
        assert_eq!(published(&rig).await, texts(free.clone()));
        eventually("the others wait", SOON, async || rig.outbox.held().await.unwrap() == 692).await;

        // Whoever publishes next tries them again, in order.
        relay.stop().await;
        rig.log.faults().refuse_nothing();
        let relay = rig.relay();
        eventually("the outbox is empty", SOON, async || empty(&rig).await).await;
        let all: Vec<usize> = free.into_iter().chain([1, 2]).chain(10..700).collect();
        assert_eq!(published(&rig).await, texts(all));
        relay.stop().await;
    }

    /// Without a restart: an operator mends the log's setting, and has nothing to do here.
    async fn what_is_held_goes_out_by_itself_once_the_log_takes_it(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.log.faults().refuse(|r| r.key.as_deref() == Some("refused") && r.payload != b"0");
        let status = RelayStatus::default();
        let relay = Relay::new("test", rig.outbox.clone(), rig.log.log()).with_status(status.clone());
        let relay = Running::spawn(|stop| relay.run(stop));
        rig.commit((0..300).map(|n| ("refused", n))).await;
        rig.commit([("free", "free")]).await;
        eventually("the free one is out", SOON, async || published(&rig).await == ["0", "free"]).await;
        eventually("the others wait", SOON, async || rig.outbox.held().await.unwrap() == 299).await;
        eventually("that is said", SOON, async || {
            status.held().is_some_and(|held| held.records == 299 && held.why.contains("the test refuses it"))
        })
        .await;
        // Offered more than once, and each time refused.
        let calls = rig.log.faults().publish_calls();
        eventually("they are offered", SOON, async || rig.log.faults().publish_calls() >= calls + 2).await;
        rig.commit([("refused", 300), ("free", 301)]).await;
        eventually("the free one is out", SOON, async || published(&rig).await.len() == 3).await;

        rig.log.faults().refuse_nothing();
        eventually("the outbox is empty", SOON, async || empty(&rig).await).await;
        let refused: Vec<String> = rig.log.records(TOPIC).await.into_iter()
            .filter(|r| r.record.key.as_deref() == Some("refused"))
            .map(|r| String::from_utf8(r.record.payload).unwrap())
            .collect();
        assert_eq!(refused, texts(0..=300));
        eventually("nothing is held", SOON, async || status.held().is_none()).await;
        relay.stop().await;
    }

    async fn a_topic_that_is_refused_holds_up_no_other(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.log.faults().refuse_topic(LETTERS);
        let relay = rig.relay();
        let mut records: Vec<_> = (0..5).map(|n| record(LETTERS, n, n)).collect();
        records[4].key = None;
        records.insert(2, record(TOPIC, 1, "fact"));
        let mut tx = rig.database.begin().await.unwrap();
        rig.outbox.append(&mut tx, &records).await.unwrap();
        tx.commit().await.unwrap();
        eventually("the fact is out", SOON, async || published(&rig).await == ["fact"]).await;
        eventually("the letters wait", SOON, async || rig.outbox.held().await.unwrap() == 5).await;
        rig.log.faults().refuse_nothing();
        eventually("the outbox is empty", SOON, async || empty(&rig).await).await;
        assert_eq!(rig.log.payloads(LETTERS).await, texts(0..5));
        relay.stop().await;
    }

    async fn a_topic_that_does_not_answer_holds_up_no_other(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.log.faults().get_topic_stuck(LETTERS);
        let relay = rig.relay();
        let letters: Vec<_> = (0..5).map(|n| record(LETTERS, n, n)).collect();
        let mut tx = rig.database.begin().await.unwrap();
        rig.outbox.append(&mut tx, &letters).await.unwrap();
        tx.commit().await.unwrap();
        for n in 0..20 {
            rig.commit([(1, n)]).await;
            eventually("the fact is out", SOON, async || published(&rig).await.len() == n + 1).await;
        }
        assert_eq!(rig.outbox.held().await.unwrap(), 0, "nothing was refused");
        rig.log.faults().get_topic_unstuck(LETTERS);
        eventually("the outbox is empty", SOON, async || empty(&rig).await).await;
        assert_eq!(rig.log.payloads(LETTERS).await, texts(0..5));
        relay.stop().await;
    }

    async fn a_refused_record_without_a_key_holds_up_nobody(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.log.faults().refuse(|r| r.payload == b"bad");
        let mut records = vec![record(TOPIC, 1, "bad"), record(TOPIC, 1, "good")];
        records.iter_mut().for_each(|r| r.key = None);
        let mut tx = rig.database.begin().await.unwrap();
        rig.outbox.append(&mut tx, &records).await.unwrap();
        tx.commit().await.unwrap();
        let relay = rig.relay();
        eventually("held", SOON, async || rig.outbox.held().await.unwrap() == 1).await;
        assert_eq!(published(&rig).await, ["good"]);
        relay.stop().await;
    }

    async fn who_stops_publishes_what_was_committed(db: TestDatabase) {
        let rig = Rig::new(db).await;
        for round in 0..20 {
            let relay = rig.relay();
            rig.commit([(1, round)]).await;
            relay.stop().await;
            assert_eq!(published(&rig).await, texts(0..=round));
        }
    }

    async fn stopping_does_not_wait_for_a_log_that_is_away_or_stuck(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.log.faults().go_away();
        let relay = rig.relay();
        rig.commit([(1, 1)]).await;
        eventually("tried", SOON, async || rig.log.faults().publish_calls() > 0).await;
        relay.stop().await;

        rig.log.faults().come_back();
        rig.log.faults().get_stuck();
        let calls = rig.log.faults().publish_calls();
        let relay = rig.relay();
        eventually("tried", SOON, async || rig.log.faults().publish_calls() > calls).await;
        relay.stop().await;
        assert_eq!(rig.outbox.depth().await.unwrap().0, 1);
    }
}

/// Ids are given when a row is written, and rows are seen when they are committed.
#[test]
fn on_postgres_a_transaction_that_began_early_and_commits_late_is_not_skipped() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let rig = Rig::new(db).await;
        let relay = rig.relay();
        let mut early = rig.database.begin().await.unwrap();
        rig.outbox.append(&mut early, &[record(TOPIC, 1, "early")]).await.unwrap();
        rig.commit([(2, "late")]).await;
        eventually("the late one is out", SOON, async || published(&rig).await == ["late"]).await;
        eventually("and has left", SOON, async || empty(&rig).await).await;
        assert_eq!(published(&rig).await, ["late"], "published before its commit");
        early.commit().await.unwrap();
        eventually("the early one is out", SOON, async || published(&rig).await == ["late", "early"]).await;

        // Nor if it commits while the late one is being published.
        let mut early = rig.database.begin().await.unwrap();
        rig.outbox.append(&mut early, &[record(TOPIC, 1, "early 2")]).await.unwrap();
        let calls = rig.log.faults().publish_calls();
        rig.log.faults().get_stuck();
        rig.commit([(2, "late 2")]).await;
        eventually("publishing", SOON, async || rig.log.faults().publish_calls() > calls).await;
        early.commit().await.unwrap();
        rig.log.faults().get_unstuck();
        eventually("all is out", SOON, async || empty(&rig).await).await;
        assert_eq!(published(&rig).await, ["late", "early", "late 2", "early 2"]);
        relay.stop().await;
    });
}

#[test]
fn on_postgres_stopping_does_not_wait_for_a_server_that_is_silent() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let proxy = testkit::TcpProxy::to(db.server().unwrap()).await;
        let settings = db.settings_through(proxy.address());
        let database =
            storage::Database::open(&settings, &[messaging::MIGRATIONS, crate::rig::EFFECTS]).await.unwrap();
        let rig = Rig::on(db, database).await;
        let relay = rig.relay();
        rig.commit([(1, 1)]).await;
        eventually("published", SOON, async || empty(&rig).await).await;
        proxy.set(testkit::Network::Freezes).await;
        relay.stop().await;
        proxy.set(testkit::Network::Passes).await;
    });
}
