use prereservation::domain::{CancelReason, Status, Transition};
use prereservation::use_cases::ports::{Begun, Field};
use prereservation::use_cases::purge_keys::PurgeKeys;
use storage::ListQuery;
use testkit::TestDatabase;

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
        let outcome = prereservation::use_cases::ports::SavedOutcome { cancelled: None, detail: None, at: 1 };
        rig.store.save(&reservation, &fact, 0, Some(&outcome)).await.unwrap();

        assert_eq!(rig.store.purge_keys(0).await.unwrap(), 0, "nothing is that old");
        let day = PurgeKeys::new(rig.store.clone(), 24).execute().await.unwrap();
        assert_eq!(day, 0, "it is remembered for 24 hours");
        assert_eq!(rig.store.purge_keys(i64::MAX).await.unwrap(), 1);
        assert_eq!(rig.store.begin(&order(1), Some(&key("in flight"))).await.unwrap(), Begun::InFlight);
    }
}
