//! What `publish` promises.

use messaging::{PublishError, Record};

use crate::rig::{Rig, assert_order_per_key, numbers};

pub(crate) async fn a_record_comes_back_as_it_was(rig: Rig) {
    let log = rig.log().await;
    let header = |name: &str, value: &[u8]| (name.to_owned(), value.to_vec());
    let full = Record {
        topic: rig.topic.clone(),
        key: Some("schlüssel 7".to_owned()),
        payload: vec![0, 159, 146, 150, b'{', b'}'],
        headers: vec![
            header("type", b"ReservationCreated"),
            header("traceparent", b"00-0af7651916cd43dd-b7ad6b7169203331-01"),
            header("empty", b""),
            header("type", b"\x00\xff again, under the same name"),
        ],
        timestamp_ms: 1_662_883_010_408,
    };
    let bare = Record {
        topic: rig.topic.clone(),
        key: None,
        payload: Vec::new(),
        headers: Vec::new(),
        timestamp_ms: 1,
    };
    rig.publish(&*log, &[full.clone(), bare.clone()]).await;

    let mut subscriber = rig.subscriber(&*log, "group").await;
    let received = subscriber.records(2).await;
    let records: Vec<Record> = received.into_iter().map(|r| r.record).collect();
    assert!(records.contains(&full), "{records:?}");
    assert!(records.contains(&bare), "{records:?}");
}

pub(crate) async fn records_of_a_key_keep_their_order(rig: Rig) {
    let log = rig.log().await;
    for batch in 0..20 {
        rig.publish_numbers(&*log, batch * 50, (batch + 1) * 50).await;
    }
    let mut subscriber = rig.subscriber(&*log, "group").await;
    let records = subscriber.records(1000).await;
    assert_eq!(numbers(&records), (0..1000).collect::<Vec<_>>());
    assert_order_per_key(&records);
}

pub(crate) async fn a_large_batch_is_published_and_read(rig: Rig) {
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 20_000).await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    let records = subscriber.records(20_000).await;
    assert_eq!(numbers(&records), (0..20_000).collect::<Vec<_>>());
    assert_order_per_key(&records);
    subscriber.nothing().await;
}

pub(crate) async fn publishers_at_the_same_time_do_not_disturb_each_other(rig: Rig) {
    const PUBLISHERS: usize = 8;
    const CALLS: usize = 20;
    let log = rig.log().await;
    let publishers = (0..PUBLISHERS).map(|publisher| {
        let (log, rig) = (&log, &rig);
        async move {
            for call in 0..CALLS {
                let records: Vec<Record> = (0..5)
                    .map(|n| {
                        let number = publisher * 1000 + call * 5 + n;
                        rig.record(&format!("publisher {publisher}"), number)
                    })
                    .collect();
                rig.publish(&**log, &records).await;
            }
        }
    });
    futures::future::join_all(publishers).await;

    let mut subscriber = rig.subscriber(&*log, "group").await;
    let records = subscriber.records(PUBLISHERS * CALLS * 5).await;
    let expected: Vec<usize> =
        (0..PUBLISHERS).flat_map(|publisher| (0..CALLS * 5).map(move |n| publisher * 1000 + n)).collect();
    assert_eq!(numbers(&records), expected);
    assert_order_per_key(&records);
}

pub(crate) async fn a_record_that_cannot_be_in_the_log_is_rejected_and_its_key_waits(rig: Rig) {
    let log = rig.log().await;
    let too_large = Record { payload: vec![b' '; 2_000_000], ..rig.record("a", "") };
    let nowhere = Record { topic: "not a topic".to_owned(), ..rig.record("c", 1) };
    let records =
        [rig.record("a", 1), too_large, rig.record("b", 2), rig.record("a", 3), nowhere, rig.record("c", 4)];
    let results = log.publish(&records).await;
    assert_eq!(results.len(), records.len());
    assert!(results[0].is_ok(), "{results:?}");
    assert!(matches!(results[1], Err(PublishError::Refused(_))), "{results:?}");
    assert!(results[2].is_ok(), "{results:?}");
    assert!(matches!(results[3], Err(PublishError::Predecessor)), "{results:?}");
    assert!(matches!(results[4], Err(PublishError::Refused(_))), "{results:?}");
    // Another topic's record of the same key.
    assert!(results[5].is_ok(), "{results:?}");

    let mut subscriber = rig.subscriber(&*log, "group").await;
    assert_eq!(numbers(&subscriber.records(3).await), [1, 2, 4]);
    subscriber.nothing().await;
}

pub(crate) async fn records_survive_the_process(rig: Rig) {
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 10).await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    subscriber.records(10).await;
    drop(subscriber);
    log.flush_and_close().await;
    drop(log);

    let log = rig.log().await;
    rig.publish_numbers(&*log, 10, 20).await;
    let mut subscriber = rig.subscriber(&*log, "another group").await;
    let records = subscriber.records(20).await;
    assert_eq!(numbers(&records), (0..20).collect::<Vec<_>>());
    assert_order_per_key(&records);
}

pub(crate) async fn nothing_is_published_after_the_close(rig: Rig) {
    let log = rig.log().await;
    rig.publish_numbers(&*log, 0, 1).await;
    log.flush_and_close().await;
    let results = log.publish(&[rig.record("key", 1)]).await;
    assert!(matches!(results[..], [Err(PublishError::Closed)]), "{results:?}");
}

pub(crate) async fn nothing_to_publish_is_no_problem(rig: Rig) {
    let log = rig.log().await;
    assert!(log.publish(&[]).await.is_empty());
    log.ping().await.unwrap();
}
