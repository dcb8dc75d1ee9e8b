//! What a subscription promises.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use messaging::{Polled, ReceivedRecord, Record};

use crate::rig::{PATIENCE, Rig, Subscriber, assert_order_per_key, number, numbers};

pub(crate) async fn a_new_group_starts_at_the_earliest_record(rig: Rig) {
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 10).await;
    let mut subscriber = rig.subscriber(&*log, "late").await;
    let records = subscriber.records(10).await;
    assert_eq!(numbers(&records), (0..10).collect::<Vec<_>>());
    for partition in &subscriber.owned {
        let first = records.iter().find(|r| r.partition == *partition);
        assert!(first.is_none_or(|record| record.offset == 0));
    }
}

pub(crate) async fn groups_know_nothing_of_each_other(rig: Rig) {
    let log = rig.log().await;
    let mut receipt = rig.subscriber(&*log, "receipt").await;
    let mut view = rig.subscriber(&*log, "view").await;
    rig.publish_numbers(&*log, 0, 10).await;
    assert_eq!(numbers(&receipt.records(10).await), (0..10).collect::<Vec<_>>());
    for partition in receipt.owned.clone() {
        receipt.subscription.commit(partition, 2).await.unwrap();
    }
    assert_eq!(numbers(&view.records(10).await), (0..10).collect::<Vec<_>>());
}

pub(crate) async fn a_group_reads_several_topics_and_mixes_nothing(rig: Rig) {
    let log = rig.log().await;
    let other = rig.other_topic();
    log.ensure_topic(&other).await.unwrap();
    let in_other = |n: usize| Record { topic: other.clone(), ..rig.record(&format!("key {}", n % 5), n) };
    rig.publish_numbers(&*log, 0, 30).await;
    rig.publish(&*log, &(100..130).map(in_other).collect::<Vec<_>>()).await;

    let mut first = rig.subscriber(&*log, "group").await;
    let mut second = rig.subscriber_of(&*log, &other, "group").await;
    // Both have to be polled: a group waits for each of its members.
    let (of_first, of_second) = tokio::join!(first.records(30), second.records(30));
    assert_eq!(numbers(&of_first), (0..30).collect::<Vec<_>>());
    assert_eq!(numbers(&of_second), (100..130).collect::<Vec<_>>());
    assert!(of_first.iter().all(|received| received.record.topic == rig.topic));
    assert!(of_second.iter().all(|received| received.record.topic == other));
    assert_eq!(first.owned, second.owned);

    // What is committed of one topic says nothing about the other.
    for partition in first.owned.clone() {
        first.subscription.commit(partition, 1_000).await.unwrap();
    }
    tokio::join!(first.nothing(), second.nothing());
    drop((first, second));
    let mut again = rig.subscriber_of(&*log, &other, "group").await;
    assert_eq!(numbers(&again.records(30).await), (100..130).collect::<Vec<_>>());
}

pub(crate) async fn reading_starts_where_the_subscriber_seeks(rig: Rig) {
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 100).await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    let everything = subscriber.records(100).await;
    let owned = subscriber.owned.clone();
    drop(subscriber);

    // The service's database knows of the first three of each partition.
    let mut subscriber = rig.subscriber(&*log, "group").await;
    let mut assigned = 0;
    while assigned < owned.len() {
        for partition in subscriber.assigned().await {
            subscriber.seek(partition, 3).await;
            assigned += 1;
        }
    }
    let expected: Vec<_> = everything.iter().filter(|r| r.offset >= 3).cloned().collect();
    let records = subscriber.records(expected.len()).await;
    assert_eq!(numbers(&records), numbers(&expected));
    subscriber.nothing().await;
}

