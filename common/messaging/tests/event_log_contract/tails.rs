//! What a tail promises.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use messaging::{EventLog, Follower, FollowerStatus, ReceivedRecord, Record, Tail};
use tokio_util::sync::CancellationToken;

use crate::rig::{PATIENCE, Rig, assert_order_per_key, numbers};

const NOON: i64 = 1_662_883_010_408;
const READER: &str = "service";

/// `from..to` over five keys, each a second later than the one before, beginning at `NOON`.
fn seconds(rig: &Rig, from: usize, to: usize) -> Vec<Record> {
    let at = |n: usize| NOON + 1_000 * n as i64;
    (from..to).map(|n| Record { timestamp_ms: at(n), ..rig.record(&format!("key {}", n % 5), n) }).collect()
}

async fn tail(rig: &Rig, log: &dyn EventLog, from_ms: i64) -> Box<dyn Tail> {
    log.tail(&rig.topic, READER, from_ms).await.unwrap()
}

/// Polls until the tail has so many numbers at least, and nothing more comes.
async fn read(tail: &mut dyn Tail, count: usize) -> Vec<ReceivedRecord> {
    let start = Instant::now();
    let mut records: Vec<ReceivedRecord> = Vec::new();
    while records.len() < count {
        assert!(start.elapsed() < PATIENCE, "{} records instead of {count}", records.len());
        records.extend(tail.poll(500, Duration::from_millis(200)).await.unwrap());
    }
    records.extend(tail.poll(500, Duration::from_millis(200)).await.unwrap());
    records
}

async fn catch_up(tail: &mut dyn Tail) -> Vec<ReceivedRecord> {
    let start = Instant::now();
    let mut records = Vec::new();
    while !tail.has_caught_up() {
        assert!(start.elapsed() < PATIENCE, "it does not catch up: {} records", records.len());
        records.extend(tail.poll(7, Duration::from_millis(200)).await.unwrap());
    }
    records
}

pub(crate) async fn a_tail_has_all_that_is_not_older_and_then_all_that_comes(rig: Rig) {
    let log = rig.log().await;
    rig.publish(&*log, &seconds(&rig, 0, 100)).await;
    let mut tail = tail(&rig, &*log, NOON + 60_000).await;
    assert!(!tail.has_caught_up());
    let records = catch_up(&mut *tail).await;
    let read_up_to_now = numbers(&records);
    assert!((60..100).all(|n| read_up_to_now.contains(&n)), "{read_up_to_now:?}");
    assert_order_per_key(&records);
    // The log looks by time; it need not begin exactly there, but not at the topic's beginning either.
    assert!(!read_up_to_now.contains(&0), "{read_up_to_now:?}");
    rig.publish(&*log, &seconds(&rig, 100, 120)).await;
    assert_eq!(numbers(&read(&mut *tail, 20).await), (100..120).collect::<Vec<_>>());
    assert!(tail.has_caught_up());
}

/// An outbox that waited tells later what happened earlier.
pub(crate) async fn what_is_told_late_comes_too(rig: Rig) {
    let log = rig.log().await;
    rig.publish(&*log, &seconds(&rig, 50, 60)).await;
    rig.publish(&*log, &seconds(&rig, 0, 10)).await;
    let mut tail = tail(&rig, &*log, NOON + 50_000).await;
    let found: BTreeSet<usize> = numbers(&catch_up(&mut *tail).await).into_iter().collect();
    assert!((50..60).all(|n| found.contains(&n)), "{found:?}");
    rig.publish(&*log, &seconds(&rig, 10, 20)).await;
    assert_eq!(numbers(&read(&mut *tail, 10).await), (10..20).collect::<Vec<_>>());
}

pub(crate) async fn a_tail_of_nothing_has_caught_up(rig: Rig) {
    let log = rig.log().await;
    let mut empty = tail(&rig, &*log, NOON).await;
    assert!(catch_up(&mut *empty).await.is_empty());
    rig.publish(&*log, &seconds(&rig, 0, 10)).await;
    let mut later = tail(&rig, &*log, NOON + 3_600_000).await;
    assert!(catch_up(&mut *later).await.is_empty());
    // News count, whatever time they name.
    rig.publish(&*log, &seconds(&rig, 10, 12)).await;
    assert_eq!(numbers(&read(&mut *later, 2).await), [10, 11]);
    assert_eq!(numbers(&read(&mut *empty, 12).await), (0..12).collect::<Vec<_>>());
}

