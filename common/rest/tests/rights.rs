//! Items that belong to users: who sees which, and that nobody is given the answer to somebody else.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::web::{Data, ServiceConfig};
use async_trait::async_trait;
use futures::future::join_all;
use http_common::InternalSettings;
use identity::{AuthSettings, Authenticator, Mode, Role};
use rest::{Api, Authentication, Collection};
use rights::{Owned, Reading};
use storage::{ListQuery, Readable, StoreError};
use support::*;
use testkit::TestUsers;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

const INTERNAL: &str = "an-internal-token-of-tests";

impl Owned for Book {
    type Field = Field;
    const OWNER: Field = Field::UserId;

    fn owner(&self) -> i64 {
        self.user_id
    }
}

/// Its lists wait for a permit each.
struct Gated {
    shelf: Arc<Shelf>,
    begun: AtomicUsize,
    gate: Semaphore,
}

#[async_trait]
impl Readable for Gated {
    type Item = Book;
    type Field = Field;

    async fn item(&self, id: i64) -> Result<Option<Book>, StoreError> {
        self.shelf.item(id).await
    }

    async fn list(&self, query: &ListQuery<Field>) -> Result<(Vec<Book>, i64), StoreError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        self.shelf.list(query).await
    }
}

struct Rig {
    running: Running,
    users: TestUsers,
    store: Arc<Gated>,
}

impl Rig {
    /// With a book of user 1 (it has an entity tag), one of user 2, and one of user 1 again.
    async fn start(mode: Mode) -> Self {
        let users = TestUsers::default();
        let authenticator = Authenticator::new("books", &AuthSettings { mode, ..AuthSettings::default() });
        authenticator.set_keys(&users.keys());
        let internal = InternalSettings { token: INTERNAL.into() };
        let authentication = Data::new(Authentication::new(authenticator, internal));
        let shelf = Data::new(Shelf::default());
        for (user, title) in [(1, "one"), (2, "two"), (1, "three")] {
            shelf.add(user, title);
        }
        let gate = Semaphore::new(0);
        let store = Arc::new(Gated { shelf: shelf.clone().into_inner(), begun: AtomicUsize::new(0), gate });
        let (reading, pages) = (Reading::of_owners(store.clone()), rest::Pages::default());
        let routes = move |config: &mut ServiceConfig| {
            config.app_data(authentication.clone());
            let books = Collection::<Book, _>::reading(reading.clone()).sharing(&pages);
            Api::new(config, "books", "Books that are lent.").collection(books).finish();
        };
        let running = start_routes(settings(), |actuator| actuator, shelf, routes).await;
        Self { running, users, store }
    }

    fn bearer(&self, user: i64, roles: &[Role]) -> String {
        format!("Authorization: {}\r\n", self.users.bearer(user, roles))
    }

    async fn get(&self, path: &str, headers: &str) -> Answer {
        self.store.gate.add_permits(1);
        self.running.send("GET", path, headers, "").await
    }
}

