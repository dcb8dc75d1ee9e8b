//! The tools do what they say; whoever tests with them relies on it.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use messaging::PublishError;
use testkit::{Backend, Network, SOON, TcpProxy, TestDatabase, TestLog, eventually, record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TOPIC: &str = "topic";

async fn publish(log: &TestLog, n: usize) -> Result<(), PublishError> {
    log.log().publish(&[record(TOPIC, 1, n)]).await.remove(0)
}

#[tokio::test]
async fn a_log_fails_when_it_is_told_to() {
    let log = TestLog::new().await;
    log.faults().fail_publish(2);
    log.faults().lose_acknowledgement(3);
    assert!(publish(&log, 1).await.is_ok());
    assert!(publish(&log, 2).await.is_err());
    assert!(publish(&log, 3).await.is_err());
    assert!(publish(&log, 4).await.is_ok());
    assert_eq!(log.payloads(TOPIC).await, ["1", "3", "4"]);

    log.faults().go_away();
    assert!(publish(&log, 5).await.is_err());
    assert!(log.log().ping().await.is_err());
    log.faults().come_back();
    assert!(publish(&log, 6).await.is_ok());
    assert_eq!(log.faults().publish_calls(), 6);
}

#[tokio::test]
async fn a_log_refuses_records_and_what_is_behind_them() {
    let log = TestLog::new().await;
    log.faults().refuse(|record| record.payload == b"2");
    let records =
        [record(TOPIC, "a", 1), record(TOPIC, "a", 2), record(TOPIC, "a", 3), record(TOPIC, "b", 4)];
    let results = log.log().publish(&records).await;
    assert!(matches!(
        results.as_slice(),
        [Ok(()), Err(PublishError::Refused(_)), Err(PublishError::Predecessor), Ok(())]
    ));
    assert_eq!(log.payloads(TOPIC).await, ["1", "4"]);
}

#[tokio::test]
async fn a_log_gets_stuck() {
    let log = TestLog::new().await;
    log.faults().get_stuck();
    let stuck = tokio::time::timeout(Duration::from_millis(50), publish(&log, 1)).await;
    assert!(stuck.is_err());
    log.faults().get_unstuck();
    assert!(publish(&log, 2).await.is_ok());
}

#[tokio::test]
async fn a_wire_is_cut_and_clogged() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = TcpProxy::to(server.local_addr().unwrap()).await;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = server.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let mut echo = [0; 1];
    client.write_all(b"1").await.unwrap();
    client.read_exact(&mut echo).await.unwrap();

    proxy.set(Network::Freezes).await;
    client.write_all(b"2").await.unwrap();
    let silent = tokio::time::timeout(Duration::from_millis(50), client.read(&mut echo)).await;
    assert!(silent.is_err());
    proxy.set(Network::Passes).await;
    client.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"2");

    proxy.set(Network::Resets).await;
    let ended = client.read(&mut echo).await;
    assert!(matches!(ended, Ok(0) | Err(_)));
    proxy.set(Network::Passes).await;
    TcpStream::connect(proxy.address()).await.unwrap();
}

#[tokio::test]
#[should_panic(expected = "not within 20ms: pigs fly")]
async fn waiting_ends_with_a_reason() {
    eventually("pigs fly", Duration::from_millis(20), async || false).await;
}

testkit::for_each_backend! {
    async fn a_database_is_fresh_and_of_the_kind_it_says(db: TestDatabase) {
        let database = db.open(&[messaging::MIGRATIONS]).await;
        let outbox = messaging::Outbox::new(database.clone());
        assert_eq!(outbox.depth().await.unwrap().0, 0);
        let is_sqlite = database.dialect() == storage::Dialect::Sqlite;
        assert_eq!(is_sqlite, db.backend() == Backend::Sqlite);
        assert_eq!(db.server().is_none(), is_sqlite);
    }
}

#[test]
fn a_database_goes_with_its_last_clone() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let settings = db.settings();
        drop(db.open(&[]).await);
        drop(db);
        eventually("it is gone", SOON, async || storage::Database::open(&settings, &[]).await.is_err()).await;
    });
}