pub(crate) async fn tails_disturb_neither_each_other_nor_a_group(rig: Rig) {
    let log = rig.log().await;
    let mut subscriber = rig.subscriber(&*log, READER).await;
    subscriber.assigned().await;
    let (mut one, mut other) = (tail(&rig, &*log, 0).await, tail(&rig, &*log, 0).await);
    rig.publish_numbers(&*log, 0, 20).await;
    let everything: Vec<usize> = (0..20).collect();
    assert_eq!(numbers(&read(&mut *one, 20).await), everything);
    assert_eq!(numbers(&read(&mut *other, 20).await), everything);
    assert_eq!(numbers(&subscriber.records(20).await), everything);
    drop(one);
    rig.publish_numbers(&*log, 20, 25).await;
    assert_eq!(numbers(&read(&mut *other, 5).await), (20..25).collect::<Vec<_>>());
    assert_eq!(numbers(&subscriber.records(5).await), (20..25).collect::<Vec<_>>());
}

pub(crate) async fn a_dropped_poll_of_a_tail_loses_nothing(rig: Rig) {
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 1_000).await;
    let mut tail = tail(&rig, &*log, 0).await;
    let mut records = Vec::new();
    let start = Instant::now();
    let mut micros = 0;
    while records.len() < 1_000 {
        assert!(start.elapsed() < PATIENCE, "{} of 1000", records.len());
        micros = (micros + 37) % 3_000;
        let poll = tail.poll(20, Duration::from_secs(1));
        if let Ok(more) = tokio::time::timeout(Duration::from_micros(micros), poll).await {
            records.extend(more.unwrap());
        }
    }
    assert_eq!(numbers(&records), (0..1_000).collect::<Vec<_>>());
    assert_order_per_key(&records);
}

pub(crate) async fn a_waiting_tail_sees_a_new_record_at_once(rig: Rig) {
    let log = rig.log().await;
    let mut tail = tail(&rig, &*log, 0).await;
    catch_up(&mut *tail).await;
    for n in 0..5 {
        let start = Instant::now();
        let publish = rig.publish_numbers(&*log, n, n + 1);
        let (read, ()) = tokio::join!(read(&mut *tail, 1), publish);
        assert_eq!(numbers(&read), [n]);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

/// A follower in the background, and what it was given.
pub(crate) struct Following {
    pub(crate) status: FollowerStatus,
    /// Numbers, and whether they were news.
    pub(crate) given: Arc<Mutex<Vec<(usize, bool)>>>,
    stop: CancellationToken,
}

impl Following {
    pub(crate) fn start(rig: &Rig, log: Arc<dyn EventLog>, since: Duration) -> Self {
        let (status, given, stop) = (FollowerStatus::default(), Arc::default(), CancellationToken::new());
        let gives: Arc<Mutex<Vec<(usize, bool)>>> = Arc::clone(&given);
        let follower = Follower {
            topic: rig.topic.clone(),
            reader: READER,
            log,
            since,
            status: status.clone(),
            record: move |received: &ReceivedRecord, is_news| {
                gives.lock().unwrap().push((crate::rig::number(received), is_news));
            },
        };
        tokio::spawn(follower.run(stop.clone()));
        Self { status, given, stop }
    }

    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < PATIENCE, "{what}: {:?} {:?}", self.status, self.given.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn has(&self, number: usize) -> bool {
        self.given.lock().unwrap().iter().any(|(given, _)| *given == number)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Told while the service was down, and known before it says that it has caught up.
pub(crate) async fn a_follower_knows_what_was_told_while_nobody_followed(rig: Rig) {
    let log = rig.log().await;
    let now = |n: usize| Record { timestamp_ms: storage::now_ms(), ..rig.record("key", n) };
    let ancient = Record { timestamp_ms: NOON, ..rig.record("key", 0) };
    rig.publish(&*log, &[ancient]).await;
    let first = Following::start(&rig, log.clone(), Duration::from_secs(900));
    first.until("caught up", |first| first.status.has_caught_up()).await;
    assert!(!first.has(0));
    rig.publish(&*log, &[now(1)]).await;
    first.until("news", |first| first.given.lock().unwrap().contains(&(1, true))).await;
    drop(first);
    rig.publish(&*log, &[now(2)]).await;
    let second = Following::start(&rig, log.clone(), Duration::from_secs(900));
    second.until("caught up", |second| second.status.has_caught_up()).await;
    assert_eq!(*second.given.lock().unwrap(), [(1, false), (2, false)]);
}

pub(crate) async fn a_follower_waits_for_its_topic(rig: Rig) {
    let log = rig.log_without_topic().await;
    let following = Following::start(&rig, log.clone(), Duration::from_secs(900));
    tokio::time::sleep(Duration::from_millis(100)).await;
    log.ensure_topic(&rig.topic).await.unwrap();
    following.until("caught up", |following| following.status.has_caught_up()).await;
    rig.publish_numbers(&*log, 0, 3).await;
    following.until("all", |following| (0..3).all(|n| following.has(n))).await;
    assert!(following.status.away().is_none());
}