pub(crate) async fn a_seek_back_delivers_again(rig: Rig) {
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 100).await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    let everything = subscriber.records(100).await;
    let partition = everything[0].partition;
    let behind = |offset| {
        let there = everything.iter().filter(|r| r.partition == partition);
        there.filter(|r| r.offset >= offset).cloned().collect::<Vec<_>>()
    };
    for offset in [5, 0, 1] {
        subscriber.seek(partition, offset).await;
        let expected = behind(offset);
        assert_eq!(subscriber.records(expected.len()).await, expected);
    }
    // Twice without a poll in between: the last one counts. And to the end.
    subscriber.seek(partition, 0).await;
    subscriber.seek(partition, 2).await;
    assert_eq!(subscriber.records(behind(2).len()).await, behind(2));
    subscriber.seek(partition, behind(0).len() as i64).await;
    subscriber.nothing().await;
    // Of a partition that is nobody's, or somebody else's: nothing happens.
    subscriber.subscription.seek(77, 0).await.unwrap();
    subscriber.subscription.commit(77, 0).await.unwrap();
    subscriber.nothing().await;
}

pub(crate) async fn the_next_subscriber_starts_where_the_group_committed(rig: Rig) {
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 30).await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    let everything = subscriber.records(30).await;
    for partition in subscriber.owned.clone() {
        subscriber.subscription.commit(partition, 2).await.unwrap();
    }
    // A commit takes effect a little later; leaving the group waits for it.
    subscriber.nothing().await;
    drop(subscriber);

    let mut subscriber = rig.subscriber(&*log, "group").await;
    let expected: Vec<_> = everything.iter().filter(|r| r.offset >= 2).cloned().collect();
    let records = subscriber.records(expected.len()).await;
    assert_eq!(numbers(&records), numbers(&expected));
}

pub(crate) async fn a_look_shows_bounds_and_records_and_disturbs_nobody(rig: Rig) {
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 30).await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    let mut read: BTreeMap<i32, Vec<ReceivedRecord>> = BTreeMap::new();
    for record in subscriber.records(30).await {
        read.entry(record.partition).or_default().push(record);
    }
    let wanted = |records: &[ReceivedRecord]| vec![records[0].offset, records[records.len() - 1].offset, 99];
    let at = read.iter().map(|(partition, records)| (*partition, wanted(records))).collect();
    let views = subscriber.subscription.look(at).await.unwrap();
    assert_eq!(views.len(), read.len());
    for view in views {
        let records = &read[&view.partition];
        let last = &records[records.len() - 1];
        assert_eq!((view.begin, view.end), (0, last.offset + 1));
        let mut expected = vec![records[0].clone()];
        if records.len() > 1 {
            expected.push(last.clone());
        }
        let mut seen = view.records;
        seen.dedup();
        assert_eq!(seen, expected);
    }
    rig.publish_numbers(&*log, 30, 31).await;
    subscriber.records(1).await;
}

pub(crate) async fn lag_is_the_distance_to_the_end(rig: Rig) {
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 30).await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    assert_eq!(subscriber.subscription.lag().await.unwrap(), []);
    let everything = subscriber.records(30).await;
    let lag = |lags: Vec<(i32, i64)>| lags.into_iter().map(|(_, lag)| lag).sum::<i64>();
    assert_eq!(lag(subscriber.subscription.lag().await.unwrap()), 30);

    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    for record in &everything[..20] {
        next.insert(record.partition, record.offset + 1);
    }
    for (partition, offset) in next {
        subscriber.subscription.commit(partition, offset).await.unwrap();
    }
    assert_eq!(lag(subscriber.subscription.lag().await.unwrap()), 10);
    rig.publish_numbers(&*log, 30, 35).await;
    assert_eq!(lag(subscriber.subscription.lag().await.unwrap()), 15);
}

/// What the services do: the positions are theirs, and every assignment starts with a look at them.
async fn work(subscriber: &mut Subscriber, positions: &mut BTreeMap<i32, i64>, done: &mut Vec<usize>) {
    match subscriber.poll(7, Duration::from_millis(20)).await {
        Polled::Assigned(partitions) => {
            for partition in partitions {
                let position = positions.get(&partition).copied().unwrap_or(0);
                subscriber.seek(partition, position).await;
            }
        }
        Polled::Revoked(_) => {}
        Polled::Records(records) => {
            for record in records {
                let position = positions.entry(record.partition).or_insert(0);
                assert_eq!(record.offset, *position, "skipped or repeated");
                *position += 1;
                done.push(number(&record));
            }
        }
    }
}

