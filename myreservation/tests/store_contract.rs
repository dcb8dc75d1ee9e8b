//! The obligations of the ports, on every database.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use events::{Envelope, reason};
use myreservation::domain::{Facet, Outcome};
use myreservation::use_cases::ports::{Field, Projection, View};
use myreservation::use_cases::show_timeline::ShowTimeline;
use rights::{Denied, ReadError, Reading};
use sqlx::Executor;
use storage::{ListQuery, Readable as _};
use support::Store;
use support::facts::*;
use testkit::{AmongOthers, TestDatabase, callers, reads_by_rights};

fn query(offset: i64, limit: i64, order: &[(Field, bool)]) -> ListQuery<Field> {
    ListQuery { filter: None, offset, limit, order: order.to_vec() }
}

testkit::for_each_backend! {
    async fn a_reservation_gathers_what_all_three_tell(db: TestDatabase) {
        let store = Store::open(&db).await;
        assert_eq!(store.view.item(7).await.unwrap(), None);
        assert_eq!(store.view.reservation_version(7).await.unwrap(), 0);

        // The receipt alone, as in a replay: what it tells is shown, and what it does not know is not.
        store.apply(&received(&[issued(7)])).await;
        let row = store.view.item(7).await.unwrap().unwrap();
        assert_eq!((row.purchase.user_id, row.purchase.card_no.clone()), (user_of(7), None));
        assert_eq!(row.purchase.created_at, asked_at(7) + 700);
        assert_eq!((row.reservation.clone(), row.payment.clone()), (None, None));

        // The payment knows better, the reservation best.
        store.apply(&received(&[paid(7)])).await;
        let row = store.view.item(7).await.unwrap().unwrap();
        assert_eq!(row.purchase.created_at, asked_at(7) + 400);
        store.apply(&received(&[reserved(7)])).await;
        let row = store.view.item(7).await.unwrap().unwrap();
        assert_eq!(row.purchase.created_at, asked_at(7));
        assert_eq!(row.purchase.user_address.as_deref(), Some("seoul"));
        assert_eq!(row.outcome(), Outcome::Completed);

        store.apply(&received(&[cancelled(7, 2, reason::CANCELLED_BY_CUSTOMER)])).await;
        let row = store.view.item(7).await.unwrap().unwrap();
        assert_eq!(row.reservation.unwrap().cancellation.unwrap().reason, reason::CANCELLED_BY_CUSTOMER);
        assert_eq!(store.view.reservation_version(7).await.unwrap(), 2);
        // An older fact changes nothing.
        store.apply(&received(&[reserved(7)])).await;
        assert_eq!(store.view.reservation_version(7).await.unwrap(), 2);
    }

    async fn steps_are_kept_once(db: TestDatabase) {
        let store = Store::open(&db).await;
        for _ in 0..2 {
            store.apply(&received(&whole_story(3))).await;
        }
        let steps = store.view.steps(3).await.unwrap();
        let named: Vec<(Facet, i64)> = steps.iter().map(|step| (step.facet(), step.version)).collect();
        assert_eq!(named, [
            (Facet::Reservation, 1), (Facet::Reservation, 2), (Facet::Payment, 1), (Facet::Payment, 2),
            (Facet::Receipt, 1), (Facet::Receipt, 2),
        ]);
        assert_eq!(steps[0].trace_id.as_deref(), Some(TRACE_ID));
        assert_eq!(steps[0].at_ms, asked_at(3) + 500);
        assert!(store.view.steps(4).await.unwrap().is_empty());
    }

    async fn the_outcome_in_the_table_is_the_domains(db: TestDatabase) {
        let store = Store::open(&db).await;
        let none: Option<fn(i64) -> Envelope> = None;
        let cancel: fn(i64) -> Envelope = |id| cancelled(id, 2, reason::ABANDONED);
        let mut id = 0;
        for reservation in [none, Some(reserved), Some(cancel)] {
            for payment in [none, Some(paid), Some(refunded)] {
                for receipt in [none, Some(issued), Some(withdrawn)] {
                    id += 1;
                    let events: Vec<Envelope> =
                        [reservation, payment, receipt].into_iter().flatten().map(|fact| fact(id)).collect();
                    store.apply(&received(&events)).await;
                    let Some(row) = store.view.item(id).await.unwrap() else {
                        assert!(events.is_empty());
                        continue;
                    };
                    let stored: String = sqlx::query_scalar("SELECT outcome FROM my_reservation WHERE id = $1")
                        .bind(id)
                        .fetch_one(store.database.reader())
                        .await
                        .unwrap();
                    assert_eq!(stored, row.outcome().as_str(), "{row:?}");
                }
            }
        }
    }

    async fn pages_are_sorted_whole_and_counted(db: TestDatabase) {
        let store = Store::open(&db).await;
        let events: Vec<Envelope> = (1..=50).map(reserved).collect();
        store.apply(&received(&events)).await;
        // Another partition's writer has counters of its own.
        let mut others = received(&(51..=60).map(reserved).collect::<Vec<_>>());
        others.iter_mut().for_each(|record| record.partition = 3);
        store.apply(&others).await;

        for order in [&[][..], &[(Field::Price, true)], &[(Field::UserId, false)], &[(Field::CreatedAt, true)],
            &[(Field::UserId, true), (Field::Price, false)]] {
            let mut paged = Vec::new();
            for page in 0..8 {
                let (rows, total) = store.view.list(&query(page * 8, 8, order)).await.unwrap();
                assert_eq!(total, 60);
                paged.extend(rows.iter().map(|row| row.id));
            }
            let (whole, _) = store.view.list(&query(0, 1000, order)).await.unwrap();
            assert_eq!(paged, whole.iter().map(|row| row.id).collect::<Vec<_>>(), "{order:?}");
            assert_eq!(paged.len(), 60);
            if let [(Field::Price, true)] = order {
                assert!(whole.windows(2).all(|two| two[0].purchase.price >= two[1].purchase.price));
            }
        }
        let (past, total) = store.view.list(&query(i64::MAX, 20, &[])).await.unwrap();
        assert!(past.is_empty() && total == 60);

        let of_user = ListQuery { filter: Some((Field::UserId, 3)), limit: 100, ..ListQuery::default() };
        let (rows, total) = store.view.list(&of_user).await.unwrap();
        assert!(rows.iter().all(|row| row.purchase.user_id == 3));
        assert_eq!((rows.len() as i64, total), (9, 9));
    }

    async fn sagas_are_counted_by_outcome(db: TestDatabase) {
        let store = Store::open(&db).await;
        let story = |id| [paid(id), reserved(id), issued(id)];
        store.apply(&received(&(1..=5).flat_map(story).collect::<Vec<_>>())).await;
        store.apply(&received(&[reserved(6), paid(7), cancelled(8, 1, reason::PAYMENT_DECLINED)])).await;
        store.apply(&received(&[cancelled(1, 2, reason::CANCELLED_BY_CUSTOMER)])).await;
        let sagas = store.view.sagas(asked_at(1) + 5_001).await.unwrap();
        let count = |outcome| sagas.by_outcome.get(&outcome).copied().unwrap_or(0);
        assert_eq!(count(Outcome::Completed), 4);
        assert_eq!(count(Outcome::Open), 2);
        assert_eq!(count(Outcome::Compensating), 1);
        assert_eq!(count(Outcome::Cancelled), 1);
        // 6 is open since it was asked for, 7 since its payment, 1 compensates since its cancellation.
        assert_eq!(sagas.unfinished.oldest_since_ms, Some(asked_at(6)));
        assert_eq!(sagas.unfinished.stuck, 3);
        assert_eq!(store.view.sagas(asked_at(1) + 5_000).await.unwrap().unfinished.stuck, 2);
        assert_eq!(store.view.sagas(asked_at(6)).await.unwrap().unfinished.stuck, 0);

        store.apply(&received(&[refunded(1), withdrawn(1)])).await;
        let sagas = store.view.sagas(0).await.unwrap();
        assert_eq!(sagas.by_outcome.get(&Outcome::Compensating), Some(&0));
    }

    async fn a_transaction_that_rolls_back_leaves_nothing(db: TestDatabase) {
        let store = Store::open(&db).await;
        let mut batch = myreservation::domain::Batch::default();
        for record in received(&whole_story(1)) {
            myreservation::inbound::events::add(&mut batch, &record).unwrap();
        }
        let mut tx = store.database.begin().await.unwrap();
        store.projection.apply(&mut tx, batch, 0).await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(store.view.item(1).await.unwrap(), None);
        assert_eq!(store.view.list(&query(0, 10, &[])).await.unwrap().1, 0);
    }

    /// More rows than one statement takes, and every combination of facets.
    async fn large_batches(db: TestDatabase) {
        let store = Store::open(&db).await;
        let mut events: Vec<Envelope> = (1..=1500).flat_map(whole_story).collect();
        events.extend((2001..=2100).map(paid));
        events.extend((2101..=2103).flat_map(|id| [paid(id), issued(id)]));
        store.apply(&received(&events)).await;
        let (_, total) = store.view.list(&query(0, 1, &[])).await.unwrap();
        assert_eq!(total, 1603);
        assert_eq!(store.view.steps(1500).await.unwrap().len(), 6);
        store.assert_ranges_are_counted().await;
    }

    async fn the_ranges_of_an_older_view_are_counted_by_the_migration(db: TestDatabase) {
        let store = Store::open(&db).await;
        store.apply(&received(&[1, 1_023, 1_024, 70_000, 70_001, 1 << 40].map(paid))).await;
        let migration = match store.database.dialect() {
            storage::Dialect::Sqlite => include_str!("../migrations/sqlite/0101_ranges.sql"),
            storage::Dialect::Postgres => include_str!("../migrations/postgres/0101_ranges.sql"),
        };
        let mut tx = store.database.begin().await.unwrap();
        tx.execute("DELETE FROM row_count WHERE name LIKE 'my_reservation#%'").await.unwrap();
        tx.execute(migration).await.unwrap();
        tx.commit().await.unwrap();
        store.assert_ranges_are_counted().await;
    }

    async fn a_users_rows_are_found_without_reading_those_of_others(db: TestDatabase) {
        let store = Store::open(&db).await;
        AmongOthers {
            table: "my_reservation",
            listed: "TRUE",
            orders: &["id", "price", "created_at"],
            columns: &[
                ("id", "i"), ("product_id", "1"), ("product_name", "'fold'"), ("price", "i * 7919 % 100003"),
                ("created_at", "i * 7919 % 100003"), ("reservation_version", "1"), ("reservation_status", "'reservated'"),
            ],
        }
        .are_passed_by(&store.database)
        .await;
    }

    async fn customers_read_their_own_rows_and_timelines_and_administrators_all(db: TestDatabase) {
        let store = Store::open(&db).await;
        store.apply(&received(&(1..=14).flat_map(whole_story).collect::<Vec<_>>())).await;
        let view: Arc<dyn View> = Arc::new(store.view.clone());
        let (own, others): (Vec<i64>, Vec<i64>) = (1..=14).partition(|id| user_of(*id) == 3);
        let others: Vec<(i64, i64)> = others.into_iter().map(|id| (user_of(id), id)).collect();
        reads_by_rights(&Reading::of_owners(view.clone()), 3, &own, &others).await;

        let timelines = ShowTimeline::new(view);
        for (caller, sees_all, _) in callers(3) {
            let shown = timelines.execute(&caller, own[0]).await.unwrap().unwrap();
            assert_eq!(shown.reservation_id, own[0], "{caller:?}");
            match timelines.execute(&caller, others[0].1).await {
                Ok(Some(_)) => assert!(sees_all, "{caller:?}"),
                Err(ReadError::Denied(Denied::NotOwn)) => assert!(!sees_all, "{caller:?}"),
                other => panic!("{caller:?}: {other:?}"),
            }
            assert!(timelines.execute(&caller, 1_000).await.unwrap().is_none(), "{caller:?}");
        }
    }

    /// Each sort that is offered, both ways, and the search: read from an index, nothing sorted.
    async fn every_order_has_its_index(db: TestDatabase) {
        let store = Store::open(&db).await;
        let sqlite = store.database.dialect() == storage::Dialect::Sqlite;
        let mut tx = store.database.begin().await.unwrap();
        if !sqlite {
            // An empty table is read as a whole, whatever indexes it has.
            sqlx::query("SET LOCAL enable_seqscan = off").execute(&mut *tx).await.unwrap();
            sqlx::query("SET LOCAL enable_bitmapscan = off").execute(&mut *tx).await.unwrap();
        }
        let explain = if sqlite { "EXPLAIN QUERY PLAN" } else { "EXPLAIN" };
        let mut queries = Vec::new();
        for column in ["id", "user_id", "price", "created_at"] {
            for direction in ["ASC", "DESC"] {
                let order = if column == "id" { String::new() } else { format!("{column} {direction}, ") };
                queries.push(format!(
                    "SELECT user_address FROM my_reservation WHERE TRUE ORDER BY {order}id {direction} LIMIT 20 OFFSET 40"
                ));
            }
        }
        queries.push("SELECT user_address FROM my_reservation WHERE TRUE AND user_id = 3 ORDER BY id ASC LIMIT 20".into());
        queries.push(
            "SELECT outcome, COUNT(*) FROM my_reservation WHERE outcome IN ('open', 'compensating') GROUP BY outcome".into(),
        );
        for query in queries {
            let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{explain} {query}"))).fetch_all(&mut *tx).await.unwrap();
            let plan: Vec<String> = rows
                .iter()
                .map(|row| sqlx::Row::try_get::<String, _>(row, if sqlite { 3 } else { 0 }).unwrap())
                .collect();
            let plan = plan.join("\n");
            let grouped = query.contains("GROUP BY");
            assert!(grouped || !plan.contains("TEMP B-TREE"), "{query}\n{plan}");
            assert!(grouped || !plan.contains("Sort"), "{query}\n{plan}");
            assert!(!plan.contains("Seq Scan"), "{query}\n{plan}");
            let by_key = query.contains("ORDER BY id") && !query.contains("user_id");
            assert!(by_key || plan.contains("my_reservation_"), "{query}\n{plan}");
        }
    }
}
