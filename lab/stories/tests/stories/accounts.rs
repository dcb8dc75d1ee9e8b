//! Who may do what when tokens are required, and what becomes of tokens.

use harness::Service;
use harness::waiting::{PATIENCE, eventually, when};
use serde_json::{Value, json};
use stories::customer::{Reservation, statuses};
use stories::http::{Http, send};
use stories::setup::Setup;
use stories::system::{Plan, System};
use stories::user::{REFRESH, SESSION, User, refresh, sign_in};

const COLLECTIONS: [&str; 4] = ["preReservations", "payments", "receipts", "myReservations"];

/// The table of rights, row by row.
pub(crate) async fn every_row_of_the_table(setup: Setup) {
    let system = Plan::of(setup).tokens_required().start().await;
    let admin = User::admin(&system).await;
    let (customer, other) = (User::sign_up(&system).await, User::sign_up(&system).await);
    let merchant = with_roles(&system, &admin, &["merchant"]).await;
    let courier = with_roles(&system, &admin, &["courier"]).await;

    nobody(&system).await;
    let mine = reserve(&system, &customer).await;
    let theirs = reserve(&system, &other).await;
    for user in [&customer, &merchant, &courier] {
        let all = if user.id == customer.id { Some(&mine) } else { None };
        only_ones_own(&system, user, all, &theirs).await;
        not_an_administrator(&system, user, &other).await;
    }
    everything(&system, &admin, &[&mine, &theirs]).await;

    // Reserve and cancel.
    let as_customer = customer.through_gateway(&system);
    let mut order = customer.order();
    order["userId"] = other.id.into();
    as_customer.post("/preReservations", &order).await.problem(403);
    order["userId"] = customer.id.to_string().into();
    let named = Reservation::of(&as_customer.post("/preReservations", &order).await.expect(201));
    assert_eq!(named.item["userId"], customer.id);
    as_customer.delete(&format!("/preReservations/{}", theirs["id"])).await.problem(403);
    let _ = as_customer.delete(&format!("/preReservations/{}", mine["id"])).await.expect(204);
    let as_admin = admin.through_gateway(&system);
    order["userId"] = other.id.into();
    let for_other = Reservation::of(&as_admin.post("/preReservations", &order).await.expect(201));
    assert_eq!(for_other.item["userId"], other.id);
    let _ = as_admin.delete(&format!("/preReservations/{}", theirs["id"])).await.expect(204);

    // Paying is for prereservation alone.
    let _ = system.gateway().post("/payments", &order).await.problem(405);
    as_customer_at(&system, Service::Payment, &customer).post("/payments", &order).await.problem(403);
}

async fn with_roles(system: &System, admin: &User, roles: &[&str]) -> User {
    let user = User::sign_up(system).await;
    let path = format!("/users/{}/roles", user.id);
    let _ = admin.through_gateway(system).put(&path, &json!({ "roles": roles })).await.expect(204);
    let user = user.signed_in_again(system).await;
    let current = user.through_gateway(system).get("/users/currentuser").await.expect(200).json();
    assert_eq!(current["currentUser"]["roles"], json!(roles));
    user
}

fn as_customer_at(system: &System, service: Service, user: &User) -> Http {
    system.service(service).with_bearer(&user.token)
}

/// Without a token, with one that is none, and with one that was changed.
async fn nobody(system: &System) {
    let user = User::sign_up(system).await;
    let changed = format!("{}A", user.token);
    for http in
        [system.gateway(), system.gateway().with_bearer("no-token"), system.gateway().with_bearer(&changed)]
    {
        for collection in COLLECTIONS {
            for path in [format!("/{collection}"), format!("/{collection}/1")] {
                let answer = http.get(&path).await;
                answer.problem(401);
                let challenge = answer.header("www-authenticate").unwrap_or_default();
                assert!(challenge.starts_with("Bearer"), "{path}: {challenge}");
            }
        }
        http.post("/preReservations", &user.order()).await.problem(401);
        http.delete("/preReservations/1").await.problem(401);
        http.get("/users").await.problem(401);
    }
    let cookie = |value: String| system.gateway().request("GET", "/myReservations").header("Cookie", value);
    let _ = send(cookie(format!("{SESSION}={}", user.token))).await.expect(200);
    send(cookie(format!("{SESSION}={}", user.token)).bearer_auth(&changed)).await.problem(400);
    let current = system.gateway().get("/users/currentuser").await.expect(200);
    assert_eq!(current.json(), json!({ "currentUser": null }));
}

