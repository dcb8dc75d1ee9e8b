//! A service that reads two topics: the same keys and offsets in both, and nothing of one touches the other.

use std::sync::Arc;

use messaging::Request;
use testkit::{SOON, TestDatabase, eventually, record};

use crate::handler::{Fault, TestHandler};
use crate::rig::{Rig, TOPIC, texts};

const OTHER: &str = "others";

async fn publish(rig: &Rig, payloads: impl IntoIterator<Item = &'static str>) {
    rig.log.publish(&payloads.into_iter().map(|payload| record(OTHER, 1, payload)).collect::<Vec<_>>()).await;
}

async fn positions(rig: &Rig) -> Vec<(String, i64)> {
    sqlx::query_as("SELECT topic, next_offset FROM inbox_position ORDER BY topic")
        .fetch_all(rig.database.reader())
        .await
        .unwrap()
}

/// Of each letter its topic, payload and status.
async fn aside(rig: &Rig) -> Vec<(String, String, String)> {
    let letters = rig.letters().await.into_iter();
    letters.map(|letter| (letter.topic, letter.payload, letter.status)).collect()
}

fn letter(topic: &str, payload: &str, status: &str) -> (String, String, String) {
    (topic.to_owned(), payload.to_owned(), status.to_owned())
}

testkit::for_each_backend! {
    async fn positions_dead_letters_and_what_waits_are_each_topics_own(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let others = Arc::new(TestHandler::new(rig.outbox.clone()));
        rig.handler.set(0, Fault::Poison);
        others.set("bad", Fault::Poison);
        let relay = rig.relay();
        let (first, _) = rig.consume();
        let (second, _) = rig.consume_topic(OTHER, others.clone());

        // Key 1 is blocked in one topic, and goes on in the other.
        rig.publish((0..3).map(|n| (1, n))).await;
        publish(&rig, ["one", "two"]).await;
        assert_eq!(rig.effects_come(2).await, ["one", "two"]);
        eventually("both are read", SOON, async || {
            positions(&rig).await == [(TOPIC.to_owned(), 3), (OTHER.to_owned(), 2)]
        })
        .await;
        let blocked = [letter(TOPIC, "0", "dead"), letter(TOPIC, "1", "waiting"), letter(TOPIC, "2", "waiting")];
        assert_eq!(aside(&rig).await, blocked);

        // And the other way round, with the same offsets.
        publish(&rig, ["bad", "three"]).await;
        eventually("all are aside", SOON, async || rig.letters().await.len() == 5).await;
        assert_eq!(aside(&rig).await[3..], [letter(OTHER, "bad", "dead"), letter(OTHER, "three", "waiting")]);
        eventually("copies of both", SOON, async || {
            rig.log.payloads("facts.service.dlt").await == ["0"] && rig.log.payloads("others.service.dlt").await == ["bad"]
        })
        .await;

        // What is replayed of one leaves the other's alone.
        rig.handler.heal(0);
        rig.request("0", Request::Replay).await;
        eventually("replayed", SOON, async || rig.letters().await.len() == 2).await;
        assert_eq!(rig.effects().await, ["one", "two", "0", "1", "2"]);
        rig.request("bad", Request::Discard).await;
        eventually("nothing is aside", SOON, async || rig.letters().await.is_empty()).await;
        assert_eq!(rig.effects().await, ["one", "two", "0", "1", "2", "three"]);
        first.stop().await;
        second.stop().await;
        relay.stop().await;
    }

    /// One topic's handler finds its table away: the other topic goes on, and only one is said to stand still.
    async fn one_topic_stands_still_and_the_other_goes_on(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let others = Arc::new(TestHandler::new(rig.outbox.clone()));
        others.set("stuck", Fault::Away);
        let (first, going) = rig.consume();
        let (second, stalled) = rig.consume_topic(OTHER, others.clone());
        publish(&rig, ["stuck"]).await;
        eventually("it stands still", SOON, async || stalled.stalled().is_some()).await;
        rig.publish((0..3).map(|n| (n, n))).await;
        assert_eq!(rig.effects_come(3).await, texts(0..3));
        assert!(going.stalled().is_none());
        others.heal("stuck");
        rig.effects_come(4).await;
        eventually("it goes on", SOON, async || stalled.stalled().is_none()).await;
        first.stop().await;
        second.stop().await;
    }
}
