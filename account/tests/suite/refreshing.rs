//! Refresh tokens, used in any order by an owner, a thief, and the tabs of both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use account::domain::refresh::TOKEN;
use account::domain::{Family, RefreshToken, Shown};
use proptest::prelude::*;

const TOLERANCE: i64 = 10;

/// The store of one family and what the use case does with it, as a model: the rules are `Family::judge`'s.
struct Model {
    family: Option<Family>,
    made: u8,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody uses the token that was made as the n-th.
    Use(usize),
    Wait(i64),
}

impl Model {
    fn show(&mut self, token: &RefreshToken, now: i64) -> (Shown, Option<RefreshToken>) {
        let Some(family) = &mut self.family else { return (Shown::Expired, None) };
        let shown = family.judge(&token.hash(), now, TOLERANCE);
        match shown {
            Shown::Current => {
                self.made += 1;
                let next = token.followed_by([self.made; TOKEN]);
                family.previous_hash = std::mem::replace(&mut family.current_hash, next.hash());
                family.rotated_at = now;
                (shown, Some(next))
            }
            Shown::Predecessor => (shown, None),
            Shown::Older | Shown::Expired => {
                self.family = None;
                (shown, None)
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![3 => (0..6_usize).prop_map(Step::Use), 1 => (1..20_i64).prop_map(Step::Wait)];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #[test]
    fn at_most_one_token_of_a_family_lives(steps in steps()) {
        let first = RefreshToken::of([0; TOKEN]);
        let mut model = Model { family: Some(Family::begin(&first, 7, 0, 1_000_000)), made: 0 };
        let mut tokens = vec![first];
        let mut now = 0;
        for step in steps {
            match step {
                Step::Wait(time) => now += time,
                Step::Use(which) => {
                    let newest = tokens.len() - 1;
                    let which = which.min(newest);
                    let was_there = model.family.is_some();
                    let (shown, next) = model.show(&tokens[which].clone(), now);
                    // Only the newest one is ever replaced, so that there is no second branch.
                    prop_assert_eq!(next.is_some(), was_there && which == newest, "{:?}", shown);
                    // Whoever uses one that is older than the predecessor, thief or owner, ends it for both.
                    if was_there && which + 1 < newest {
                        prop_assert_eq!(shown, Shown::Older);
                    }
                    if shown == Shown::Older {
                        prop_assert!(model.family.is_none());
                    }
                    tokens.extend(next);
                }
            }
        }
    }

    /// A thief who goes on with a stolen token, and an owner who does not know of it: sooner or later both have lost.
    #[test]
    fn the_thief_and_the_owner_both_lose(thief_first: bool, uses in 1..5_usize) {
        let stolen = RefreshToken::of([0; TOKEN]);
        let mut model = Model { family: Some(Family::begin(&stolen, 7, 0, 1_000_000)), made: 0 };
        let mut of = HashMap::from([("thief", stolen.clone()), ("owner", stolen)]);
        let (first, second) = if thief_first { ("thief", "owner") } else { ("owner", "thief") };
        let mut now = 0;
        for _ in 0..uses {
            let (shown, next) = model.show(&of[first].clone(), now);
            prop_assert_eq!(shown, Shown::Current);
            of.insert(first, next.unwrap());
            now += 1_000;
        }
        prop_assert_eq!(model.show(&of[second].clone(), now).0, Shown::Older);
        prop_assert!(model.show(&of[first].clone(), now).1.is_none());
        prop_assert!(model.family.is_none());
    }
}

mod over_http {
    use futures::future::join_all;
    use testkit::{TestDatabase, TestLog};

    use super::*;
    use crate::support::app::{App, settings};

    testkit::for_each_backend! {
        async fn two_tabs_at_once_stay_signed_in(db: TestDatabase) {
            let log = TestLog::new().await;
            let app = App::start(settings(&db, &log)).await;
            let (browser, _) = app.user("kim@shop.example").await;
            let newest = Arc::new(Mutex::new(None));
            let tabs = join_all((0..6).map(|_| {
                let (mut tab, newest) = (browser.clone(), newest.clone());
                async move {
                    let before = tab.cookie("refresh").unwrap().to_owned();
                    let answer = tab.post_nothing("/users/refresh").await;
                    let after = tab.cookie("refresh").unwrap().to_owned();
                    if after != before {
                        assert!(newest.lock().unwrap().replace(tab.clone()).is_none(), "two branches");
                    }
                    answer.status
                }
            }));
            assert_eq!(tabs.await, [204; 6]);
            let mut browser = newest.lock().unwrap().take().expect("one tab brought the next token");
            assert_eq!(browser.post_nothing("/users/refresh").await.status, 204);
            assert_eq!(browser.current_user().await["email"], "kim@shop.example");
            app.stop().await;
        }

        async fn a_stolen_token_ends_the_session_of_both(db: TestDatabase) {
            let log = TestLog::new().await;
            let mut settings = settings(&db, &log);
            settings.own.session.predecessor_tolerance_ms = 0;
            let app = App::start(settings).await;
            let (mut owner, _) = app.user("kim@shop.example").await;
            let mut thief = owner.clone();
            // A tolerance of 0 still tolerates the same millisecond; two steps are beyond it.
            assert_eq!(thief.post_nothing("/users/refresh").await.status, 204);
            assert_eq!(thief.post_nothing("/users/refresh").await.status, 204);
            let refused = owner.post_nothing("/users/refresh").await;
            assert_eq!(refused.status, 401);
            assert!(refused.headers.get("set-cookie").is_none(), "another tab may have a newer cookie");
            assert_eq!(thief.post_nothing("/users/refresh").await.status, 401);
            let (mut other, _) = app.user("lee@shop.example").await;
            assert_eq!(other.post_nothing("/users/refresh").await.status, 204);
            app.stop().await;
        }
    }
}
