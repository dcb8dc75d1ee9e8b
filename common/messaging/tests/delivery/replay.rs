//! Putting dead letters back in order, while the consumer runs.

use messaging::{Asked, DeadLetters, Request, Selection};
use testkit::{SOON, TestDatabase, eventually};

use crate::handler::Fault;
use crate::rig::{Rig, texts};

/// Key 1 has 0 dead, 1 and 2 waiting; key 2 has 3 applied.
async fn one_dead_two_waiting(rig: &Rig) {
    rig.handler.set(0, Fault::Poison);
    rig.publish([(1, 0), (1, 1), (1, 2), (2, 3)]).await;
}

async fn aside_are(rig: &Rig, expected: &[(&str, &str)]) {
    let expected: Vec<(String, String)> =
        expected.iter().map(|(payload, status)| ((*payload).to_owned(), (*status).to_owned())).collect();
    eventually("set aside as expected", SOON, async || {
        // A request that is not yet served may still change it.
        let served = rig.letters().await.iter().all(|letter| letter.requested.is_empty());
        served && rig.aside().await == expected
    })
    .await;
}

testkit::for_each_backend! {
    async fn a_replay_processes_the_record_and_what_waits_in_order_and_frees_the_key(db: TestDatabase) {
        let rig = Rig::new(db).await;
        one_dead_two_waiting(&rig).await;
        let (consumer, _) = rig.consume();
        aside_are(&rig, &[("0", "dead"), ("1", "waiting"), ("2", "waiting")]).await;
        rig.handler.heal(0);
        rig.request("0", Request::Replay).await;
        rig.publish([(1, 4), (2, 5)]).await;
        aside_are(&rig, &[]).await;
        rig.publish([(1, 6)]).await;
        rig.effects_come(7).await;
        let of_key_1: Vec<String> = rig
            .effects_of_keys()
            .await
            .into_iter()
            .filter(|(key, _)| key.as_deref() == Some("1"))
            .map(|(_, payload)| payload)
            .collect();
        assert_eq!(of_key_1, texts([0, 1, 2, 4, 6]));
        assert_eq!(rig.effects().await.len(), 7);
        consumer.stop().await;
    }

    async fn a_replay_that_fails_leaves_it_dead_and_counts_the_attempt(db: TestDatabase) {
        let rig = Rig::new(db).await;
        one_dead_two_waiting(&rig).await;
        let (consumer, _) = rig.consume();
        aside_are(&rig, &[("0", "dead"), ("1", "waiting"), ("2", "waiting")]).await;
        for attempts in 2..4 {
            rig.request("0", Request::Replay).await;
            eventually("tried", SOON, async || rig.letters().await[0].attempts == attempts).await;
            aside_are(&rig, &[("0", "dead"), ("1", "waiting"), ("2", "waiting")]).await;
        }
        assert_eq!(rig.effects().await, texts([3]));
        // The one behind it fails as well: then that one is dead.
        rig.handler.heal(0);
        rig.handler.set(1, Fault::Panic);
        rig.request("0", Request::Replay).await;
        aside_are(&rig, &[("1", "dead"), ("2", "waiting")]).await;
        assert!(rig.letters().await[0].reason.contains("panic"));
        assert_eq!(rig.effects().await, texts([3, 0]));
        // And its later records still wait.
        rig.publish([(1, 4)]).await;
        aside_are(&rig, &[("1", "dead"), ("2", "waiting"), ("4", "waiting")]).await;
        consumer.stop().await;
    }

    async fn who_asks_for_a_waiting_one_gets_the_ones_before_it_first(db: TestDatabase) {
        let rig = Rig::new(db).await;
        one_dead_two_waiting(&rig).await;
        let (consumer, _) = rig.consume();
        aside_are(&rig, &[("0", "dead"), ("1", "waiting"), ("2", "waiting")]).await;
        rig.request("2", Request::Replay).await;
        aside_are(&rig, &[("0", "dead"), ("1", "waiting"), ("2", "waiting")]).await;
        assert_eq!(rig.letters().await[0].attempts, 2);
        rig.handler.heal(0);
        rig.request("2", Request::Replay).await;
        aside_are(&rig, &[]).await;
        assert_eq!(rig.effects().await, texts([3, 0, 1, 2]));
        consumer.stop().await;
    }

    async fn what_is_discarded_is_gone_and_what_waits_goes_on(db: TestDatabase) {
        let rig = Rig::new(db).await;
        one_dead_two_waiting(&rig).await;
        let (consumer, _) = rig.consume();
        aside_are(&rig, &[("0", "dead"), ("1", "waiting"), ("2", "waiting")]).await;
        rig.request("0", Request::Discard).await;
        aside_are(&rig, &[]).await;
        rig.publish([(1, 4)]).await;
        assert_eq!(rig.effects_come(4).await, texts([3, 1, 2, 4]));
        consumer.stop().await;
    }

    /// Nothing was asked about the dead one: it is neither tried nor freed.
    async fn discarding_one_that_waits_leaves_the_dead_one_alone(db: TestDatabase) {
        let rig = Rig::new(db).await;
        one_dead_two_waiting(&rig).await;
        let (consumer, _) = rig.consume();
        aside_are(&rig, &[("0", "dead"), ("1", "waiting"), ("2", "waiting")]).await;
        // Nothing is wrong with it: whoever discards it has to mean it.
        let letters = DeadLetters::new(rig.database.clone());
        let id = rig.letters().await[1].id;
        assert_eq!(letters.request(id, Request::Discard, false).await.unwrap(), Asked::OnlyWaiting);
        assert!(rig.letters().await.iter().all(|letter| letter.requested.is_empty()));
        assert_eq!(letters.request(id, Request::Discard, true).await.unwrap(), Asked::Noted);
        aside_are(&rig, &[("0", "dead"), ("2", "waiting")]).await;
        assert_eq!(rig.handler.tries(0), 1);
        consumer.stop().await;
    }

    /// The process dies between two records of a replay; nobody asks again.
    async fn a_replay_that_was_interrupted_goes_on_by_itself(db: TestDatabase) {
        let rig = Rig::new(db).await;
        one_dead_two_waiting(&rig).await;
        let (consumer, _) = rig.consume();
        aside_are(&rig, &[("0", "dead"), ("1", "waiting"), ("2", "waiting")]).await;
        rig.handler.heal(0);
        rig.handler.set(1, Fault::Away);
        rig.request("0", Request::Replay).await;
        eventually("stuck at the second", SOON, async || rig.handler.tries(1) >= 1).await;
        consumer.kill().await;
        assert_eq!(rig.effects().await, texts([3, 0]));

        rig.handler.heal(1);
        let (consumer, _) = rig.consume();
        aside_are(&rig, &[]).await;
        assert_eq!(rig.effects().await, texts([3, 0, 1, 2]));
        consumer.stop().await;
    }

    /// More than one round's work.
    async fn a_long_queue_behind_a_dead_one_is_worked_off_while_others_pass(db: TestDatabase) {
        let mut rig = Rig::new(db).await;
        rig.settings.batch = 10;
        rig.handler.set(0, Fault::Poison);
        rig.publish((0..100).map(|n| (1, n))).await;
        let (consumer, _) = rig.consume();
        eventually("set aside", SOON, async || rig.aside().await.len() == 100).await;
        rig.handler.heal(0);
        rig.request("0", Request::Replay).await;
        rig.publish((100..200).map(|n| (n % 2 + 1, n))).await;
        aside_are(&rig, &[]).await;
        rig.effects_come(200).await;
        let effects = rig.effects_of_keys().await;
        for key in ["1", "2"] {
            let numbers: Vec<usize> = effects
                .iter()
                .filter(|(k, _)| k.as_deref() == Some(key))
                .map(|(_, payload)| payload.parse().unwrap())
                .collect();
            assert!(numbers.is_sorted(), "{numbers:?}");
        }
        assert_eq!(effects.len(), 200);
        consumer.stop().await;
    }

    /// By key, by time, by reason, all: and behind each dead one, what waits follows.
    async fn many_are_replayed_or_discarded_at_once(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let letters = DeadLetters::new(rig.database.clone());
        (0..200).for_each(|n| rig.handler.set(n, Fault::Poison));
        rig.handler.set(200, Fault::Panic);
        rig.publish((0..201).map(|n| (n, n))).await;
        rig.publish((0..201).map(|n| (n, format!("behind {n}")))).await;
        let (consumer, _) = rig.consume();
        eventually("set aside", SOON, async || letters.count().await.unwrap() == (201, 201)).await;

        let nothing = Selection { until_ms: Some(1_662_883_010_408), ..Selection::default() };
        assert_eq!(letters.request_all(Request::Discard, &nothing).await.unwrap(), 0);
        rig.handler.heal(17);
        let key = Selection { key: Some("17".into()), from_ms: Some(1_662_883_010_408), ..Selection::default() };
        assert_eq!(letters.request_all(Request::Replay, &key).await.unwrap(), 1);
        assert_eq!(rig.effects_come(2).await, ["17", "behind 17"]);
        let reason = Selection { reason: Some("poison".into()), ..Selection::default() };
        assert_eq!(letters.request_all(Request::Discard, &reason).await.unwrap(), 199);
        rig.effects_come(201).await;
        eventually("one is left", SOON, async || letters.count().await.unwrap() == (1, 1)).await;
        rig.handler.heal(200);
        assert_eq!(letters.request_all(Request::Replay, &Selection::default()).await.unwrap(), 1);
        rig.effects_come(203).await;
        eventually("nothing is left", SOON, async || letters.count().await.unwrap() == (0, 0)).await;
        // The keys are free.
        rig.publish((0..201).map(|n| (n, format!("free {n}")))).await;
        rig.effects_come(404).await;
        assert_eq!(letters.count().await.unwrap(), (0, 0));
        consumer.stop().await;
    }

    /// A page, and of each value its beginning: strangers decide how many there are, and how long.
    async fn a_list_is_bounded_and_a_letter_is_whole(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let letters = DeadLetters::new(rig.database.clone());
        let long = "é".repeat(100_000);
        rig.handler.set(&long, Fault::Poison);
        rig.publish([("k".repeat(5_000), long.as_str())]).await;
        (0..5).for_each(|n| rig.handler.set(n, Fault::Poison));
        rig.publish((0..5).map(|n| (n, n))).await;
        let (consumer, _) = rig.consume();
        eventually("set aside", SOON, async || letters.count().await.unwrap().0 == 6).await;
        consumer.stop().await;
        let first = letters.list(0, 4).await.unwrap();
        let second = letters.list(first[3].id, 4).await.unwrap();
        assert_eq!((first.len(), second.len()), (4, 2));
        assert_eq!((first[0].payload.len(), first[0].payload_bytes), (1_024, 200_000));
        assert_eq!(first[0].key.as_ref().unwrap().len(), 256);
        assert_eq!((second[1].payload.as_str(), second[1].payload_bytes), ("4", 1));
        assert_eq!(letters.show(first[0].id).await.unwrap().unwrap().payload, long);
    }

    async fn nobody_replays_what_is_not_there(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let letters = DeadLetters::new(rig.database.clone());
        assert_eq!(letters.request(17, Request::Replay, false).await.unwrap(), Asked::NotThere);
        assert_eq!(letters.request(17, Request::Discard, false).await.unwrap(), Asked::NotThere);
        assert!(letters.show(17).await.unwrap().is_none());
        assert_eq!(letters.count().await.unwrap(), (0, 0));
    }
}
