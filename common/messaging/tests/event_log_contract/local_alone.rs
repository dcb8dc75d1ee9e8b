//! What is the local log's alone: several processes on one file. A symbolic link makes this process two: under the
//! other name the file gets a driver of its own.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use messaging::local::{LocalLog, LocalReader};
use messaging::{EventLog, EventLogError, Polled};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::rig::{self, PATIENCE, Rig, numbers};
use crate::tails::Following;

fn file(rig: &Rig) -> PathBuf {
    rig.directory.path().join("new/events.db")
}

async fn other_process(rig: &Rig) -> LocalLog {
    let alias = rig.directory.path().join("alias.db");
    std::os::unix::fs::symlink(file(rig), &alias).unwrap();
    LocalLog::open(&alias).await.unwrap()
}

async fn sqlite(rig: &Rig) -> SqliteConnection {
    let url = format!("sqlite://{}", file(rig).display());
    SqliteConnection::connect(&url).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_is_seen_soon() {
    let rig = rig::local().unwrap();
    let log = rig.log().await;
    let other = other_process(&rig).await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    subscriber.assigned().await;
    for n in 0..5 {
        rig.publish_numbers(&other, n, n + 1).await;
        let start = Instant::now();
        subscriber.records(1).await;
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
}

/// A service that reads in no group, as prereservation does, and the topic is made by whoever starts last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_is_followed_where_nobody_has_joined_a_group() {
    let rig = rig::local().unwrap();
    let log = rig.log_without_topic().await;
    let following = Following::start(&rig, log.clone(), Duration::from_secs(900));
    following.until("caught up", |following| following.status.has_caught_up()).await;
    let other = other_process(&rig).await;
    other.ensure_topic(&rig.topic).await.unwrap();
    for n in 0..5 {
        rig.publish_numbers(&other, n, n + 1).await;
        let start = Instant::now();
        following.until("followed", |following| following.has(n)).await;
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_write_without_gaps() {
    let rig = rig::local().unwrap();
    let log = rig.log().await;
    let other = other_process(&rig).await;
    let write = async |log: &dyn EventLog, from: usize| {
        for n in 0..50 {
            rig.publish_numbers(log, from + n * 4, from + n * 4 + 4).await;
        }
    };
    tokio::join!(write(&*log, 0), write(&other, 200));
    let mut reader = LocalReader::open(&file(&rig)).await.unwrap();
    let records = reader.read_from(&rig.topic, 0, 1000).await.unwrap();
    assert_eq!(numbers(&records), (0..400).collect::<Vec<_>>());
    let offsets: Vec<i64> = records.iter().map(|r| r.offset).collect();
    assert_eq!(offsets, (0..400).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_partition_passes_between_processes() {
    let rig = rig::local().unwrap();
    let log = rig.log().await;
    let other = other_process(&rig).await;
    let mut first = rig.subscriber(&*log, "group").await;
    first.assigned().await;
    let mut second = rig.subscriber(&other, "group").await;
    // As long as the first one lives, whether it polls or not.
    let polled = second.poll(1, Duration::from_secs(5)).await;
    assert_eq!(polled, Polled::Records(Vec::new()));
    drop(first);
    let start = Instant::now();
    second.assigned().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_died_is_missed_within_seconds() {
    let rig = rig::local().unwrap();
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 10).await;
    sqlx::query("INSERT INTO lease (topic, member_group, holder, beat) VALUES ($1, 'group', 'killed', 41)")
        .bind(&rig.topic)
        .execute(&mut sqlite(&rig).await)
        .await
        .unwrap();
    let start = Instant::now();
    let mut subscriber = rig.subscriber(&*log, "group").await;
    subscriber.assigned().await;
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(3), "{took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(numbers(&subscriber.records(10).await), (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_lost_the_lease_is_told_and_reads_no_more() {
    let rig = rig::local().unwrap();
    let log = rig.log().await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    subscriber.assigned().await;
    sqlx::query("UPDATE lease SET holder = 'somebody else', beat = beat + 1")
        .execute(&mut sqlite(&rig).await)
        .await
        .unwrap();
    let start = Instant::now();
    while subscriber.poll(10, Duration::from_millis(100)).await != Polled::Revoked(vec![0]) {
        assert!(start.elapsed() < PATIENCE);
    }
    rig.publish_numbers(&*log, 0, 10).await;
    subscriber.nothing().await;
    // And gets it back when that one is dead.
    subscriber.assigned().await;
    assert_eq!(numbers(&subscriber.records(10).await), (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_file_can_be_read_when_nobody_has_it_open() {
    let rig = rig::local().unwrap();
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 10).await;
    log.flush_and_close().await;
    drop(log);
    let mut reader = LocalReader::open(&file(&rig)).await.unwrap();
    assert_eq!(reader.bounds(&rig.topic).await.unwrap(), (0, 10));
    assert_eq!(reader.bounds("another").await.unwrap(), (0, 0));
    let records = reader.read_from(&rig.topic, 8, 10).await.unwrap();
    assert_eq!(numbers(&records), [8, 9]);
    assert_eq!(reader.read_from("another", 0, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_file_that_is_something_else_is_refused_and_left_alone() {
    let rig = rig::local().unwrap();
    std::fs::create_dir_all(rig.directory.path().join("new")).unwrap();
    let path = file(&rig);
    std::fs::write(&path, "These are not the records that you are looking for. ".repeat(100)).unwrap();
    assert!(LocalLog::open(&path).await.is_err());

    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    let mut connection = sqlite(&rig).await;
    sqlx::query("CREATE TABLE payment (id INTEGER)").execute(&mut connection).await.unwrap();
    let refused = LocalLog::open(&path).await;
    assert!(matches!(refused, Err(EventLogError::Refused { .. })));
    assert!(LocalReader::open(&rig.directory.path().join("none.db")).await.is_err());
}

/// What lies in files that nobody can find is lost with the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_that_lies_in_files_which_are_gone() {
    let rig = rig::local().unwrap();
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 1).await;
    let file = file(&rig);
    for gone in [file.clone(), file.with_extension("db-wal")] {
        let aside = file.with_extension("aside");
        std::fs::rename(&gone, &aside).unwrap();
        let refused = log.publish(&[rig.record("key 1", 1)]).await.remove(0).unwrap_err();
        assert!(
            refused.is_transient() && telemetry::error_chain(&refused).contains("deleted"),
            "{refused:?}"
        );
        assert!(log.ensure_topic("another").await.is_err());
        let down = telemetry::error_chain(&log.ping().await.unwrap_err());
        assert!(down.contains(&gone.display().to_string()), "{down}");
        assert!(!gone.exists(), "an empty one was left in its place");
        std::fs::rename(&aside, &gone).unwrap();
    }
    rig.publish_numbers(&*log, 1, 2).await;
    let mut reader = LocalReader::open(&file).await.unwrap();
    assert_eq!(numbers(&reader.read_from(&rig.topic, 0, 10).await.unwrap()), [0, 1]);

    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    assert!(log.publish(&[rig.record("key 2", 2)]).await.remove(0).is_err() && log.ping().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_health_is_what_its_work_says() {
    let rig = rig::local().unwrap();
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 1).await;
    // As a damaged page would: what is asked for a sign of life is sound, what is appended fails.
    sqlx::query("ALTER TABLE record RENAME TO damaged").execute(&mut sqlite(&rig).await).await.unwrap();
    assert!(log.publish(&[rig.record("key 1", 1)]).await.remove(0).is_err());
    let down = telemetry::error_chain(&log.ping().await.unwrap_err());
    assert!(down.contains("no such table: record"), "{down}");
    sqlx::query("ALTER TABLE damaged RENAME TO record").execute(&mut sqlite(&rig).await).await.unwrap();
    rig.publish_numbers(&*log, 1, 2).await;
    testkit::eventually("it is up again", testkit::SOON, async || log.ping().await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_opened_is_named_with_the_reason() {
    let rig = rig::local().unwrap();
    let file = file(&rig);
    std::fs::create_dir_all(&file).unwrap();
    let refusal = async || telemetry::error_chain(&LocalLog::open(&file).await.err().unwrap());
    assert!(refusal().await.contains("is a directory"));
    std::fs::remove_dir(&file).unwrap();
    std::fs::write(&file, "a text, long enough to be taken for the head of a database: ".repeat(20)).unwrap();
    assert!(refusal().await.contains("file is not a database"));
}
