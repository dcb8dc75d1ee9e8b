use prereservation::domain::{CancelReason, Status, Transition};
use prereservation::use_cases::ports::{Begun, Field, IdempotencyKey, SavedOutcome};
use prereservation::use_cases::purge_keys::PurgeKeys;
use sqlx::Executor;
use storage::{Dialect, ListQuery};
use testkit::{AmongOthers, TestDatabase};

use crate::support::{Rig, key, order};

testkit::for_each_backend! {
    async fn the_intent_is_kept_as_pending_and_told_to_nobody(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let started = rig.started().await;
        assert_eq!(started.status, Status::Pending);
        assert_eq!(rig.store.find(started.id).await.unwrap(), Some(started.clone()));
        assert_eq!(rig.store.pending(10).await.unwrap(), [started.id]);
        assert!(rig.told().await.is_empty());
    }

    async fn a_state_and_its_fact_are_saved_together_and_once(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let mut reservation = rig.started().await;
        let Transition::Applied(fact) = reservation.confirm(5_000_000_000_000) else { panic!() };
        assert!(rig.store.save(&reservation, &fact, 0, None).await.unwrap());
        assert!(!rig.store.save(&reservation, &fact, 0, None).await.unwrap(), "the version has moved on");
        assert_eq!(rig.told().await, ["ReservationCreated"]);
        assert_eq!(rig.store.find(reservation.id).await.unwrap(), Some(reservation));
        assert!(rig.store.pending(10).await.unwrap().is_empty());
    }

    async fn what_is_cancelled_is_in_no_list_and_in_no_total(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let mut first = rig.started().await;
        let second = rig.started().await;
        let all = ListQuery { limit: 10, ..ListQuery::default() };
        assert_eq!(rig.store.list(&all).await.unwrap().1, 2);

        let Transition::Applied(fact) = first.cancel(CancelReason::ByCustomer, None, 1) else { panic!() };
        assert!(rig.store.save(&first, &fact, 0, None).await.unwrap());
        let (listed, total) = rig.store.list(&all).await.unwrap();
        assert_eq!((listed, total), (vec![second], 1));
        assert!(rig.store.find(first.id).await.unwrap().is_some(), "the row stays, so that its id is never given again");
    }

    async fn users_are_told_apart_and_prices_are_ordered(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        for (user_id, price) in [(1, 30), (2, 10), (1, 20)] {
            let mut order = order(user_id);
            order.price = price;
            rig.store.begin(&order, None).await.unwrap();
        }
        let of_first = ListQuery { filter: Some((Field::UserId, 1)), limit: 10, order: vec![(Field::Price, false)], ..ListQuery::default() };
        let (listed, total) = rig.store.list(&of_first).await.unwrap();
        assert_eq!(listed.iter().map(|r| r.details.price).collect::<Vec<_>>(), [20, 30]);
        assert_eq!(total, 2);
    }

    /// In each order that is offered; ids are given in the order of creation.
    async fn a_users_reservations_are_found_without_reading_those_of_others(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        AmongOthers {
            table: "reservation",
            listed: "status <> 'reservation_cancelled'",
            orders: &["id", "price"],
            columns: &[
                ("user_address", "'seoul'"), ("product_id", "1"), ("product_name", "'fold'"), ("price", "i * 7919 % 100003"),
                ("card_no", "'****-****-****-1234'"), ("status", "'reservated'"), ("version", "1"), ("created_at", "i"),
                ("modified_at", "i"),
            ],
        }
        .are_passed_by(&rig.database)
        .await;
    }

    /// What an older release wrote is nobody's.
    async fn keys_of_an_older_release_are_kept_by_the_migration(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        rig.store.begin(&order(1), Some(&key("k"))).await.unwrap();
        let (older, migration) = match rig.database.dialect() {
            Dialect::Sqlite => (
                "CREATE TABLE older (key TEXT NOT NULL PRIMARY KEY, fingerprint TEXT NOT NULL, reservation_id BIGINT NOT NULL, \
                 created_at BIGINT NOT NULL, answered_at BIGINT, cancel_reason TEXT, cancel_detail TEXT); \
                 INSERT INTO older SELECT key, fingerprint, reservation_id, created_at, answered_at, cancel_reason, cancel_detail \
                 FROM idempotency_key; DROP TABLE idempotency_key; ALTER TABLE older RENAME TO idempotency_key;",
                include_str!("../../migrations/sqlite/0102_owners.sql"),
            ),
            Dialect::Postgres => (
                "ALTER TABLE idempotency_key DROP COLUMN user_id; ALTER TABLE idempotency_key ADD PRIMARY KEY (key);",
                include_str!("../../migrations/postgres/0102_owners.sql"),
            ),
        };
        let mut tx = rig.database.begin().await.unwrap();
        for text in ["DROP INDEX reservation_user_price", older, migration] {
            tx.execute(sqlx::raw_sql(text)).await.unwrap();
        }
        // As an older replica that still runs writes.
        tx.execute(sqlx::raw_sql(
            "INSERT INTO idempotency_key (key, fingerprint, reservation_id, created_at) VALUES ('late', 'same', 1, 1) \
             ON CONFLICT DO NOTHING",
        ))
        .await
        .unwrap();
        tx.commit().await.unwrap();
        for known in ["k", "late"] {
            assert_eq!(rig.store.begin(&order(1), Some(&key(known))).await.unwrap(), Begun::InFlight, "{known}");
        }
    }

    async fn of_requests_with_one_key_at_once_one_starts(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let begun = futures::future::join_all((0..8).map(|_| {
            let store = rig.store.clone();
            async move { store.begin(&order(1), Some(&key("k"))).await.unwrap() }
        }))
        .await;
        let started = begun.iter().filter(|begun| matches!(begun, Begun::Started(_))).count();
        let waiting = begun.iter().filter(|begun| matches!(begun, Begun::InFlight)).count();
        assert_eq!((started, waiting), (1, 7));
        assert_eq!(rig.store.pending(10).await.unwrap().len(), 1, "the others left nothing behind");
        let (listed, total) = rig.store.list(&ListQuery { limit: 10, ..ListQuery::default() }).await.unwrap();
        assert_eq!((listed.len(), total), (1, 1), "nor in the count");
    }

    async fn the_same_key_of_two_users_is_two_keys(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let of = |sender| IdempotencyKey { sender, ..key("k") };
        // At once, so that both are in one statement too.
        let begun = futures::future::join_all([IdempotencyKey::NOBODY, 1, 2].map(|sender| {
            let store = rig.store.clone();
            async move { store.begin(&order(1), Some(&of(sender))).await.unwrap() }
        }))
        .await;
        assert!(begun.iter().all(|begun| matches!(begun, Begun::Started(_))), "{begun:?}");
        let Begun::Started(mut second) = begun[1].clone() else { panic!() };
        let Transition::Applied(fact) = second.confirm(1) else { panic!() };
        let outcome = SavedOutcome { cancelled: None, detail: None, at: 1 };
        rig.store.save(&second, &fact, 0, Some(&outcome)).await.unwrap();
        let again = rig.store.begin(&order(1), Some(&of(1))).await.unwrap();
        assert_eq!(again, Begun::Answered(second, outcome));
        for other in [IdempotencyKey::NOBODY, 2] {
            assert_eq!(rig.store.begin(&order(1), Some(&of(other))).await.unwrap(), Begun::InFlight);
        }
        assert!(matches!(rig.store.begin(&order(1), Some(&of(3))).await.unwrap(), Begun::Started(_)));
    }

    async fn intents_of_the_same_moment_have_their_own_content_and_their_own_ids(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let begun = futures::future::join_all((1..=100).map(|user| {
            let store = rig.store.clone();
            async move {
                let key = (user % 2 == 0).then(|| key(&format!("key of {user}")));
                store.begin(&order(user), key.as_ref()).await.unwrap()
            }
        }))
        .await;
        let mut ids = std::collections::HashSet::new();
        for begun in begun {
            let Begun::Started(reservation) = begun else { panic!("{begun:?}") };
            assert!(ids.insert(reservation.id));
            assert_eq!(rig.store.find(reservation.id).await.unwrap(), Some(reservation));
        }
    }

    async fn of_outcomes_of_the_same_moment_one_counts(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let (mut confirmed, mut cancelled) = (rig.started().await, rig.started().await);
        cancelled.id = confirmed.id;
        let Transition::Applied(created) = confirmed.confirm(1) else { panic!() };
        let Transition::Applied(withdrawn) = cancelled.cancel(CancelReason::ByCustomer, None, 2) else { panic!() };
        let both = [(&confirmed, &created), (&cancelled, &withdrawn)];
        let saved = futures::future::join_all((0..10).map(|n| {
            let (store, (reservation, fact)) = (rig.store.clone(), both[n % 2]);
            async move { store.save(reservation, fact, 0, None).await.unwrap() }
        }))
        .await;
        assert_eq!(saved.iter().filter(|saved| **saved).count(), 1);
        assert_eq!(rig.told().await.len(), 1);
    }

    async fn answered_keys_are_purged_when_they_are_old_and_others_never(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let Begun::Started(mut reservation) = rig.store.begin(&order(1), Some(&key("answered"))).await.unwrap() else {
            panic!()
        };
        rig.store.begin(&order(1), Some(&key("in flight"))).await.unwrap();
        let Transition::Applied(fact) = reservation.confirm(1) else { panic!() };
        let outcome = SavedOutcome { cancelled: None, detail: None, at: 1 };
        rig.store.save(&reservation, &fact, 0, Some(&outcome)).await.unwrap();

        assert_eq!(rig.store.purge_keys(0).await.unwrap(), 0, "nothing is that old");
        let day = PurgeKeys::new(rig.store.clone(), 24).execute().await.unwrap();
        assert_eq!(day, 0, "it is remembered for 24 hours");
        assert_eq!(rig.store.purge_keys(i64::MAX).await.unwrap(), 1);
        assert_eq!(rig.store.begin(&order(1), Some(&key("in flight"))).await.unwrap(), Begun::InFlight);
    }
}