/// The view of the user's new reservation, when everything has followed.
async fn reserve(system: &System, user: &User) -> Value {
    let http = user.through_gateway(system);
    let reservation = Reservation::of(&http.post("/preReservations", &user.order()).await.expect(201));
    assert_eq!(reservation.item["userId"], user.id, "the user is the token's");
    complete(&http, reservation.id).await
}

async fn complete(http: &Http, id: i64) -> Value {
    eventually(PATIENCE, &format!("reservation {id} is complete"), async || {
        let answer = http.get(&format!("/myReservations/{id}")).await;
        if answer.status != 200 {
            return Err(answer.text());
        }
        let view = answer.json();
        let complete = statuses(&view) == ["reservated", "paid", "receipt_issued"];
        when(complete, view).map_err(|view| view.to_string())
    })
    .await
}

/// Where the four services keep what belongs to a reservation.
fn items(view: &Value) -> [String; 4] {
    [
        format!("/preReservations/{}", view["id"]),
        format!("/payments/{}", view["paymentId"]),
        format!("/receipts/{}", view["receiptId"]),
        format!("/myReservations/{}", view["id"]),
    ]
}

async fn only_ones_own(system: &System, user: &User, own: Option<&Value>, theirs: &Value) {
    let http = user.through_gateway(system);
    for collection in COLLECTIONS {
        for path in
            [format!("/{collection}"), format!("/{collection}/search/findByUserId?userId={}", user.id)]
        {
            let list = http.get(&path).await.expect(200).json();
            assert_eq!(list["page"]["totalElements"], i64::from(own.is_some()), "{path}: {list}");
            for item in list["_embedded"][collection].as_array().into_iter().flatten() {
                assert_eq!(item["userId"], user.id, "{path}");
            }
        }
        let search = format!("/{collection}/search/findByUserId?userId={}", theirs["userId"]);
        http.get(&search).await.problem(403);
    }
    for path in items(theirs) {
        http.get(&path).await.problem(403);
    }
    for path in own.map(items).into_iter().flatten() {
        let _ = http.get(&path).await.expect(200);
    }
}

async fn not_an_administrator(system: &System, user: &User, other: &User) {
    let http = user.through_gateway(system);
    http.get("/users").await.problem(403);
    http.get(&format!("/users/{}", other.id)).await.problem(403);
    let himself = http.get(&format!("/users/{}", user.id)).await.expect(200);
    assert_eq!(himself.json()["email"], user.email);
    let path = |what: &str| format!("/users/{}/{what}", user.id);
    http.put(&path("roles"), &json!({ "roles": ["admin"] })).await.problem(403);
    http.post(&path("ban"), &json!({ "reason": "none" })).await.problem(403);
    http.post(&path("unban"), &json!({})).await.problem(403);
}

async fn everything(system: &System, admin: &User, views: &[&Value]) {
    let http = admin.through_gateway(system);
    for collection in COLLECTIONS {
        let list = http.get(&format!("/{collection}")).await.expect(200).json();
        assert_eq!(list["page"]["totalElements"], views.len(), "{collection}: {list}");
        for view in views {
            let search = format!("/{collection}/search/findByUserId?userId={}", view["userId"]);
            assert_eq!(http.get(&search).await.expect(200).json()["page"]["totalElements"], 1, "{search}");
        }
    }
    for path in views.iter().copied().flat_map(items) {
        let _ = http.get(&path).await.expect(200);
    }
    let users = http.get("/users?size=1000").await.expect(200);
    let first = users.json()["_embedded"]["users"][0].clone();
    assert!(first["email"].is_string() && first["roles"].is_array(), "{first}");
    assert!(!users.text().contains("argon2"), "{}", users.text());
}

