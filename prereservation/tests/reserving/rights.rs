//! Who may reserve, cancel and read what: each kind of caller, his own and others'.

use identity::{Caller, Mode, Role};
use prereservation::use_cases::cancel::Cancellation;
use prereservation::use_cases::ports::{Begun, IdempotencyKey};
use prereservation::use_cases::reserve::Reserved;
use rights::{Denied, Reading};
use storage::ListQuery;
use testkit::{TestDatabase, callers, known, reads_by_rights};

use crate::support::{Answers, Rig, card, order, paid};

const USER: i64 = 7;
const OTHER: i64 = 8;

impl Rig {
    async fn reserved(&self, user: i64) -> i64 {
        let ended =
            self.reserve(Answers(paid())).execute(&Caller::Service, order(user), card(), None).await.unwrap();
        let Reserved::Confirmed(reservation) = ended else { panic!("{ended:?}") };
        reservation.id
    }
}

testkit::for_each_backend! {
    async fn customers_reserve_for_themselves_and_administrators_for_anybody(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        for (caller, sees_all, may_order) in callers(USER) {
            for user in [USER, OTHER] {
                let before = rig.store.list(&ListQuery::default()).await.unwrap().1;
                let reserve = rig.reserve(Answers(paid()));
                let ended = reserve.execute(&caller, order(user), card(), None).await.unwrap();
                match (ended, may_order, sees_all || user == USER) {
                    (Reserved::Confirmed(reservation), true, true) => assert_eq!(reservation.details.user_id, user),
                    (Reserved::Denied(Denied::Role(Role::Customer)), false, _)
                    | (Reserved::Denied(Denied::NotOwn), true, false) => {
                        let after = rig.store.list(&ListQuery::default()).await.unwrap().1;
                        assert_eq!(after, before, "{caller:?}: nothing is written");
                    }
                    (ended, ..) => panic!("{caller:?} for {user}: {ended:?}"),
                }
            }
        }
    }

    async fn customers_cancel_what_is_theirs_and_administrators_everything(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        for (caller, sees_all, may_order) in callers(USER) {
            for user in [USER, OTHER] {
                let id = rig.reserved(user).await;
                // Who may not is told so, whatever version he means.
                let wrong = rig.cancel().execute(&caller, id, |_| false).await.unwrap();
                let ended = rig.cancel().execute(&caller, id, |_| true).await.unwrap();
                match (wrong, ended, may_order, sees_all || user == USER) {
                    (Cancellation::OtherVersion(1), Cancellation::Done(_), true, true) => {
                        // What is cancelled is gone, for everybody.
                        for caller in [&caller, &known(9, &[], Mode::Required)] {
                            let again = rig.cancel().execute(caller, id, |_| true).await.unwrap();
                            assert!(matches!(again, Cancellation::NotFound), "{caller:?}: {again:?}");
                        }
                    }
                    (Cancellation::Denied(denied), Cancellation::Denied(again), may_order, own) => {
                        let wanted = if may_order { Denied::NotOwn } else { Denied::Role(Role::Customer) };
                        assert_eq!((denied, again), (wanted, wanted), "{caller:?}");
                        assert!(!(may_order && own), "{caller:?}");
                        assert!(rig.store.item(id).await.unwrap().is_some(), "{caller:?}: it stands");
                    }
                    (wrong, ended, ..) => panic!("{caller:?} for {user}: {wrong:?} {ended:?}"),
                }
            }
            let unknown = rig.cancel().execute(&caller, 1_000_000, |_| true).await.unwrap();
            assert!(matches!(unknown, Cancellation::NotFound), "{caller:?}");
        }
    }

    async fn customers_read_their_own_and_administrators_all(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let mut of = Vec::new();
        for user in [USER, OTHER, USER, 9, USER] {
            of.push((user, rig.reserved(user).await));
        }
        rig.cancel().execute(&Caller::Anybody, of.pop().unwrap().1, |_| true).await.unwrap();
        let (own, others): (Vec<_>, Vec<_>) = of.into_iter().partition(|(user, _)| *user == USER);
        let own: Vec<i64> = own.into_iter().map(|(_, id)| id).collect();
        reads_by_rights(&Reading::of_owners(rig.store.clone()), USER, &own, &others).await;
    }

    /// In mode open too: a token says whose the key is.
    async fn a_key_belongs_to_the_caller_also_where_he_reserves_for_somebody_else(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let mut ids = std::collections::HashSet::new();
        let senders = [
            Caller::Anybody,
            known(USER, &[Role::Customer], Mode::Open),
            known(OTHER, &[Role::Customer], Mode::Required),
            known(9, &[Role::Admin], Mode::Required),
        ];
        for caller in &senders {
            let user = if *caller == senders[2] { OTHER } else { USER };
            for again in [false, true] {
                let key = IdempotencyKey::of(caller, "k".into(), "same".into());
                let reserve = rig.reserve(Answers(paid()));
                let ended = reserve.execute(caller, order(user), card(), Some(key)).await.unwrap();
                let Reserved::Confirmed(reservation) = ended else { panic!("{caller:?}: {ended:?}") };
                assert_eq!(ids.insert(reservation.id), !again, "{caller:?}");
            }
        }
        // A stranger who knows the key learns nothing of its answer.
        let stranger = known(10, &[Role::Customer], Mode::Required);
        let key = IdempotencyKey::of(&stranger, "k".into(), "same".into());
        assert!(matches!(rig.store.begin(&order(10), Some(&key)).await.unwrap(), Begun::Started(_)));
    }
}