pub(crate) async fn a_partition_has_one_subscriber_at_a_time(rig: Rig) {
    let log = rig.log().await;
    let mut positions = BTreeMap::new();
    let mut done = Vec::new();
    let mut published = 0;
    let mut subscribers = vec![rig.subscriber(&*log, "group").await];
    // Joined by others, left by the eldest, again and again.
    for round in 0..6 {
        if round % 2 == 0 {
            subscribers.push(rig.subscriber(&*log, "group").await);
        } else {
            subscribers.remove(0);
        }
        rig.publish_numbers(&*log, published, published + 50).await;
        published += 50;
        let start = Instant::now();
        let settled = |subscribers: &[Subscriber]| {
            let owned = subscribers.iter().map(|s| s.owned.len());
            owned.sum::<usize>() > 0
        };
        while done.len() < published || !settled(&subscribers) {
            assert!(start.elapsed() < PATIENCE, "{} of {published}", done.len());
            for subscriber in &mut subscribers {
                work(subscriber, &mut positions, &mut done).await;
            }
            let mut owners: Vec<i32> = subscribers.iter().flat_map(|s| s.owned.clone()).collect();
            owners.sort_unstable();
            assert!(owners.is_sorted_by(|a, b| a < b), "two owners: {owners:?}");
        }
    }
    done.sort_unstable();
    assert_eq!(done, (0..published).collect::<Vec<_>>());
}

pub(crate) async fn a_poll_without_records_ends_after_its_wait(rig: Rig) {
    let log = rig.log().await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    subscriber.assigned().await;
    let start = Instant::now();
    let polled = subscriber.poll(10, Duration::from_millis(250)).await;
    assert_eq!(polled, Polled::Records(Vec::new()));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(240), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

pub(crate) async fn a_waiting_poll_sees_a_new_record_at_once(rig: Rig) {
    let log = rig.log().await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    let partitions = subscriber.assigned().await;
    assert!(!partitions.is_empty());
    subscriber.nothing().await;
    for n in 0..5 {
        let start = Instant::now();
        let publish = rig.publish_numbers(&*log, n, n + 1);
        let (polled, ()) = tokio::join!(subscriber.poll(10, Duration::from_secs(20)), publish);
        assert!(matches!(&polled, Polled::Records(r) if r.len() == 1), "{polled:?}");
        let took = start.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

pub(crate) async fn a_dropped_poll_loses_nothing(rig: Rig) {
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 2000).await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    let mut records = Vec::new();
    let start = Instant::now();
    let mut micros = 0;
    while records.len() < 2000 {
        assert!(start.elapsed() < PATIENCE, "{} of 2000", records.len());
        micros = (micros + 37) % 3000;
        let poll = subscriber.poll(50, Duration::from_secs(1));
        if let Ok(Polled::Records(more)) = tokio::time::timeout(Duration::from_micros(micros), poll).await {
            records.extend(more);
        }
    }
    assert_eq!(numbers(&records), (0..2000).collect::<Vec<_>>());
    assert_order_per_key(&records);
}

pub(crate) async fn a_topic_may_be_created_after_the_subscription(rig: Rig) {
    let log = rig.log_without_topic().await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    // Assigned now or later; no error in any case.
    subscriber.poll(10, Duration::from_millis(300)).await;
    log.ensure_topic(&rig.topic).await.unwrap();
    log.ensure_topic(&rig.topic).await.unwrap();
    rig.publish_numbers(&*log, 0, 10).await;
    assert_eq!(numbers(&subscriber.records(10).await), (0..10).collect::<Vec<_>>());
}
