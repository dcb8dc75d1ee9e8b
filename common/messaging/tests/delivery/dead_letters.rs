//! Records that fail for reasons of their own are set aside; the later ones of their keys wait, all others pass.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use messaging::{ReceivedRecord, Record};
use testkit::{SOON, TestDatabase, eventually, record};

use crate::handler::Fault;
use crate::rig::{GROUP, Rig, TOPIC, texts};

async fn dead_letter_topic(rig: &Rig) -> Vec<ReceivedRecord> {
    rig.log.records(&format!("{TOPIC}.{GROUP}.dlt")).await
}

fn pair(payload: impl ToString, status: &str) -> (String, String) {
    (payload.to_string(), status.to_owned())
}

testkit::for_each_backend! {
    async fn a_record_that_cannot_be_applied_is_set_aside_with_the_reason(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.handler.set("bad", Fault::Poison);
        let mut bad = record(TOPIC, 7, "bad");
        bad.headers = vec![("type".into(), b"Strange".to_vec())];
        rig.publish([(7, 0)]).await;
        rig.log.publish(std::slice::from_ref(&bad)).await;
        rig.publish([(8, 1), (7, 2)]).await;
        let (consumer, relay) = (rig.consume().0, rig.relay());

        eventually("set aside", SOON, async || !dead_letter_topic(&rig).await.is_empty()).await;
        assert_eq!(rig.effects().await, texts([0, 1]));
        assert_eq!(rig.aside().await, [pair("bad", "dead"), pair(2, "waiting")]);
        let letter = &rig.letters().await[0];
        assert_eq!((letter.partition, letter.offset, letter.attempts), (0, 1, 1));
        assert_eq!((letter.reason.as_str(), letter.key.as_deref()), ("poison", Some("7")));
        assert_eq!(letter.record, bad);

        let copy = dead_letter_topic(&rig).await.remove(0).record;
        assert_eq!((&copy.key, &copy.payload), (&bad.key, &bad.payload));
        let headers: BTreeMap<_, _> =
            copy.headers.iter().map(|(name, value)| (name.as_str(), str::from_utf8(value).unwrap())).collect();
        assert_eq!(headers["type"], "Strange");
        assert_eq!(headers["x-original-topic"], TOPIC);
        assert_eq!(headers["x-original-partition"], "0");
        assert_eq!(headers["x-original-offset"], "1");
        assert_eq!(headers["x-original-timestamp"], bad.timestamp_ms.to_string());
        assert_eq!(headers["x-exception-message"], "poison");
        assert_eq!(headers["x-attempts"], "1");
        assert!(headers["x-dead-letter-time"].parse::<i64>().unwrap() > 1_600_000_000_000);
        consumer.stop().await;
        relay.stop().await;
    }

    async fn later_records_of_the_key_wait_also_after_a_restart_and_others_pass(db: TestDatabase) {
        let mut rig = Rig::new(db).await;
        rig.settings.batch = 4;
        rig.handler.set(0, Fault::Poison);
        for round in 0..4 {
            let (consumer, _) = rig.consume();
            rig.publish((round * 10..round * 10 + 10).map(|n| (n % 2, n))).await;
            eventually("all are somewhere", SOON, async || {
                rig.effects().await.len() + rig.aside().await.len() == round * 10 + 10
            })
            .await;
            consumer.stop().await;
        }
        assert_eq!(rig.effects().await, texts((0..40).filter(|n| n % 2 == 1)));
        let waiting = (2..40).step_by(2).map(|n| pair(n, "waiting"));
        let expected: Vec<_> = std::iter::once(pair(0, "dead")).chain(waiting).collect();
        assert_eq!(rig.aside().await, expected);
        assert_eq!(rig.handler.tries(2), 0);
    }

    /// Which record of a batch causes an error or a panic, shows when they are tried one by one.
    async fn who_is_to_blame_is_found_out(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.handler.set(3, Fault::BadStatement);
        rig.handler.set(6, Fault::Panic);
        rig.publish((0..10).map(|n| (n, n))).await;
        let (consumer, status) = rig.consume();
        assert_eq!(rig.effects_come(8).await, texts([0, 1, 2, 4, 5, 7, 8, 9]));
        let letters = rig.letters().await;
        assert_eq!(rig.aside().await, [pair(3, "dead"), pair(6, "dead")]);
        assert!(letters[0].reason.contains("no_such_table"), "{}", letters[0].reason);
        assert!(letters[1].reason.contains("the test panics at 6"), "{}", letters[1].reason);
        assert_eq!(letters[0].attempts, 3);
        assert!(status.stalled().is_none());
        consumer.stop().await;
    }

    /// A tombstone under a living key: it says nothing, so it holds nobody back, waits for nobody, and is no bad record.
    async fn a_record_without_a_value_is_passed_and_its_key_goes_on(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.handler.set("bad", Fault::Poison);
        // Alone, among others, and behind a dead letter.
        rig.publish([(1, "")]).await;
        let (consumer, _) = rig.consume();
        eventually("passed alone", SOON, async || rig.next_offset().await == 1).await;
        rig.publish([(1, "0"), (1, ""), (2, "bad"), (2, ""), (1, "1")]).await;
        assert_eq!(rig.effects_come(2).await, texts([0, 1]));
        eventually("all are read", SOON, async || rig.next_offset().await == 6).await;
        assert_eq!(rig.aside().await, [pair("bad", "dead")]);
        assert_eq!(rig.handler.tries(""), 0);
        consumer.stop().await;
    }

    async fn records_without_a_key_block_nobody(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.handler.set(1, Fault::Poison);
        let mut records: Vec<_> = (0..4).map(|n| record(TOPIC, "", n)).collect();
        records.iter_mut().for_each(|r| r.key = None);
        rig.log.publish(&records).await;
        let (consumer, _) = rig.consume();
        assert_eq!(rig.effects_come(3).await, texts([0, 2, 3]));
        assert_eq!(rig.aside().await, [pair(1, "dead")]);
        consumer.stop().await;
    }

    /// Whatever a stranger writes into the topic, it must fit: nobody else may have to wait for it.
    async fn the_strangest_record_can_be_set_aside(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let mut strangers = Vec::new();
        // Of different bytes, so that it cannot be compressed into an index.
        let long: String = (0..3_000_u32).filter_map(|n| char::from_u32(n * 7919 % 50_000 + 33)).collect();
        for key in ["nul \0", "\\0", "'\"; DROP TABLE effect; --", "\u{feff}é\u{202e}", &long] {
            let mut stranger = record(TOPIC, key, "");
            stranger.payload = vec![0xff, 0x00, 0xfe];
            stranger.headers = vec![("\0".into(), vec![0, 255]), ("a".into(), vec![b'x'; 10_000])];
            strangers.push(stranger);
        }
        rig.log.publish(&strangers).await;
        rig.publish([("nul \0", "later"), ("free", "free")]).await;
        let (consumer, relay) = (rig.consume().0, rig.relay());
        assert_eq!(rig.effects_come(1).await, ["free"]);
        let letters = rig.letters().await;
        assert_eq!(letters.len(), strangers.len() + 1);
        for (letter, stranger) in letters.iter().zip(&strangers) {
            assert_eq!(&letter.record, stranger);
            assert_eq!(letter.reason, "not\u{fffd}text");
        }
        assert_eq!(letters[strangers.len()].status, "waiting");
        eventually("copies", SOON, async || dead_letter_topic(&rig).await.len() == strangers.len()).await;
        for (copy, stranger) in dead_letter_topic(&rig).await.iter().zip(&strangers) {
            assert_eq!((&copy.record.key, &copy.record.payload), (&stranger.key, &stranger.payload));
        }
        consumer.stop().await;
        relay.stop().await;
    }

    /// A name may come twice, and a record be so large that there is no room for the reason. The copy fits all the same.
    async fn doubled_and_huge_headers_are_kept_and_the_copy_fits(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let text = |name: &str, length: usize| (name.to_owned(), vec![b'x'; length]);
        let mut records = Vec::new();
        for (payload, headers) in [
            ("doubled", vec![text("type", 1), text("type", 2), text("traceparent", 3), text("traceparent", 0)]),
            ("many", (0..20_000).map(|n| text("n", n % 7)).collect()),
            ("long", vec![text(&"n".repeat(30_000), 300_000), text("type", 500_000)]),
            ("huge", vec![text("a", 475_000), text("a", 475_000)]),
        ] {
            for fault in [None, Some(Fault::Poison)] {
                let payload = format!("{payload} {}", if fault.is_some() { "bad" } else { "good" });
                fault.into_iter().for_each(|fault| rig.handler.set(&payload, fault));
                records.push(Record { headers: headers.clone(), ..record(TOPIC, &payload, &payload) });
            }
        }
        rig.log.publish(&records).await;
        let (consumer, relay) = (rig.consume().0, rig.relay());
        assert_eq!(rig.effects_come(4).await, ["doubled good", "many good", "long good", "huge good"]);
        let bad: Vec<&Record> = records.iter().skip(1).step_by(2).collect();
        eventually("copies", SOON, async || dead_letter_topic(&rig).await.len() == bad.len()).await;
        for ((letter, copy), bad) in rig.letters().await.iter().zip(dead_letter_topic(&rig).await).zip(bad) {
            assert_eq!(&letter.record, bad);
            assert_eq!(copy.record.key, bad.key);
            let size: usize = copy.record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
            assert!(size < 920_000, "{size}");
            let whole = bad.payload != b"huge bad";
            assert_eq!(copy.record.payload == bad.payload, whole);
            assert_eq!(copy.record.headers.starts_with(&bad.headers), whole);
            assert_eq!(copy.record.headers.iter().any(|(name, _)| name == "x-left-out"), !whole);
            assert!(copy.record.headers.iter().any(|(name, _)| name == "x-exception-message"));
        }
        consumer.stop().await;
        relay.stop().await;
    }

    async fn a_flood_of_bad_records_passes(db: TestDatabase) {
        let rig = Rig::new(db).await;
        (0..300).for_each(|n| rig.handler.set(n, Fault::Poison));
        rig.publish((0..300).map(|n| (n, n))).await;
        rig.publish([("free", "free")]).await;
        let (consumer, _) = rig.consume();
        assert_eq!(rig.effects_come(1).await, ["free"]);
        assert_eq!(rig.aside().await.len(), 300);
        // A batch is handled once to find its bad records, and once without them, however many there are.
        let (calls, batch) = (rig.handler.calls.load(Ordering::Relaxed), rig.settings.batch);
        assert!(calls <= 2 * (301_usize.div_ceil(batch) + 2), "{calls} calls");
        assert!((0..300).all(|n| rig.handler.tries(n) == 1), "each bad record is tried once");
        consumer.stop().await;
    }
}