fn titles(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    let books = json["_embedded"]["books"].as_array().unwrap();
    assert_eq!(json["page"]["totalElements"], books.len());
    books.iter().map(|book| book["title"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn in_mode_required_everybody_sees_his_own_and_administrators_all() {
    let rig = Rig::start(Mode::Required).await;
    let customer = rig.bearer(1, &[Role::Customer]);
    let merchant = rig.bearer(2, &[Role::Merchant]);
    let admin = rig.bearer(3, &[Role::Admin]);
    let service = format!("X-Internal-Token: {INTERNAL}\r\n");
    let own: &[(&str, &[&str])] = &[
        (&customer, &["one", "three"]),
        (&merchant, &["two"]),
        (&admin, &["one", "two", "three"]),
        (&service, &["one", "two", "three"]),
    ];
    for (caller, wanted) in own {
        assert_eq!(titles(&rig.get("/books", caller).await), *wanted);
        for (id, title) in [(1, "one"), (2, "two"), (3, "three")] {
            let answer = rig.get(&format!("/books/{id}"), caller).await;
            match wanted.contains(&title) {
                true => assert_eq!(answer.json()["title"], title),
                false => _ = answer.assert_problem(403),
            }
        }
        rig.get("/books/9", caller).await.assert_problem(404);
    }
    for (caller, user, wanted) in [
        (&customer, 1, Some(&["one", "three"][..])),
        (&customer, 2, None),
        (&merchant, 1, None),
        (&admin, 1, Some(&["one", "three"])),
        (&admin, 3, Some(&[])),
        (&service, 2, Some(&["two"])),
    ] {
        let answer = rig.get(&format!("/books/search/findByUserId?userId={user}"), caller).await;
        match wanted {
            Some(wanted) => assert_eq!(titles(&answer), wanted),
            None => _ = answer.assert_problem(403),
        }
    }
}

#[actix_web::test]
async fn without_a_valid_token_nothing_is_read_and_what_tells_nothing_is() {
    let rig = Rig::start(Mode::Required).await;
    let strangers = TestUsers::default();
    let forged = format!("Authorization: {}\r\n", strangers.bearer(1, &[Role::Admin]));
    for caller in
        ["", forged.as_str(), "Authorization: Bearer x\r\n", "X-Internal-Token: guessed-by-somebody\r\n"]
    {
        for path in ["/books", "/books?page=x", "/books/1", "/books/9", "/books/search/findByUserId?userId=1"]
        {
            for method in ["GET", "HEAD"] {
                let answer =
                    rig.running.send(method, path, &format!("{caller}If-None-Match: \"3\"\r\n"), "").await;
                assert_eq!(answer.status, 401, "{method} {path} {answer:?}");
                assert!(answer.header("www-authenticate").is_some(), "{method} {path}");
                assert!(answer.header("etag").is_none(), "{method} {path}");
            }
        }
    }
    assert_eq!(rig.store.begun.load(Ordering::SeqCst), 0);
    for path in ["/", "/openapi.json", "/books/search"] {
        assert_eq!(rig.get(path, "").await.status, 200, "{path}");
    }
}

#[actix_web::test]
async fn in_mode_open_nobody_is_held_to_his_own_and_a_wrong_token_is_refused() {
    let rig = Rig::start(Mode::Open).await;
    let customer = rig.bearer(2, &[Role::Customer]);
    for caller in ["", customer.as_str()] {
        assert_eq!(titles(&rig.get("/books", caller).await), ["one", "two", "three"]);
        assert_eq!(rig.get("/books/1", caller).await.json()["title"], "one");
        assert_eq!(titles(&rig.get("/books/search/findByUserId?userId=1", caller).await), ["one", "three"]);
    }
    rig.get("/books", "Authorization: Bearer x\r\n").await.assert_problem(401);
    // Without a token the answer is everybody's, as it was.
    let answer = rig.get("/books", "").await;
    assert_eq!((answer.header("cache-control"), answer.header("vary")), (Some("no-store"), None));
}

#[actix_web::test]
async fn no_cache_gives_an_answer_to_another_user() {
    for mode in [Mode::Open, Mode::Required] {
        let rig = Rig::start(mode).await;
        let customer = rig.bearer(1, &[Role::Customer]);
        let cookie = format!("Cookie: session={}\r\n", rig.users.token(1, &[Role::Customer]));
        for caller in [&customer, &cookie] {
            let not_modified = format!("{caller}If-None-Match: \"3\"\r\n");
            for (path, caller, status) in [
                ("/books", caller, 200),
                ("/books/1", caller, 200),
                ("/books/1", &not_modified, 304),
                ("/books/9", caller, 404),
            ] {
                let answer = rig.get(path, caller).await;
                assert_eq!(answer.status, status, "{path}");
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{path} {answer:?}");
                assert_eq!(answer.header("vary"), Some("Authorization, Cookie"), "{path}");
            }
        }
    }
}

#[actix_web::test]
async fn who_may_not_read_an_item_is_not_told_its_version() {
    let rig = Rig::start(Mode::Required).await;
    let other = rig.bearer(2, &[Role::Customer]);
    for condition in ["If-None-Match: \"3\"", "If-None-Match: *", "If-Match: \"3\"", "If-Match: \"4\""] {
        for method in ["GET", "HEAD"] {
            let answer = rig.running.send(method, "/books/1", &format!("{other}{condition}\r\n"), "").await;
            assert_eq!((answer.status, answer.header("etag")), (403, None), "{method} {condition}");
        }
    }
}

/// Requests for one page at the same time share its reading. Those of one user never share that of another.
#[actix_web::test]
async fn a_shared_reading_is_shared_by_those_who_see_the_same() {
    let rig = Rig::start(Mode::Required).await;
    let callers: Vec<(String, &[&str])> = vec![
        (rig.bearer(1, &[Role::Customer]), &["one", "three"]),
        (rig.bearer(2, &[Role::Customer]), &["two"]),
        (rig.bearer(3, &[Role::Customer]), &[]),
        (rig.bearer(3, &[Role::Customer, Role::Admin]), &["one", "two", "three"]),
        (rig.bearer(4, &[Role::Admin]), &["one", "two", "three"]),
    ];
    let mut asked = Vec::new();
    for round in 0..20 {
        for (caller, wanted) in &callers {
            let mut stream = rig.running.connect().await;
            stream.write_all(request("GET", "/books", caller, "").as_bytes()).await.unwrap();
            asked.push((stream, *wanted));
        }
        if round == 0 {
            // The administrators share one. From here on each of the four waits for a permit, and the others for them.
            eventually("the first readings begin", || async { rig.store.begun.load(Ordering::SeqCst) == 4 })
                .await;
        }
    }
    rig.store.gate.add_permits(asked.len());
    let answers = asked.iter_mut().map(|(stream, wanted)| async {
        assert_eq!(titles(&read_answer(stream, false).await), *wanted);
    });
    join_all(answers).await;
    assert!(rig.store.begun.load(Ordering::SeqCst) < 100, "some were shared");
}
