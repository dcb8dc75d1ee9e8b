//! A person with an account.

use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};

use crate::http::{Answer, Http, send};
use crate::system::{ADMIN_EMAIL, ADMIN_PASSWORD, System};

pub const SESSION: &str = "session";
pub const REFRESH: &str = "refresh";

/// Somebody who has signed in, with what a browser would keep.
#[derive(Clone, Debug)]
pub struct User {
    pub id: i64,
    pub email: String,
    pub password: String,
    pub token: String,
    pub refresh: String,
}

impl User {
    /// Somebody whom no other story knows.
    pub async fn sign_up(system: &System) -> Self {
        static LAST: AtomicI64 = AtomicI64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let (email, password) = (format!("user{number}@example.com"), format!("correct horse {number}"));
        let body = json!({ "email": email, "password": password, "name": "a name" });
        let answer = system.gateway().post("/users/signup", &body).await.expect(201);
        Self::of(&answer, email, password)
    }

    /// The administrator that `account` makes at its start.
    pub async fn admin(system: &System) -> Self {
        let answer = sign_in(&system.gateway(), ADMIN_EMAIL, ADMIN_PASSWORD).await.expect(200);
        Self::of(&answer, ADMIN_EMAIL.to_owned(), ADMIN_PASSWORD.to_owned())
    }

    #[track_caller]
    fn of(answer: &Answer, email: String, password: String) -> Self {
        let cookie =
            |name: &str| answer.cookie(name).unwrap_or_else(|| panic!("no {name}: {:?}", answer.headers));
        let id = answer.json()["id"].as_i64().expect("a user has an id");
        Self { id, email, password, token: cookie(SESSION), refresh: cookie(REFRESH) }
    }

    /// With another token, after the roles have changed, for instance.
    pub async fn signed_in_again(&self, system: &System) -> Self {
        let answer = sign_in(&system.gateway(), &self.email, &self.password).await.expect(200);
        Self::of(&answer, self.email.clone(), self.password.clone())
    }

    /// Through the gateway, as a program does it.
    pub fn through_gateway(&self, system: &System) -> Http {
        system.gateway().with_bearer(&self.token)
    }

    /// What the sample line orders, without saying for whom.
    pub fn order(&self) -> Value {
        let mut order = crate::customer::Customer { user_id: self.id }.order();
        if let Some(order) = order.as_object_mut() {
            order.remove("userId");
        }
        order
    }
}

pub async fn sign_in(http: &Http, email: &str, password: &str) -> Answer {
    http.post("/users/signin", &json!({ "email": email, "password": password })).await
}

/// A request as a browser sends it, with this refresh token.
pub async fn refresh(http: &Http, token: &str) -> Answer {
    send(http.request("POST", "/users/refresh").header("Cookie", format!("{REFRESH}={token}"))).await
}
