//! A follower while its log is away: it goes on, and misses nothing.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use messaging::{Follower, FollowerStatus, ReceivedRecord, Record};
use testkit::{SOON, TestLog, eventually, record};

use crate::rig::{Running, TOPIC};

fn now(payload: usize) -> Record {
    Record { timestamp_ms: storage::now_ms(), ..record(TOPIC, 1, payload) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_away_is_waited_for() {
    let log = TestLog::new().await;
    log.publish(&[now(0)]).await;
    log.faults().go_away();
    let (status, given) = (FollowerStatus::default(), Arc::new(Mutex::new(Vec::new())));
    let gives = given.clone();
    let follower = Follower {
        topic: TOPIC.to_owned(),
        reader: "service",
        log: log.log(),
        since: Duration::from_secs(900),
        status: status.clone(),
        record: move |received: &ReceivedRecord, _| {
            gives.lock().unwrap().push(String::from_utf8_lossy(&received.record.payload).into_owned());
        },
    };
    let following = Running::spawn(|stop| follower.run(stop));
    eventually("it says so", SOON, async || status.away().is_some()).await;
    assert!(!status.has_caught_up());
    log.faults().come_back();
    eventually("caught up", SOON, async || status.has_caught_up()).await;
    assert_eq!(*given.lock().unwrap(), ["0"]);
    assert!(status.away().is_none());

    // Away again, while something is told behind the fault.
    log.faults().go_away();
    log.publish(&[now(1)]).await;
    log.faults().come_back();
    eventually("read on", SOON, async || *given.lock().unwrap() == ["0", "1"]).await;
    assert!(status.has_caught_up());
    following.stop().await;
}
