use std::sync::Arc;
use std::time::Duration;

use identity::Caller;
use prereservation::domain::{CancelReason, Status};
use prereservation::use_cases::cancel::{Cancel, Cancellation};
use prereservation::use_cases::ports::RefusedWhy;
use prereservation::use_cases::reserve::Reserved;
use prereservation::use_cases::take_over::TakeOver;
use storage::StoreError;
use testkit::{SOON, TestDatabase, eventually};

use crate::support::{
    Answers, Meanwhile, Rig, Stubborn, card, declined, not_sent, order, paid, refused, unknown,
};

testkit::for_each_backend! {
    async fn every_answer_of_payment_has_its_end(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        for (answer, reason) in [
            (paid(), None),
            (declined(), Some(CancelReason::Declined)),
            (not_sent(), Some(CancelReason::NotSent)),
            (refused(RefusedWhy::ReservationCancelled), Some(CancelReason::Refused)),
            (refused(RefusedWhy::AnotherPayment), Some(CancelReason::Refused)),
            (unknown(), Some(CancelReason::Unknown)),
        ] {
            let before = rig.told().await.len();
            let ended = rig.reserve(Answers(answer)).execute(&Caller::Anybody, order(1), card(), None).await.unwrap();
            let (reservation, fact) = match ended {
                Reserved::Confirmed(reservation) => (reservation, "ReservationCreated"),
                Reserved::Cancelled { reservation, .. } => (reservation, "ReservationCancelled"),
                other => panic!("{other:?}"),
            };
            assert_eq!(reservation.cancel_reason, reason);
            assert_eq!(rig.store.find(reservation.id).await.unwrap().unwrap(), reservation);
            assert_eq!(rig.told().await[before..], [fact.to_owned()]);
        }
        assert!(rig.store.pending(10).await.unwrap().is_empty());
    }

    async fn a_cancellation_in_the_middle_of_the_payment_stands(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let canceller = Arc::new(rig.cancel());
        let payments = Meanwhile {
            act: move |id| {
                let canceller = canceller.clone();
                async move { assert!(matches!(canceller.execute(&Caller::Anybody, id, |_| true).await.unwrap(), Cancellation::Done(_))) }
            },
            then: paid(),
        };
        let ended = rig.reserve(payments).execute(&Caller::Anybody, order(1), card(), None).await.unwrap();
        let Reserved::Cancelled { reservation, .. } = ended else { panic!("{ended:?}") };
        assert_eq!(reservation.cancel_reason, Some(CancelReason::ByCustomer));
        assert_eq!(rig.told().await, ["ReservationCancelled"]);
    }

    /// payment reads the customer's cancellation before the charge, and refuses it.
    async fn a_refusal_after_a_cancellation_says_that_the_customer_cancelled(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let canceller = Arc::new(rig.cancel());
        let payments = Meanwhile {
            act: move |id| {
                let canceller = canceller.clone();
                async move { assert!(matches!(canceller.execute(&Caller::Anybody, id, |_| true).await.unwrap(), Cancellation::Done(_))) }
            },
            then: refused(RefusedWhy::ReservationCancelled),
        };
        let ended = rig.reserve(payments).execute(&Caller::Anybody, order(1), card(), None).await.unwrap();
        let Reserved::Cancelled { reservation, .. } = ended else { panic!("{ended:?}") };
        assert_eq!(reservation.cancel_reason, Some(CancelReason::ByCustomer));
        assert_eq!(rig.told().await, ["ReservationCancelled"]);
    }

    async fn cancelling_twice_finds_nothing_the_second_time(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let Reserved::Confirmed(reservation) =
            rig.reserve(Answers(paid())).execute(&Caller::Anybody, order(1), card(), None).await.unwrap() else { panic!() };
        assert!(matches!(rig.cancel().execute(&Caller::Anybody, reservation.id, |_| true).await.unwrap(), Cancellation::Done(_)));
        assert!(matches!(rig.cancel().execute(&Caller::Anybody, reservation.id, |_| true).await.unwrap(), Cancellation::NotFound));
        assert!(matches!(rig.cancel().execute(&Caller::Anybody, 999, |_| true).await.unwrap(), Cancellation::NotFound));
        assert_eq!(rig.told().await, ["ReservationCreated", "ReservationCancelled"]);
    }

    async fn only_the_version_that_the_customer_meant_is_cancelled(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let Reserved::Confirmed(reservation) =
            rig.reserve(Answers(paid())).execute(&Caller::Anybody, order(1), card(), None).await.unwrap() else { panic!() };
        let cancel = async |meant: i64| rig.cancel().execute(&Caller::Anybody, reservation.id, |version| version == meant).await.unwrap();
        assert!(matches!(cancel(reservation.version - 1).await, Cancellation::OtherVersion(is) if is == reservation.version));
        assert_eq!(rig.told().await, ["ReservationCreated"]);
        assert!(matches!(cancel(reservation.version).await, Cancellation::Done(_)));
        // What is not there has no version to be asked about.
        assert!(matches!(cancel(reservation.version).await, Cancellation::NotFound));
        assert_eq!(rig.told().await, ["ReservationCreated", "ReservationCancelled"]);
    }

    async fn a_reservation_that_never_changes_is_not_tried_for_ever(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let reservation = rig.started().await;
        let cancel = Cancel { store: Arc::new(Stubborn(rig.store.clone())) };
        assert!(matches!(cancel.execute(&Caller::Anybody, reservation.id, |_| true).await, Err(StoreError::Refused(_))));
        assert!(rig.told().await.is_empty());
    }

    async fn an_abandoned_reservation_is_taken_over_and_its_late_payment_refused(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let store = rig.store.clone();
        let payments = Meanwhile {
            act: move |id| {
                let store = store.clone();
                async move {
                    let mut take_over = TakeOver::new(store.clone(), Duration::from_millis(1));
                    for _ in 0..1_000 {
                        take_over.execute().await.unwrap();
                        if store.find(id).await.unwrap().unwrap().status == Status::Cancelled {
                            return;
                        }
                    }
                    panic!("never taken over");
                }
            },
            then: paid(),
        };
        let ended = rig.reserve(payments).execute(&Caller::Anybody, order(1), card(), None).await.unwrap();
        let Reserved::Cancelled { reservation, .. } = ended else { panic!("{ended:?}") };
        assert_eq!(reservation.cancel_reason, Some(CancelReason::Abandoned));
        assert_eq!(rig.told().await, ["ReservationCancelled"]);
    }

    async fn a_reservation_seen_for_a_shorter_time_is_left_alone(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let id = rig.started().await.id;
        let mut patient = TakeOver::new(rig.store.clone(), Duration::from_secs(3_600));
        assert_eq!(patient.execute().await.unwrap(), (0, 1));
        assert_eq!(patient.execute().await.unwrap(), (0, 1));
        let hasty = tokio::sync::Mutex::new(TakeOver::new(rig.store.clone(), Duration::from_millis(1)));
        eventually("it is ended", SOON, async || {
            hasty.lock().await.execute().await.unwrap();
            rig.store.find(id).await.unwrap().unwrap().status == Status::Cancelled
        })
        .await;
    }
}
