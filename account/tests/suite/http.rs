//! Every row of the table of users, as clients see it.

use identity::{Authenticator, JwkSet};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{SOON, TestDatabase, TestLog, eventually};

use crate::support::PASSWORD;
use crate::support::app::{App, settings};

/// The facts of one topic, as types with their payloads.
async fn told(log: &TestLog) -> Vec<Value> {
    log.payloads("account").await.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

testkit::for_each_backend! {
    async fn sign_up_out_in_and_refresh(db: TestDatabase) {
        let log = TestLog::new().await;
        let app = App::start(settings(&db, &log)).await;
        let mut kim = app.client();
        assert_eq!(kim.current_user().await, Value::Null);
        let body = json!({"email": " Kim@Shop.Example ", "password": PASSWORD, "name": "Kim", "roles": ["admin"]});
        let answer = kim.post("/users/signup", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let id = answer.json()["id"].as_i64().unwrap();
        let shown = json!({"id": id, "email": "kim@shop.example", "name": "Kim", "roles": ["customer"]});
        assert_eq!(answer.json(), shown, "no other role can be asked for");
        assert_eq!(answer.header("location"), format!("http://{}/users/{id}", app.address));
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(kim.current_user().await, shown);

        let again = app.client().post("/users/signup", &json!({"email": "KIM@shop.example", "password": PASSWORD})).await;
        assert_eq!(again.status, 409);

        let before = kim.cookies.clone();
        assert_eq!(kim.post_nothing("/users/refresh").await.status, 204);
        assert_ne!(kim.cookie("refresh"), before.get("refresh").map(|(_, value)| value.as_str()));
        assert_eq!(kim.current_user().await, shown);

        let mut stale = kim.clone();
        let out = kim.post_nothing("/users/signout").await;
        assert_eq!((out.status, kim.cookies.len()), (204, 0));
        assert_eq!(kim.current_user().await, Value::Null);
        assert_eq!(stale.post_nothing("/users/refresh").await.status, 401);
        assert_eq!(kim.post_nothing("/users/signout").await.status, 204, "out is out");
        assert_eq!(kim.post_nothing("/users/refresh").await.status, 401);

        let answer = kim.sign_in("kim@SHOP.example", PASSWORD).await;
        assert_eq!((answer.status, answer.json()), (200, shown.clone()));
        assert_eq!(kim.current_user().await, shown);
        app.stop().await;
    }

    async fn a_token_is_what_every_service_checks(db: TestDatabase) {
        let log = TestLog::new().await;
        let settings = settings(&db, &log);
        let auth = settings.shared.auth.clone();
        let app = App::start(settings).await;
        let (mut kim, id) = app.user("kim@shop.example").await;
        let answer = kim.get("/.well-known/jwks.json").await;
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        let set: JwkSet = serde_json::from_str(&answer.text).unwrap();
        assert!(!answer.text.contains("\"d\""), "no private part");
        let elsewhere = Authenticator::new("receipt", &auth);
        elsewhere.set_keys(&set);
        let token = kim.cookie("session").unwrap().to_owned();
        let principal = elsewhere.check(&token).await.unwrap();
        assert_eq!((principal.user_id, principal.email.as_str()), (id, "kim@shop.example"));
        assert!(principal.roles.contains(identity::Role::Customer) && !principal.roles.contains(identity::Role::Admin));
        app.stop().await;
    }

    async fn what_is_wrong_is_said_by_field(db: TestDatabase) {
        let log = TestLog::new().await;
        let app = App::start(settings(&db, &log)).await;
        let mut client = app.client();
        for (body, fields) in [
            (json!({}), &["email", "password"][..]),
            (json!({"email": "kim", "password": "short"}), &["email", "password"]),
            (json!({"email": "kim@shop.example", "password": "password"}), &["password"]),
            (json!({"email": "kim@shop.example", "password": "x".repeat(129)}), &["password"]),
            (json!({"email": "kim@shop.example", "password": [1]}), &["password"]),
            (json!({"email": "kim@shop.example", "password": PASSWORD, "name": "x".repeat(101)}), &["name"]),
            (json!({"email": 7, "password": PASSWORD}), &["email"]),
        ] {
            let answer = client.post("/users/signup", &body).await;
            let mut refused = answer.refused_fields();
            refused.sort();
            assert_eq!((answer.status, refused), (400, fields.iter().map(|f| (*f).to_owned()).collect()), "{body}");
            assert!(!answer.text.contains("short"), "no value is repeated");
        }
        let answer = client.sign_in("kim@shop.example", &"x".repeat(129)).await;
        assert_eq!(answer.status, 400);
        for (method, path, status) in [
            (Method::GET, "/users/signin", 405),
            (Method::DELETE, "/users/1", 405),
            (Method::OPTIONS, "/users/1/ban", 200),
            (Method::POST, "/users", 405),
            (Method::GET, "/users/nobody", 400),
        ] {
            assert_eq!(client.send(method.clone(), path, None).await.status, status, "{method} {path}");
        }
        app.stop().await;
    }

    async fn only_administrators_see_and_change_others(db: TestDatabase) {
        let log = TestLog::new().await;
        let app = App::start(settings(&db, &log)).await;
        let (mut admin, admin_id) = app.administrator(&db).await;
        let (mut kim, id) = app.user("kim@shop.example").await;
        let mut nobody = app.client();
        let item = format!("/users/{id}");
        for (path, of_nobody, of_kim, of_admin) in [
            ("/users", 401, 403, 200),
            ("/users?sort=email,desc&size=1", 401, 403, 200),
            (item.as_str(), 401, 200, 200),
            (&format!("/users/{admin_id}"), 401, 403, 200),
            ("/users/999", 401, 403, 404),
        ] {
            let got = [nobody.get(path).await.status, kim.get(path).await.status, admin.get(path).await.status];
            assert_eq!(got, [of_nobody, of_kim, of_admin], "{path}");
        }
        let list = admin.get("/users?sort=email,desc").await.json();
        assert_eq!(list["page"]["totalElements"], 2);
        assert_eq!(list["_embedded"]["users"][0]["email"], "kim@shop.example");
        let shown = kim.get(&item).await;
        assert!(!shown.text.contains("hash") && !shown.text.contains("argon2"), "{}", shown.text);
        assert_eq!(shown.json()["_links"]["self"]["href"], format!("http://{}{item}", app.address));

        let roles = json!({"roles": ["merchant", "customer"]});
        for (path, body) in [("roles", &roles), ("ban", &json!({"reason": "fraud"})), ("unban", &json!({}))] {
            let path = format!("{item}/{path}");
            let method = if path.ends_with("roles") { Method::PUT } else { Method::POST };
            let body = Some(body.to_string().into_bytes());
            assert_eq!(nobody.send(method.clone(), &path, body.clone()).await.status, 401, "{path}");
            assert_eq!(kim.send(method.clone(), &path, body.clone()).await.status, 403, "{path}");
            let missing = path.replace(&item, "/users/999");
            assert_eq!(admin.send(method, &missing, body).await.status, 404, "{missing}");
        }
        assert_eq!(admin.put(&format!("{item}/roles"), &roles).await.status, 204);
        assert_eq!(admin.put(&format!("{item}/roles"), &json!({"roles": "merchant,customer"})).await.status, 204);
        assert_eq!(admin.get(&item).await.json()["roles"], json!(["customer", "merchant"]));
        assert_eq!(kim.current_user().await["roles"], json!(["customer", "merchant"]));
        for wrong in [json!({}), json!({"roles": ["king"]}), json!({"roles": {"a": 1}}), json!({"roles": 7})] {
            assert_eq!(admin.put(&format!("{item}/roles"), &wrong).await.status, 400, "{wrong}");
        }
        // A token of before keeps its roles, but changes nobody any more: not even its own user, back.
        let (mut lee, lee_id) = app.user("lee@shop.example").await;
        let of_lee = format!("/users/{lee_id}/roles");
        assert_eq!(admin.put(&of_lee, &json!({"roles": ["admin"]})).await.status, 204);
        assert_eq!(lee.sign_in("lee@shop.example", PASSWORD).await.status, 200);
        assert_eq!(lee.put(&format!("{item}/roles"), &json!({"roles": []})).await.status, 204);
        assert_eq!(admin.put(&of_lee, &json!({"roles": ["customer"]})).await.status, 204);
        assert_eq!(lee.put(&of_lee, &json!({"roles": ["admin"]})).await.status, 403);
        assert_eq!(lee.put(&format!("{item}/roles"), &roles).await.status, 403);
        assert_eq!(lee.post_nothing(&format!("/users/{admin_id}/ban")).await.status, 403);
        // The last administrator stays one.
        let own = format!("/users/{admin_id}");
        assert_eq!(admin.put(&format!("{own}/roles"), &json!({"roles": []})).await.status, 409);
        assert_eq!(admin.post_nothing(&format!("{own}/ban")).await.status, 409);
        assert_eq!(admin.put(&format!("{own}/roles"), &json!({"roles": ["admin"]})).await.status, 204);
        app.stop().await;
    }

    async fn a_banned_user_is_out_until_he_is_unbanned(db: TestDatabase) {
        let log = TestLog::new().await;
        let app = App::start(settings(&db, &log)).await;
        let (mut admin, _) = app.administrator(&db).await;
        let (mut kim, id) = app.user("kim@shop.example").await;
        let before = storage::now_ms();
        assert_eq!(admin.post(&format!("/users/{id}/ban"), &json!({"reason": "fraud"})).await.status, 204);
        assert_eq!(admin.post_nothing(&format!("/users/{id}/ban")).await.status, 204, "he is banned");
        assert_eq!(kim.post_nothing("/users/refresh").await.status, 401);
        assert_eq!(kim.current_user().await, Value::Null);
        let wrong = app.client().sign_in("kim@shop.example", "another password").await;
        let right = app.client().sign_in("kim@shop.example", PASSWORD).await;
        let unknown = app.client().sign_in("nobody@shop.example", PASSWORD).await;
        assert_eq!([wrong.status, right.status, unknown.status], [401; 3]);
        assert_eq!((&wrong.text, &wrong.text), (&right.text, &unknown.text), "one answer");
        let shown = admin.get(&format!("/users/{id}")).await.json();
        assert_eq!(shown["banReason"], "fraud");
        assert!(shown["bannedAt"].is_string());
        assert_eq!(admin.post_nothing(&format!("/users/{id}/unban")).await.status, 204);
        assert_eq!(kim.sign_in("kim@shop.example", PASSWORD).await.status, 200);
        eventually("all facts are told", SOON, async || told(&log).await.len() == 5).await;
        let facts = told(&log).await;
        let types: Vec<&str> = facts.iter().map(|fact| fact["eventType"].as_str().unwrap()).collect();
        assert_eq!(types, ["UserSignedUp", "RolesChanged", "UserSignedUp", "UserBanned", "UserUnbanned"]);
        let not_before = facts[3]["notBefore"].as_i64().unwrap();
        assert!((before + 30_000..before + 60_000).contains(&not_before), "with the skew of clocks");
        app.stop().await;
    }

    async fn cookies_of_a_system_behind_https(db: TestDatabase) {
        let log = TestLog::new().await;
        let mut settings = settings(&db, &log);
        settings.shared.auth.secure_cookies = true;
        let app = App::start(settings).await;
        let (mut kim, id) = app.user("kim@shop.example").await;
        let names: Vec<&str> = kim.cookies.keys().map(String::as_str).collect();
        assert_eq!(names, ["__Host-session", "__Secure-refresh"]);
        assert_eq!(kim.current_user().await["id"], id);
        assert_eq!(kim.post_nothing("/users/refresh").await.status, 204);
        assert_eq!(kim.post_nothing("/users/signout").await.status, 204);
        assert!(kim.cookies.is_empty());
        app.stop().await;
    }

    async fn who_may_not_be_anybody_can_ask_who_he_is(db: TestDatabase) {
        let log = TestLog::new().await;
        let mut settings = settings(&db, &log);
        settings.shared.auth.mode = identity::Mode::Required;
        let app = App::start(settings).await;
        let mut client = app.client();
        assert_eq!(client.current_user().await, Value::Null);
        client.cookies.insert("session".into(), ("/".into(), "not.a.token".into()));
        assert_eq!(client.current_user().await, Value::Null);
        let (mut kim, id) = app.user("kim@shop.example").await;
        assert_eq!(kim.get(&format!("/users/{id}")).await.status, 200);
        assert_eq!(app.client().get(&format!("/users/{id}")).await.status, 401);
        app.stop().await;
    }

    async fn a_first_administrator_by_settings(db: TestDatabase) {
        let log = TestLog::new().await;
        let mut settings = settings(&db, &log);
        settings.own.admin.email = "Root@shop.example".into();
        settings.own.admin.password = "the first of all".into();
        let replicas = [App::start(settings.clone()).await, App::start(settings.clone()).await];
        let mut root = replicas[1].client();
        assert_eq!(root.sign_in("root@shop.example", "the first of all").await.status, 200);
        assert_eq!(root.get("/users").await.json()["page"]["totalElements"], 1);
        for replica in replicas {
            replica.stop().await;
        }
        // The next start changes nothing, with whatever password.
        settings.own.admin.password = "another password".into();
        let app = App::start(settings).await;
        assert_eq!(app.client().sign_in("root@shop.example", "the first of all").await.status, 200);
        app.stop().await;
    }
}
