use std::time::Duration;

use identity::Caller;
use prereservation::domain::{CancelReason, Status};
use prereservation::use_cases::reserve::Reserved;
use prereservation::use_cases::take_over::TakeOver;
use testkit::{SOON, TestDatabase, eventually};

use crate::support::{Answers, Rig, card, declined, key, order, paid, unknown};

testkit::for_each_backend! {
    async fn a_repetition_gets_the_first_answer_whatever_payment_would_say_now(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let first = rig.reserve(Answers(paid())).execute(&Caller::Anybody, order(1), card(), Some(key("k"))).await.unwrap();
        let Reserved::Confirmed(first) = first else { panic!("{first:?}") };
        rig.cancel().execute(&Caller::Anybody, first.id, |_| true).await.unwrap();

        let again = rig.reserve(Answers(declined())).execute(&Caller::Anybody, order(1), card(), Some(key("k"))).await.unwrap();
        let Reserved::Confirmed(again) = again else { panic!("{again:?}") };
        assert_eq!(again, first, "as it was answered, though it was cancelled since");
        assert_eq!(rig.told().await, ["ReservationCreated", "ReservationCancelled"]);
    }

    async fn a_failure_is_repeated_too(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        rig.reserve(Answers(unknown())).execute(&Caller::Anybody, order(1), card(), Some(key("k"))).await.unwrap();
        let again = rig.reserve(Answers(paid())).execute(&Caller::Anybody, order(1), card(), Some(key("k"))).await.unwrap();
        let Reserved::Cancelled { reservation, .. } = again else { panic!("{again:?}") };
        assert_eq!(reservation.cancel_reason, Some(CancelReason::Unknown));
    }

    async fn a_key_belongs_to_one_request(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        rig.reserve(Answers(paid())).execute(&Caller::Anybody, order(1), card(), Some(key("k"))).await.unwrap();
        let mut other = key("k");
        other.fingerprint = "other".into();
        let ended = rig.reserve(Answers(paid())).execute(&Caller::Anybody, order(2), card(), Some(other)).await.unwrap();
        assert!(matches!(ended, Reserved::KeyReused));
    }

    async fn a_crash_in_the_middle_never_leaves_the_key_stuck(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        // The process dies between intent and outcome: begin, and nothing more.
        rig.store.begin(&order(1), Some(&key("k"))).await.unwrap();
        let while_open = rig.reserve(Answers(paid())).execute(&Caller::Anybody, order(1), card(), Some(key("k"))).await.unwrap();
        assert!(matches!(while_open, Reserved::InFlight));

        let take_over = tokio::sync::Mutex::new(TakeOver::new(rig.store.clone(), Duration::from_millis(1)));
        eventually("the reservation is taken over", SOON, async || {
            take_over.lock().await.execute().await.unwrap();
            rig.store.pending(1).await.unwrap().is_empty()
        })
        .await;
        let after = rig.reserve(Answers(paid())).execute(&Caller::Anybody, order(1), card(), Some(key("k"))).await.unwrap();
        let Reserved::Cancelled { reservation, .. } = after else { panic!("{after:?}") };
        assert_eq!(reservation.status, Status::Cancelled);
        assert_eq!(reservation.cancel_reason, Some(CancelReason::Abandoned));
    }
}
