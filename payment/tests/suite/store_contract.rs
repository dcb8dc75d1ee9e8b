//! What every `PaymentStore` owes, asked of SQLite and of PostgreSQL.

use std::collections::HashSet;

use crate::support::backend::on_each;
use crate::support::{applied, order};
use futures::future::join_all;
use messaging::Outbox;
use payment::domain::{Change, ChargeAnswer, Decline, Order, Payment, RefundAnswer, Status};
use payment::outbound::sql::SqlPaymentStore;
use payment::use_cases::cancel;
use payment::use_cases::ports::{Field, Intent, PaymentStore};
use storage::{Changed, Database, FoldError, ListQuery, Readable as _, StoreError, Tx};
use testkit::AmongOthers;

struct Fixture {
    database: Database,
    store: SqlPaymentStore,
}

async fn on_each_store(test: impl AsyncFn(&Fixture)) {
    on_each(async |backend| {
        let database = backend.database().await;
        let outbox = Outbox::new(database.clone());
        let store = SqlPaymentStore::new(database.clone(), outbox);
        let fixture = Fixture { database, store };
        test(&fixture).await;
        fixture.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_users_payments_are_found_without_reading_those_of_others() {
    on_each_store(async |fixture| {
        AmongOthers {
            table: "payment",
            listed: "status = 'paid'",
            orders: &["id", "price", "created_at"],
            columns: &[
                ("reservation_id", "i"),
                ("product_id", "1"),
                ("product_name", "'fold'"),
                ("price", "i * 7919 % 100003"),
                ("card_no", "'****-****-****-1234'"),
                ("status", "'paid'"),
                ("version", "1"),
                ("created_at", "i * 7919 % 100003"),
                ("modified_at", "i"),
            ],
        }
        .are_passed_by(&fixture.database)
        .await;
    })
    .await;
}

impl Fixture {
    async fn intend(&self, order: Order) -> Payment {
        match self.store.intend(order, 1).await.unwrap() {
            Intent::Stored(payment) => payment,
            Intent::Existing(payment) => panic!("there is a payment already: {payment:?}"),
        }
    }

    async fn save(&self, change: Change) -> Payment {
        assert_eq!(self.store.save(std::slice::from_ref(&change)).await.unwrap(), [true]);
        change.into_after()
    }

    async fn pay(&self, order: Order) -> Payment {
        let intent = self.intend(order).await;
        self.save(charged(&intent)).await
    }

    async fn status(&self, id: i64) -> Status {
        self.store.find(id).await.unwrap().unwrap().status()
    }

    /// Cancels in one transaction, as the consumer does.
    async fn cancel(&self, orders: Vec<Order>) {
        let mut tx = self.database.begin().await.unwrap();
        cancel(&mut tx, &self.store, &orders, 9).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn of_reservation(&self, reservation_id: i64) -> Payment {
        match self.store.intend(order(reservation_id), 1).await.unwrap() {
            Intent::Stored(payment) | Intent::Existing(payment) => payment,
        }
    }

    async fn facts(&self) -> Vec<(String, String, i64)> {
        let rows: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT record_key, payload FROM outbox ORDER BY id")
                .fetch_all(self.database.reader())
                .await
                .unwrap();
        let read = |(key, json): (String, Vec<u8>)| {
            let fact: serde_json::Value = serde_json::from_slice(&json).unwrap();
            (key, fact["eventType"].as_str().unwrap().to_owned(), fact["version"].as_i64().unwrap())
        };
        rows.into_iter().map(read).collect()
    }
}

fn charged(payment: &Payment) -> Change {
    applied(payment.charge_answered(&ChargeAnswer::Charged, 2))
}

fn declined(payment: &Payment) -> Change {
    let decline = Decline { code: "lost_card".into(), message: "no".into() };
    applied(payment.charge_answered(&ChargeAnswer::Declined(decline), 2))
}

#[tokio::test]
async fn one_of_many_intents_is_stored() {
    on_each_store(async |f| {
        let tries = join_all((0..16).map(|_| f.store.intend(order(7), 1))).await;
        let (mut stored, mut ids) = (0, HashSet::new());
        for intent in tries {
            match intent.unwrap() {
                Intent::Stored(payment) => {
                    stored += 1;
                    assert_eq!(payment, Payment::charging(payment.id, order(7), 1));
                    ids.insert(payment.id);
                }
                Intent::Existing(payment) => drop(ids.insert(payment.id)),
            }
        }
        assert_eq!((stored, ids.len()), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn an_intent_finds_what_is_there_in_every_state() {
    on_each_store(async |f| {
        let paid = f.pay(order(1)).await;
        let intent = f.intend(order(2)).await;
        let refused = f.save(declined(&intent)).await;
        f.cancel(vec![order(3)]).await;
        let other = Order { price: 5, ..order(1) };
        assert_eq!(f.store.intend(other, 5).await.unwrap(), Intent::Existing(paid.clone()));
        assert_eq!(f.store.intend(order(2), 5).await.unwrap(), Intent::Existing(refused.clone()));
        let tombstone = f.of_reservation(3).await;
        assert_eq!((tombstone.status(), tombstone.version), (Status::Void, 0));
        // Also a declined one keeps its reason.
        assert_eq!(f.store.find(refused.id).await.unwrap(), Some(refused));
        assert_eq!(f.store.find(paid.id).await.unwrap(), Some(paid));
        assert_eq!(f.store.find(1_000_000).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_state_and_its_facts_are_stored_together() {
    on_each_store(async |f| {
        let paid = f.pay(order(7)).await;
        let refunding = f.save(applied(paid.cancel(3))).await;
        let cancelled = f.save(applied(refunding.refund_answered(RefundAnswer::Refunded, 4))).await;
        assert_eq!(f.store.find(paid.id).await.unwrap(), Some(cancelled));
        let told = f.facts().await;
        let of_seven = |fact_type: &str, version| ("7".to_owned(), fact_type.to_owned(), version);
        assert_eq!(told, [of_seven("PaymentCreated", 1), of_seven("PaymentCancelled", 2)]);
    })
    .await;
}

#[tokio::test]
async fn without_its_facts_no_state_is_stored() {
    on_each_store(async |f| {
        let intent = f.intend(order(7)).await;
        let rename = async |from: &str, to: &str| {
            let text = sqlx::AssertSqlSafe(format!("ALTER TABLE {from} RENAME TO {to}"));
            sqlx::query(text).execute(f.database.writer().await.unwrap()).await.unwrap();
        };
        rename("outbox", "elsewhere").await;
        assert!(f.store.save(&[charged(&intent)]).await.is_err());
        rename("elsewhere", "outbox").await;
        assert_eq!(f.status(intent.id).await, Status::Charging);
        f.save(charged(&intent)).await;
        assert_eq!(f.facts().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_change_that_comes_too_late_is_left_out_with_its_facts() {
    on_each_store(async |f| {
        let late = f.intend(order(1)).await;
        let timely = f.intend(order(2)).await;
        f.save(applied(late.cancel(2))).await;
        let saved = f.store.save(&[charged(&late), charged(&timely), charged(&late)]).await.unwrap();
        assert_eq!(saved, [false, true, false]);
        assert_eq!(f.status(late.id).await, Status::Refunding);
        assert_eq!(f.status(timely.id).await, Status::Paid);
        assert_eq!(f.facts().await.len(), 1);
        assert_eq!(f.store.save(&[]).await.unwrap(), Vec::<bool>::new());
    })
    .await;
}

#[tokio::test]
async fn one_of_two_that_save_the_same_change_wins() {
    on_each_store(async |f| {
        for reservation_id in 1..=10 {
            let intent = f.intend(order(reservation_id)).await;
            let changes = [charged(&intent)];
            let saved = join_all((0..4).map(|_| f.store.save(&changes))).await;
            let won = saved.into_iter().filter(|saved| *saved.as_ref().unwrap() == [true]).count();
            assert_eq!(won, 1);
        }
        assert_eq!(f.facts().await.len(), 10);
    })
    .await;
}

#[tokio::test]
async fn ids_are_never_given_twice() {
    on_each_store(async |f| {
        let first = f.intend(order(1)).await.id;
        sqlx::query("DELETE FROM payment").execute(f.database.writer().await.unwrap()).await.unwrap();
        assert!(f.intend(order(2)).await.id > first);
    })
    .await;
}

#[tokio::test]
async fn lists_are_complete_and_ordered_from_both_ends() {
    on_each_store(async |f| {
        let mut all = Vec::new();
        for n in 1..=23 {
            // Repeated users, prices and times, so that the id has to decide.
            let order = Order { user_id: n % 3, price: 100 + n % 4, ..order(n) };
            let intent = f.intend(order).await;
            let change = applied(intent.charge_answered(&ChargeAnswer::Charged, 50 - n % 5));
            all.push(f.save(change).await);
        }
        for unseen in 100..105 {
            f.intend(order(unseen)).await;
        }
        for sort in [Field::Id, Field::UserId, Field::Price, Field::CreatedAt] {
            for user_id in [None, Some(1), Some(77)] {
                for descending in [false, true] {
                    check_order(f, &all, sort, user_id, descending).await;
                }
            }
        }
    })
    .await;
}

fn by(sort: Field, user_id: Option<i64>, descending: bool, offset: i64, limit: i64) -> ListQuery<Field> {
    let filter = user_id.map(|user_id| (Field::UserId, user_id));
    ListQuery { filter, offset, limit, order: vec![(sort, descending)] }
}

async fn check_order(f: &Fixture, all: &[Payment], sort: Field, user_id: Option<i64>, descending: bool) {
    let mut expected: Vec<_> =
        all.iter().filter(|p| user_id.is_none_or(|id| p.order.user_id == id)).cloned().collect();
    expected.sort_by_key(|p| match sort {
        Field::Id => (0, p.id),
        Field::UserId => (p.order.user_id, p.id),
        Field::Price => (p.order.price, p.id),
        Field::CreatedAt => (p.created_at, p.id),
    });
    if descending {
        expected.reverse();
    }
    let limit = 4;
    let mut found = Vec::new();
    for page in 0..8 {
        let query = by(sort, user_id, descending, page * limit, limit);
        let (payments, total) = f.store.list(&query).await.unwrap();
        assert_eq!(total, expected.len() as i64);
        assert!(payments.len() <= 4);
        found.extend(payments);
    }
    assert_eq!(found, expected, "{sort:?} {user_id:?} {descending}");
}

#[tokio::test]
async fn pages_deep_inside_are_the_same_pages() {
    on_each_store(async |f| {
        let text = "INSERT INTO payment (reservation_id, user_id, product_id, product_name, price, card_no, status, \
                    version, created_at, modified_at) \
                    SELECT n.i, 1, 1, 'fold', n.i % 7, 'x', 'paid', 1, n.i % 5, 1 FROM (\
                    WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 1500) SELECT i FROM r) n";
        sqlx::query(text).execute(f.database.writer().await.unwrap()).await.unwrap();
        for sort in [Field::Id, Field::UserId, Field::Price, Field::CreatedAt] {
            for user_id in [None, Some(1)] {
                for descending in [false, true] {
                    let list = async |offset, limit| {
                        let query = by(sort, user_id, descending, offset, limit);
                        f.store.list(&query).await.unwrap().0
                    };
                    let whole = list(0, 1_500).await;
                    assert_eq!(whole.len(), 1_500);
                    for offset in [0, 190, 500, 740, 760, 1_000, 1_490] {
                        let end = (offset + 20).min(1_500);
                        assert_eq!(list(offset as i64, 20).await, whole[offset..end], "{sort:?} {offset}");
                    }
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_total_follows_every_change() {
    on_each_store(async |f| {
        let total = async || f.store.list(&by(Field::Id, None, false, 0, 1)).await.unwrap().1;
        assert_eq!(total().await, 0);
        let paid = join_all((1..=20).map(|id| f.pay(order(id)))).await;
        let intent = f.intend(order(30)).await;
        f.save(declined(&intent)).await;
        f.cancel(vec![order(31)]).await;
        assert_eq!(total().await, 20);
        f.cancel((1..=5).map(order).collect()).await;
        assert_eq!(total().await, 15);
        let refunding = f.store.find(paid[0].id).await.unwrap().unwrap();
        f.save(applied(refunding.refund_answered(RefundAnswer::Refunded, 9))).await;
        assert_eq!(total().await, 15);
    })
    .await;
}

#[tokio::test]
async fn unfinished_work_is_found_page_by_page() {
    on_each_store(async |f| {
        let mut charging = Vec::new();
        for id in 1..=5 {
            charging.push(f.intend(order(id)).await);
        }
        f.pay(order(6)).await;
        let refunding = f.save(applied(charging[1].cancel(2))).await;
        charging.remove(1);

        let find = async |status, after, limit| -> Vec<Payment> {
            let found = f.store.unfinished(status, after, limit).await.unwrap();
            found.into_iter().map(|unfinished| unfinished.payment).collect()
        };
        assert_eq!(find(Status::Refunding, i64::MIN, 9).await, [refunding]);
        assert_eq!(find(Status::Charging, i64::MIN, 3).await, charging[..3]);
        assert_eq!(find(Status::Charging, charging[2].id, 3).await, charging[3..]);
    })
    .await;
}

#[tokio::test]
async fn a_refund_remembers_the_trace_of_its_charge() {
    on_each_store(async |f| {
        let trace = telemetry::TraceContext::new_root();
        let intent = trace.scope(f.intend(order(1))).await;
        f.save(applied(intent.cancel(2))).await;
        let found = f.store.unfinished(Status::Refunding, i64::MIN, 9).await.unwrap();
        assert_eq!(found[0].traceparent, Some(trace.to_string()));
    })
    .await;
}

#[tokio::test]
async fn a_batch_of_cancellations_leaves_nothing_standing() {
    on_each_store(async |f| {
        f.intend(order(1)).await;
        f.pay(order(2)).await;
        let intent = f.intend(order(3)).await;
        f.save(declined(&intent)).await;
        let standing = f.pay(order(5)).await;
        let batch = || [1, 2, 3, 4, 2, 4].map(order).to_vec();
        for _repeated in 0..2 {
            f.cancel(batch()).await;
            for (reservation_id, status) in
                [(1, Status::Refunding), (2, Status::Refunding), (3, Status::Void), (4, Status::Void)]
            {
                assert_eq!(f.of_reservation(reservation_id).await.status(), status, "{reservation_id}");
            }
        }
        assert_eq!(f.status(standing.id).await, Status::Paid);
        assert_eq!(f.of_reservation(2).await.version, 1);
        assert_eq!(f.facts().await.len(), 2, "a cancellation by itself tells nothing");
    })
    .await;
}

#[tokio::test]
async fn a_large_batch_is_cancelled_whole() {
    on_each_store(async |f| {
        for id in 1..=150 {
            f.pay(order(id)).await;
        }
        f.cancel((1..=300).map(order).collect()).await;
        let refunding = f.store.unfinished(Status::Refunding, i64::MIN, 1_000).await.unwrap();
        assert_eq!(refunding.len(), 150);
        assert_eq!(f.of_reservation(300).await.status(), Status::Void);
    })
    .await;
}

#[tokio::test]
async fn a_rolled_back_cancellation_never_was() {
    on_each_store(async |f| {
        let paid = f.pay(order(1)).await;
        let mut tx = f.database.begin().await.unwrap();
        cancel(&mut tx, &f.store, &[order(1), order(2)], 9).await.unwrap();
        let seen = storage::Folded::load(&f.store, &mut tx, &[1, 2]).await.unwrap();
        assert_eq!(seen.len(), 2);
        tx.rollback().await.unwrap();
        assert_eq!(f.status(paid.id).await, Status::Paid);
        assert_eq!(f.of_reservation(2).await.status(), Status::Charging);
    })
    .await;
}

/// What can be read, and never changed.
struct Stubborn(SqlPaymentStore);

#[async_trait::async_trait]
impl storage::Folded for Stubborn {
    type State = Payment;
    type Fact = Change;

    async fn load(&self, tx: &mut Tx, reservations: &[i64]) -> Result<Vec<(i64, Payment)>, StoreError> {
        storage::Folded::load(&self.0, tx, reservations).await
    }

    async fn save(
        &self,
        tx: &mut Tx,
        changes: Vec<Changed<Payment, Change>>,
    ) -> Result<HashSet<i64>, StoreError> {
        let (known, new): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.before.is_some());
        storage::Folded::save(&self.0, tx, new).await?;
        Ok(known.into_iter().map(|change| change.key).collect())
    }
}

/// The transaction has the writer's lock on SQLite: as long as it lasts nobody is charged.
#[tokio::test]
async fn a_payment_that_never_changes_is_not_tried_for_ever() {
    on_each_store(async |f| {
        f.pay(order(1)).await;
        let mut tx = f.database.begin().await.unwrap();
        let refused = cancel(&mut tx, &Stubborn(f.store.clone()), &[order(2), order(1)], 9).await;
        assert!(matches!(refused, Err(FoldError::Unsettled(orders)) if orders == [1]));
        tx.rollback().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_that_races_its_cancellation_never_stands() {
    on_each_store(async |f| {
        for round in 0..20_i64 {
            let ids: Vec<i64> = (1..=5).map(|n| round * 10 + n).collect();
            let charges = join_all(ids.iter().map(|id| async {
                if let Intent::Stored(intent) = f.store.intend(order(*id), 1).await.unwrap() {
                    f.store.save(&[charged(&intent)]).await.unwrap();
                }
            }));
            tokio::join!(charges, f.cancel(ids.iter().copied().map(order).collect()));
            for id in ids {
                let status = f.of_reservation(id).await.status();
                assert!(matches!(status, Status::Refunding | Status::Void), "{status}");
            }
        }
    })
    .await;
}