/// A ban holds everywhere, at once, and after a restart; its end does, too.
pub(crate) async fn a_ban(setup: Setup) {
    let system = Plan::of(setup).tokens_required().start().await;
    let admin = User::admin(&system).await;
    let (banned, other) = (User::sign_up(&system).await, User::sign_up(&system).await);
    let view = reserve(&system, &banned).await;
    let as_admin = admin.through_gateway(&system);
    let path = |what: &str| format!("/users/{}/{what}", banned.id);
    let _ = as_admin.post(&path("ban"), &json!({ "reason": "he resells" })).await.expect(204);
    for item in items(&view) {
        eventually(PATIENCE, &format!("{item} is refused"), async || {
            let status = banned.through_gateway(&system).get(&item).await.status;
            when(status == 401, status)
        })
        .await;
    }
    sign_in(&system.gateway(), &banned.email, &banned.password).await.problem(401);
    refresh(&system.gateway(), &banned.refresh).await.problem(401);
    banned.through_gateway(&system).post("/preReservations", &banned.order()).await.problem(401);
    let _ = other.through_gateway(&system).get("/myReservations").await.expect(200);

    system.kill_all().await;
    system.start_all().await;
    for item in items(&view) {
        banned.through_gateway(&system).get(&item).await.problem(401);
        let _ = as_admin.get(&item).await.expect(200);
    }

    let _ = as_admin.post(&path("unban"), &json!({})).await.expect(204);
    let back = banned.signed_in_again(&system).await;
    for item in items(&view) {
        eventually(PATIENCE, &format!("{item} is shown again"), async || {
            let status = back.through_gateway(&system).get(&item).await.status;
            when(status == 200, status)
        })
        .await;
    }
}

/// Services check tokens with the keys that they have.
pub(crate) async fn account_is_down(setup: Setup) {
    let system = Plan::of(setup).tokens_required().start().await;
    let user = User::sign_up(&system).await;
    let view = reserve(&system, &user).await;
    system.process(Service::Account).kill().await;
    let again = reserve(&system, &user).await;
    let cancel = format!("/preReservations/{}", view["id"]);
    let _ = user.through_gateway(&system).delete(&cancel).await.expect(204);
    assert_eq!(sign_in(&system.gateway(), &user.email, &user.password).await.status, 502);
    // What started while account is away gets the keys when it comes back.
    system.process(Service::Receipt).kill().await;
    system.restart(Service::Account).await;
    system.restart(Service::Receipt).await;
    eventually(PATIENCE, "receipt has the keys", async || {
        let status = user.through_gateway(&system).get(&items(&again)[2]).await.status;
        when(status == 200, status)
    })
    .await;
    let _ = user.signed_in_again(&system).await;
}

/// A refresh token is used once; who uses an older one ends the session, also the thief's.
pub(crate) async fn refreshing(setup: Setup) {
    let system = Plan::of(setup).tokens_required().start().await;
    let gateway = system.gateway();
    let user = User::sign_up(&system).await;
    let first = refresh(&gateway, &user.refresh).await.expect(204);
    let second_token = first.cookie(REFRESH).unwrap();
    assert_ne!(second_token, user.refresh);
    // Two tabs.
    let tab = refresh(&gateway, &user.refresh).await;
    assert_eq!(tab.status, 204, "the direct predecessor is tolerated: {}", tab.text());
    assert_ne!(tab.cookie(REFRESH).as_deref(), Some(""), "nobody's cookie is cleared");
    let new = first.cookie(SESSION).unwrap();
    let _ = gateway.clone().with_bearer(&new).get("/myReservations").await.expect(200);
    // Stolen: the owner goes on, then the thief comes with what he took at the beginning.
    let third = refresh(&gateway, &second_token).await.expect(204).cookie(REFRESH).unwrap();
    refresh(&gateway, &user.refresh).await.problem(401);
    refresh(&gateway, &third).await.problem(401);

    let back = user.signed_in_again(&system).await;
    let out = gateway.request("POST", "/users/signout");
    let cookies = format!("{SESSION}={}; {REFRESH}={}", back.token, back.refresh);
    let out = send(out.header("Cookie", cookies)).await.expect(204);
    assert_eq!((out.cookie(SESSION).as_deref(), out.cookie(REFRESH).as_deref()), (Some(""), Some("")));
    refresh(&gateway, &back.refresh).await.problem(401);
}

/// Another site makes the browser of somebody who is signed in send a request.
pub(crate) async fn another_site(setup: Setup) {
    let system = Plan::of(setup).tokens_required().start().await;
    let user = User::sign_up(&system).await;
    let view = reserve(&system, &user).await;
    let path = format!("/preReservations/{}", view["id"]);
    let session = format!("{SESSION}={}", user.token);
    let delete = || system.gateway().request("DELETE", &path).header("Cookie", &session);
    send(delete().header("Origin", "https://evil.example")).await.problem(403);
    send(delete().header("Sec-Fetch-Site", "cross-site")).await.problem(403);
    let _ = send(delete().header("Sec-Fetch-Site", "same-origin")).await.expect(204);
}
