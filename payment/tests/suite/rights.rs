//! Customers read their own payments, administrators and other services all; tokens charge nobody.

use std::sync::Arc;

use identity::{Mode, Role};
use payment::outbound::sql::SqlPaymentStore;
use payment::use_cases::ports::{Intent, PaymentStore};
use rights::Reading;
use testkit::reads_by_rights;

use crate::support::app::{App, body_of};
use crate::support::backend::on_each;
use crate::support::{applied, order};

const INTERNAL: &str = "the-token-in-use-0000";

#[tokio::test]
async fn customers_read_their_own_and_administrators_all() {
    on_each(async |backend| {
        let database = backend.database().await;
        let store =
            Arc::new(SqlPaymentStore::new(database.clone(), messaging::Outbox::new(database.clone())));
        let mut paid = Vec::new();
        for (reservation, user) in [(1, 7), (2, 8), (3, 7), (4, 9)] {
            let order = payment::domain::Order { user_id: user, ..order(reservation) };
            let Intent::Stored(intent) = store.intend(order, 1).await.unwrap() else { panic!() };
            // The charge of a user that is not finished is nobody's business, also not his.
            if reservation == 3 {
                continue;
            }
            let charged = applied(intent.charge_answered(&payment::domain::ChargeAnswer::Charged, 2));
            assert_eq!(store.save(&[charged]).await.unwrap(), [true]);
            paid.push((user, intent.id));
        }
        let (own, others): (Vec<_>, Vec<_>) = paid.into_iter().partition(|(user, _)| *user == 7);
        let own: Vec<i64> = own.into_iter().map(|(_, id)| id).collect();
        assert_eq!((own.len(), others.len()), (1, 2));
        reads_by_rights(&Reading::of_owners(store as Arc<dyn PaymentStore>), 7, &own, &others).await;
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn in_mode_required_a_service_charges_and_a_token_reads() {
    on_each(async |backend| {
        let app = App::start_with(backend, |settings| {
            settings.shared.auth.mode = Mode::Required;
            settings.own.internal.token = INTERNAL.into();
        })
        .await;
        let charge =
            |reservation, user| app.http.post(app.url("/payments")).json(&body_of(reservation, user));
        let get = |path: &str| app.http.get(app.url(path));
        let customer = app.users.bearer(7, &[Role::Customer]);
        let admin = app.users.bearer(1, &[Role::Admin]);

        // Whoever he is: he could pay for the reservation that somebody else is about to get.
        for token in [&customer, &admin] {
            let answer = app.send(charge(1, 7).header("Authorization", token)).await;
            assert_eq!(answer.status, 403, "{}", answer.text);
        }
        let mut ids = Vec::new();
        for (reservation, user) in [(1, 7), (2, 8)] {
            let answer = app.send(charge(reservation, user).header("X-Internal-Token", INTERNAL)).await;
            assert_eq!(answer.status, 201, "{}", answer.text);
            ids.push(answer.json()["id"].clone());
        }
        let item = |place: usize| format!("/payments/{}", ids[place]);
        for (header, token, own, other, total) in [
            ("Authorization", customer.as_str(), 200, 403, 1),
            ("Authorization", &admin, 200, 200, 2),
            ("X-Internal-Token", INTERNAL, 200, 200, 2),
        ] {
            assert_eq!(app.send(get(&item(0)).header(header, token)).await.status, own);
            assert_eq!(app.send(get(&item(1)).header(header, token)).await.status, other);
            let list = app.send(get("/payments?sort=price,desc").header(header, token)).await.json();
            assert_eq!(list["page"]["totalElements"], total, "{list}");
            let found = get("/payments/search/findByUserId?userId=8").header(header, token);
            assert_eq!(app.send(found).await.status, other);
        }
        for path in ["/payments", "/payments/1", "/payments/search/findByUserId?userId=7"] {
            assert_eq!(app.get(path).await.status, 401, "{path}");
        }
        app.stop().await;
    })
    .await;
}
