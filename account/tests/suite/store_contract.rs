//! What the ports demand, on every database.

use account::domain::{Counted, Email, Family, RefreshToken, Transition, User};
use account::use_cases::ports::{
    AttemptStore, By, Changed, FamilyStore, Field, KeyStore, StoredKey, UserStore,
};
use futures::future::join_all;
use identity::{Role, Roles};
use storage::{ListQuery, Readable};
use testkit::TestDatabase;

use crate::support::Stores;

fn user(email: &str) -> User {
    User::new(Email::parse(email).unwrap(), Some("Kim".into()), "a hash".into(), Role::Customer.into(), 1_000)
}

fn family(n: u8, user_id: i64) -> (Family, RefreshToken) {
    let token = RefreshToken::of([n; account::domain::refresh::TOKEN]);
    (Family::begin(&token, user_id, 1_000, 50_000), token)
}

testkit::for_each_backend! {
    async fn of_fifty_who_want_an_address_at_once_one_gets_it(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let all = join_all((0..50_u8).map(|n| {
            let (family, _) = family(n, 0);
            stores.users.sign_up(user("kim@shop.example"), Some(family))
        }));
        let made: Vec<User> = all.await.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(made.len(), 1);
        assert_eq!(stores.users.item(made[0].id).await.unwrap().as_ref(), Some(&made[0]));
        assert_eq!(stores.told().await, ["UserSignedUp"]);
        let families: (i64,) = sqlx::query_as("SELECT COUNT(*) FROM refresh_family")
            .fetch_one(stores.database.reader()).await.unwrap();
        assert_eq!(families.0, 1);
    }

    async fn a_user_is_found_as_he_was_stored(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let mut wanted = user("kim@shop.example");
        wanted.roles = Roles::from_iter([Role::Admin, Role::Courier]);
        wanted.name = None;
        let stored = stores.users.sign_up(wanted, None).await.unwrap().unwrap();
        assert_eq!(stores.users.by_email(&stored.email).await.unwrap(), Some(stored.clone()));
        assert_eq!(stores.users.by_email(&Email::parse("lee@shop.example").unwrap()).await.unwrap(), None);
        assert_eq!(stores.users.item(stored.id + 1).await.unwrap(), None);
    }

    async fn a_ban_ends_the_sessions_and_is_told_with_it(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let (first, token) = family(1, 0);
        let kim = stores.users.sign_up(user("kim@shop.example"), Some(first)).await.unwrap().unwrap();
        let (other, others) = family(2, 0);
        stores.users.sign_up(user("lee@shop.example"), Some(other)).await.unwrap().unwrap();
        let ban = || stores.users.change(By::Operator, kim.id, Box::new(|user, now| user.ban(Some("fraud".into()), 0, now)));
        assert!(matches!(ban().await.unwrap(), Changed::To(Transition::Applied(_))));
        assert_eq!(ban().await.unwrap(), Changed::To(Transition::AlreadyApplied));
        assert_eq!(stores.families.find(&token.selector_hash()).await.unwrap(), None);
        assert!(stores.families.find(&others.selector_hash()).await.unwrap().is_some());
        let banned = stores.users.item(kim.id).await.unwrap().unwrap();
        assert_eq!(banned.ban.as_ref().unwrap().reason.as_deref(), Some("fraud"));
        let (again, _) = family(3, kim.id);
        assert!(!stores.users.sign_in(&banned, Some("another".into()), again.clone()).await.unwrap());
        assert_eq!(stores.users.item(kim.id).await.unwrap().unwrap().password_hash, "a hash");

        let unban = stores.users.change(By::Operator, kim.id, Box::new(|user, now| user.unban(now)));
        assert!(matches!(unban.await.unwrap(), Changed::To(Transition::Applied(_))));
        assert!(stores.users.sign_in(&banned, Some("another".into()), again).await.unwrap());
        let unbanned = stores.users.item(kim.id).await.unwrap().unwrap();
        assert_eq!((unbanned.ban, unbanned.password_hash.as_str()), (None, "another"));
        assert_eq!(stores.users.change(By::Operator, 99, Box::new(|user, now| user.unban(now))).await.unwrap(), Changed::NoSuchUser);
        assert_eq!(stores.told().await, ["UserSignedUp", "UserSignedUp", "UserBanned", "UserUnbanned"]);
    }

    /// Whichever comes first: no session survives, and none begins afterwards.
    async fn sign_ins_during_a_ban_leave_no_session(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let kim = stores.users.sign_up(user("kim@shop.example"), None).await.unwrap().unwrap();
        let sign_ins = join_all((0..20_u8).map(|n| {
            let (family, _) = family(n, kim.id);
            stores.users.sign_in(&kim, None, family)
        }));
        let ban = stores.users.change(By::Operator, kim.id, Box::new(|user, now| user.ban(None, 0, now)));
        let (signed_in, banned) = futures::future::join(sign_ins, ban).await;
        assert!(matches!(banned.unwrap(), Changed::To(Transition::Applied(_))));
        assert!(signed_in.into_iter().all(|result| result.is_ok()));
        let (left,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM refresh_family")
            .fetch_one(stores.database.reader()).await.unwrap();
        assert_eq!(left, 0);
    }

    async fn changes_at_once_come_one_after_the_other(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let kim = stores.users.sign_up(user("kim@shop.example"), None).await.unwrap().unwrap();
        let changes = join_all((0..10).map(|n| {
            let role = if n % 2 == 0 { Role::Merchant } else { Role::Courier };
            stores.users.change(By::Operator, kim.id, Box::new(move |user, now| user.change_roles(role.into(), now)))
        }));
        let applied = changes.await.into_iter()
            .filter(|changed| matches!(changed, Ok(Changed::To(Transition::Applied(_))))).count();
        let told = stores.told().await;
        assert_eq!(told.len(), 1 + applied, "{told:?}");
        let version = stores.users.item(kim.id).await.unwrap().unwrap().version;
        assert_eq!(version, 1 + i64::try_from(applied).unwrap());
    }

    async fn of_administrators_who_take_the_right_from_each_other_one_keeps_it(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let admin = |email: &str| User { roles: Role::Admin.into(), ..user(email) };
        let kim = stores.users.sign_up(admin("kim@shop.example"), None).await.unwrap().unwrap().id;
        let lee = stores.users.sign_up(admin("lee@shop.example"), None).await.unwrap().unwrap().id;
        let takes = |by, id| {
            let decide = Box::new(|user: &mut User, now| user.change_roles(Role::Customer.into(), now));
            stores.users.change(By::Administrator(by), id, decide)
        };
        let bans = |by, id| stores.users.change(By::Administrator(by), id, Box::new(|user, now| user.ban(None, 0, now)));
        let restores = |id| {
            let decide = Box::new(|user: &mut User, now| user.change_roles(Role::Admin.into(), now));
            stores.users.change(By::Operator, id, decide)
        };
        for _ in 0..10 {
            let both = futures::future::join(takes(kim, lee), takes(lee, kim)).await;
            let both = [both.0.unwrap(), both.1.unwrap()];
            assert!(both.contains(&Changed::NoAdministrator), "{both:?}");
            assert!(both.iter().any(|changed| matches!(changed, Changed::To(Transition::Applied(_)))), "{both:?}");
            restores(kim).await.unwrap();
            restores(lee).await.unwrap();
        }
        let both = futures::future::join(bans(kim, lee), bans(lee, kim)).await;
        let both = [both.0.unwrap(), both.1.unwrap()];
        assert!(both.contains(&Changed::NoAdministrator), "{both:?}");
        // Nor by himself, though he still has the role.
        let banned = if both[0] == Changed::NoAdministrator { kim } else { lee };
        let unban = stores.users.change(By::Administrator(banned), banned, Box::new(|user, now| user.unban(now)));
        assert_eq!(unban.await.unwrap(), Changed::NoAdministrator);
        assert_eq!(takes(banned, 99).await.unwrap(), Changed::NoAdministrator);
        assert_eq!(takes(99, kim).await.unwrap(), Changed::NoAdministrator);
    }

    async fn of_those_who_replace_a_token_one_does(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let (first, token) = family(1, 0);
        let kim = stores.users.sign_up(user("kim@shop.example"), Some(first)).await.unwrap().unwrap();
        let found = stores.families.find(&token.selector_hash()).await.unwrap().unwrap();
        assert_eq!((found.user_id, found.current_hash.as_str()), (kim.id, token.hash().as_str()));
        let replaced = join_all((0..8).map(|n| {
            let (found, next) = (&found, format!("hash {n}"));
            let store = &stores.families;
            async move { store.replace(found, &next, 2_000, 90_000).await.unwrap() }
        })).await;
        assert_eq!(replaced.iter().filter(|replaced| **replaced).count(), 1);
        let after = stores.families.find(&token.selector_hash()).await.unwrap().unwrap();
        assert_eq!((after.previous_hash, after.rotated_at, after.expires_at), (token.hash(), 2_000, 90_000));
        stores.families.purge(89_999).await.unwrap();
        assert!(stores.families.find(&token.selector_hash()).await.unwrap().is_some());
        stores.families.purge(90_000).await.unwrap();
        assert!(stores.families.find(&token.selector_hash()).await.unwrap().is_none());
        stores.families.end(found.id).await.unwrap();
    }

    async fn no_attempt_is_lost_and_a_window_ends(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let counts = join_all((0..20).map(|_| stores.attempts.count("a", 5_000, 4_000))).await;
        let mut numbers: Vec<i64> = counts.into_iter().map(|counted| counted.unwrap().n).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, Vec::from_iter(1..=20));
        assert_eq!(stores.attempts.counted("a").await.unwrap(), Some(Counted { n: 20, began_at: 5_000 }));
        assert_eq!(stores.attempts.counted("b").await.unwrap(), None);
        // The window lasts 1,000.
        stores.attempts.count("a", 5_999, 4_999).await.unwrap();
        assert_eq!(stores.attempts.counted("a").await.unwrap(), Some(Counted { n: 21, began_at: 5_000 }));
        stores.attempts.count("a", 6_000, 5_000).await.unwrap();
        assert_eq!(stores.attempts.counted("a").await.unwrap(), Some(Counted { n: 1, began_at: 6_000 }));
        stores.attempts.count("b", 1, 0).await.unwrap();
        stores.attempts.purge(6_000).await.unwrap();
        assert_eq!(stores.attempts.counted("b").await.unwrap(), None);
        stores.attempts.forget("a").await.unwrap();
        assert_eq!(stores.attempts.counted("a").await.unwrap(), None);
    }

    async fn a_number_is_one_key(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let key = |number, kid: &str| StoredKey { number, kid: kid.into(), sealed: "x".into(), signs_from: 5 };
        let keys: Vec<StoredKey> = ["a", "b", "c"].iter().map(|kid| key(1, kid)).collect();
        let added = join_all(keys.iter().map(|key| stores.keys.add(key))).await;
        assert_eq!(added.into_iter().filter(|added| *added.as_ref().unwrap()).count(), 1);
        assert!(stores.keys.add(&key(2, "d")).await.unwrap());
        let numbers: Vec<i64> = stores.keys.all().await.unwrap().iter().map(|key| key.number).collect();
        assert_eq!(numbers, [1, 2]);
        stores.keys.remove(1).await.unwrap();
        assert_eq!(stores.keys.all().await.unwrap(), [key(2, "d")]);
    }

    async fn lists_have_orders_and_totals(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        for email in ["c@shop.example", "a@shop.example", "b@shop.example"] {
            stores.users.sign_up(user(email), None).await.unwrap().unwrap();
        }
        for (field, descending, wanted) in [
            (Field::Id, false, ["c", "a", "b"]),
            (Field::CreatedAt, true, ["b", "a", "c"]),
            (Field::Email, false, ["a", "b", "c"]),
            (Field::Email, true, ["c", "b", "a"]),
        ] {
            let query = ListQuery { order: vec![(field, descending)], ..ListQuery::default() };
            let (users, total) = stores.users.list(&query).await.unwrap();
            assert_eq!(total, 3);
            let found: Vec<_> = users.iter().map(|user| &user.email.as_str()[..1]).collect();
            assert_eq!(found, wanted, "{field:?}");
        }
    }
}
