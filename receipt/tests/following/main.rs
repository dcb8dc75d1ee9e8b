//! receipt on the real store: batches of facts through the event handler, on every database.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use events::{Arrived, Envelope, Payment, PaymentCreated, Purchase, Reservation, ReservationCancelled};
use messaging::{Handler, Outbox, ReceivedRecord};
use receipt::domain::{Receipt, Status};
use receipt::outbound::store::{MIGRATIONS, SqlReceiptStore};
use receipt::use_cases::follow::Follow;
use receipt::use_cases::ports::ReceiptStore;
use rights::Reading;
use storage::Database;
use storage::ListQuery;
use testkit::{AmongOthers, TestDatabase, reads_by_rights};

struct Rig {
    database: Database,
    store: Arc<dyn ReceiptStore>,
    follow: Follow,
}

impl Rig {
    async fn on(db: &TestDatabase) -> Self {
        let database = db.open(&[messaging::MIGRATIONS, MIGRATIONS]).await;
        let outbox = Outbox::new(database.clone());
        let store: Arc<dyn ReceiptStore> = Arc::new(SqlReceiptStore { database: database.clone(), outbox });
        Self { database, follow: Follow { store: store.clone() }, store }
    }

    async fn handle(&self, facts: &[Envelope]) {
        let read = |fact: &Envelope| self.follow.instruction(&record(fact.payload.clone())).unwrap();
        let instructions = facts.iter().filter_map(read).collect();
        let mut tx = self.database.begin().await.unwrap();
        self.follow.apply(&mut tx, instructions).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn of_reservation(&self, id: i64) -> Option<Receipt> {
        let mut tx = self.database.begin().await.unwrap();
        self.store.load(&mut tx, &[id]).await.unwrap().pop().map(|(_, receipt)| receipt)
    }

    async fn told(&self) -> Vec<(String, String)> {
        let rows: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT record_key, payload FROM outbox ORDER BY id")
                .fetch_all(self.database.reader())
                .await
                .unwrap();
        rows.into_iter()
            .map(|(key, json)| (key, Arrived::new(&[], &json).unwrap().fact_type().to_owned()))
            .collect()
    }

    async fn total(&self) -> i64 {
        self.store.list(&ListQuery { limit: 1, ..ListQuery::default() }).await.unwrap().1
    }
}

fn record(payload: Vec<u8>) -> ReceivedRecord {
    let record = testkit::record("prereservation", "1", String::from_utf8(payload).unwrap());
    ReceivedRecord { partition: 0, offset: 0, record }
}

fn paid(reservation: i64) -> Envelope {
    let payment = Payment {
        id: 100 + reservation,
        pre_reservation_id: reservation,
        purchase: purchase(1 + reservation % 3, 10 * reservation),
        card_no: "****-****-****-1234".into(),
        created_at: 1_000,
        modified_at: 1_000,
        version: 1,
    };
    Envelope::of(&PaymentCreated(payment), 1)
}

fn cancelled(reservation: i64) -> Envelope {
    let reservation = Reservation {
        id: reservation,
        purchase: purchase(1, 10),
        user_address: "seoul".into(),
        card_no: "****-****-****-1234".into(),
        created_at: 1,
        modified_at: 1,
        version: 2,
    };
    let reason = "cancelled_by_customer".into();
    Envelope::of(&ReservationCancelled { reservation, reason, detail: None }, 1)
}

fn purchase(user_id: i64, price: i64) -> Purchase {
    Purchase { user_id, product_id: 1, product_name: "fold".into(), price }
}

testkit::for_each_backend! {
    async fn a_batch_of_payments_becomes_as_many_receipts(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let facts: Vec<Envelope> = (1..=300).map(paid).collect();
        rig.handle(&facts).await;
        assert_eq!(rig.total().await, 300);
        assert_eq!(rig.told().await.len(), 300);
        let receipt = rig.of_reservation(7).await.unwrap();
        assert_eq!((receipt.payment_id, receipt.purchase.price), (107, 70));
        assert_eq!(rig.store.item(receipt.id).await.unwrap(), Some(receipt));
    }

    async fn a_repeated_batch_changes_nothing(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let facts = [paid(1), paid(2), cancelled(2)];
        rig.handle(&facts).await;
        let (first, told) = (rig.of_reservation(2).await, rig.told().await);
        rig.handle(&facts).await;
        assert_eq!((rig.of_reservation(2).await, rig.told().await), (first, told));
        assert_eq!(rig.total().await, 1);
    }

    async fn a_cancelled_receipt_is_withdrawn_in_one_batch_or_two(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        rig.handle(&[paid(1), cancelled(1)]).await;
        rig.handle(&[paid(2)]).await;
        rig.handle(&[cancelled(2)]).await;
        for reservation in [1, 2] {
            let receipt = rig.of_reservation(reservation).await.unwrap();
            assert_eq!((receipt.status, receipt.version), (Status::Cancelled, 2));
            assert_eq!(rig.store.item(receipt.id).await.unwrap(), None);
        }
        assert_eq!(rig.total().await, 0);
        let types: Vec<String> = rig.told().await.into_iter().map(|(_, event_type)| event_type).collect();
        assert_eq!(types, ["ReceiptCreated", "ReceiptCancelled", "ReceiptCreated", "ReceiptCancelled"]);
    }

    async fn a_cancellation_that_overtook_its_payment_leaves_a_tombstone(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        rig.handle(&[cancelled(1)]).await;
        rig.handle(&[paid(1), cancelled(2), paid(2)]).await;
        for reservation in [1, 2] {
            assert_eq!(rig.of_reservation(reservation).await.unwrap().status, Status::Void);
        }
        assert!(rig.told().await.is_empty());
        assert_eq!(rig.total().await, 0);
    }

    /// In each order that is offered; ids are given in the order of creation.
    async fn a_users_receipts_are_found_without_reading_those_of_others(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        AmongOthers {
            table: "receipt",
            listed: "status = 'receipt_issued'",
            orders: &["id", "price"],
            columns: &[
                ("reservation_id", "i"), ("payment_id", "i"), ("product_id", "1"), ("product_name", "'fold'"),
                ("price", "i * 7919 % 100003"), ("paid_at", "i"), ("status", "'receipt_issued'"), ("version", "1"),
                ("created_at", "i"), ("modified_at", "i"),
            ],
        }
        .are_passed_by(&rig.database)
        .await;
    }

    async fn customers_read_their_own_receipts_and_administrators_all(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        // Of the users 2, 3, 1, 2; the last one is withdrawn.
        rig.handle(&[paid(1), paid(2), paid(3), paid(4), paid(6), cancelled(6)]).await;
        let mut receipts = Vec::new();
        for reservation in 1..=4 {
            let receipt = rig.of_reservation(reservation).await.unwrap();
            receipts.push((receipt.purchase.user_id, receipt.id));
        }
        let (own, others): (Vec<_>, Vec<_>) = receipts.into_iter().partition(|(user, _)| *user == 2);
        let own: Vec<i64> = own.into_iter().map(|(_, id)| id).collect();
        assert_eq!((own.len(), others.len()), (2, 2));
        reads_by_rights(&Reading::of_owners(rig.store.clone()), 2, &own, &others).await;
    }

    async fn a_record_that_is_no_fact_is_refused_and_a_newer_producers_is_skipped(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let read = |json: &str| rig.follow.instruction(&record(json.into()));
        assert!(matches!(read(r#"{"eventType":"ReceiptReprinted","timestamp":1,"id":1}"#), Ok(None)));
        assert!(read(r#"{"no":"type"}"#).is_err());
        assert!(read(r#"{"eventType":"PaymentCreated","timestamp":1,"id":1}"#).is_err());
    }
}
