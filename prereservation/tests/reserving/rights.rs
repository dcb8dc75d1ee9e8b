//! Who may reserve, cancel and read what: each kind of caller, his own and others'.

use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::web::Data;
use actix_web::{App, http::StatusCode};
use http_common::InternalSettings;
use identity::{AuthSettings, Authenticator, Caller, Mode, Role};
use prereservation::inbound::http;
use prereservation::use_cases::UseCases;
use prereservation::use_cases::cancel::Cancellation;
use prereservation::use_cases::ports::{Begun, IdempotencyKey};
use prereservation::use_cases::reserve::Reserved;
use rest::Authentication;
use rights::{Denied, Reading};
use serde_json::{Value, json};
use storage::ListQuery;
use testkit::{TestDatabase, TestUsers, callers, known, reads_by_rights};

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

/// What `POST /preReservations` answers to the user with this id and these roles, if there is one.
async fn post(
    rig: &Rig,
    mode: Mode,
    user: Option<(i64, &[Role])>,
    body: &Value,
    key: &str,
) -> (StatusCode, Value) {
    let users = TestUsers::default();
    let authenticator =
        Authenticator::new("prereservation", &AuthSettings { mode, ..AuthSettings::default() });
    authenticator.set_keys(&users.keys());
    let authentication = Data::new(Authentication::new(authenticator, InternalSettings::default()));
    let use_cases = Data::new(UseCases {
        reserve: rig.reserve(Answers(paid())),
        cancel: rig.cancel(),
        reading: Reading::of_owners(rig.store.clone()),
    });
    let mut request = TestRequest::post().uri("/preReservations").set_json(body);
    request = request.insert_header(("Idempotency-Key", key));
    if let Some((user, roles)) = user {
        request = request.insert_header(("Authorization", users.bearer(user, roles)));
    }
    let exchange = async {
        let app = App::new().app_data(authentication).configure(|config| http::configure(config, use_cases));
        let response = call_service(&init_service(app).await, request.to_request()).await;
        (response.status(), read_body_json(response).await)
    };
    // Commands run to their end in tasks of the thread that took them.
    tokio::task::LocalSet::new().run_until(exchange).await
}

#[test]
fn where_everybody_has_to_prove_who_he_is_so_has_this_service() {
    let load = |variables: &[(&str, &str)]| prereservation::app::SERVICE.compiled_in(None, variables);
    let error = load(&[("AUTH_MODE", "required")]).unwrap_err().to_string();
    assert!(error.starts_with("internal.token: must not be empty"), "{error}");
    load(&[("AUTH_MODE", "required"), ("INTERNAL_TOKEN", "0123456789abcdef")]).unwrap();
    load(&[]).unwrap();
}

testkit::for_each_backend! {
    async fn a_token_stands_for_a_user_id_that_is_left_out_and_for_no_other(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let body = |user: Value| {
            json!({
                "userId": user, "userAddress": "seoul", "productId": 1, "productName": "fold", "price": 1_300_000,
                "cardNo": "1234-1234-1234-1234",
            })
        };
        let customer: Option<(i64, &[Role])> = Some((USER, &[Role::Customer]));
        let merchant: Option<(i64, &[Role])> = Some((USER, &[Role::Merchant]));
        let admin: Option<(i64, &[Role])> = Some((USER, &[Role::Admin]));
        for (number, (mode, user, asked, status, reserved_for)) in [
            (Mode::Open, None, json!(OTHER), 201, OTHER),
            (Mode::Open, None, json!(null), 400, 0),
            (Mode::Open, customer, json!(null), 201, USER),
            (Mode::Open, merchant, json!(""), 201, USER),
            (Mode::Open, customer, json!(OTHER.to_string()), 201, OTHER),
            (Mode::Open, customer, json!("x"), 400, 0),
            (Mode::Required, None, json!(USER), 401, 0),
            (Mode::Required, customer, json!(null), 201, USER),
            (Mode::Required, customer, json!(USER.to_string()), 201, USER),
            (Mode::Required, customer, json!(OTHER), 403, 0),
            (Mode::Required, merchant, json!(null), 403, 0),
            (Mode::Required, merchant, json!(USER), 403, 0),
            (Mode::Required, admin, json!(OTHER), 201, OTHER),
            (Mode::Required, admin, json!(null), 201, USER),
        ]
        .into_iter()
        .enumerate()
        {
            let before = rig.store.list(&ListQuery::default()).await.unwrap().1;
            let (answered, answer) = post(&rig, mode, user, &body(asked), &format!("key {number}")).await;
            assert_eq!(answered, status, "{number}: {answer}");
            if status == 201 {
                assert_eq!(answer["userId"], reserved_for, "{number}: {answer}");
            }
            let after = rig.store.list(&ListQuery::default()).await.unwrap().1;
            assert_eq!(after - before, i64::from(status == 201), "{number}");
        }
    }

    async fn a_key_that_another_user_has_used_is_a_new_one(db: TestDatabase) {
        let rig = Rig::on(&db).await;
        let body = json!({
            "userAddress": "seoul", "productId": 1, "productName": "fold", "price": 1, "cardNo": "1234-1234-1234-1234",
        });
        for mode in [Mode::Open, Mode::Required] {
            let key = format!("{mode:?}");
            let mut ids = Vec::new();
            for user in [USER, OTHER, USER] {
                let (status, answer) = post(&rig, mode, Some((user, &[Role::Customer])), &body, &key).await;
                assert_eq!((status.as_u16(), &answer["userId"]), (201, &json!(user)), "{answer}");
                ids.push(answer["id"].clone());
            }
            assert!(ids[0] == ids[2] && ids[0] != ids[1], "{ids:?}");
        }
    }

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
