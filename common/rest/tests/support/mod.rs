//! A small service with one resource, its server on a free port, and a client that speaks plain bytes.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use actix_web::{
    HttpResponse,
    http::Method,
    web::{Data, ServiceConfig, resource},
};
use async_trait::async_trait;
use http_common::{Actuator, Lifecycle, ManagementSettings, Problem};
use rest::{
    Api, Authentication, Base, Body, Collection, Date, Id, Preconditions, Resource, Search, Server,
    ServerSettings, hal,
};
use serde::Serialize;
use storage::{ListQuery, Readable, StoreError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};
use utoipa::ToSchema;

#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Book {
    pub id: i64,
    pub user_id: i64,
    pub title: String,
    pub subtitle: Option<String>,
    pub created_at: Date,
    pub returned_at: Option<Date>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Id,
    UserId,
}

impl Resource for Book {
    const ITEM: &'static str = "book";
    const COLLECTION: &'static str = "books";
    type Field = Field;
    const SORTABLE: &'static [(&'static str, Field)] = &[("id", Field::Id), ("userId", Field::UserId)];
    const SEARCHES: &'static [Search<Field>] =
        &[Search { name: "findByUserId", parameter: "userId", field: Field::UserId }];

    fn id(&self) -> i64 {
        self.id
    }

    /// Of those of the first reader.
    fn version(&self) -> Option<i64> {
        (self.user_id == 1).then_some(3)
    }
}

#[derive(Default)]
pub struct Shelf {
    books: Mutex<Vec<Book>>,
    last_id: AtomicI64,
}

impl Shelf {
    pub fn add(&self, user_id: i64, title: &str) -> Book {
        let book = Book {
            id: self.last_id.fetch_add(1, Ordering::Relaxed) + 1,
            user_id,
            title: title.to_owned(),
            subtitle: None,
            created_at: Date(1_630_976_523_456),
            returned_at: None,
        };
        self.books.lock().unwrap().push(book.clone());
        book
    }

    pub fn len(&self) -> usize {
        self.books.lock().unwrap().len()
    }
}

#[async_trait]
impl Readable for Shelf {
    type Item = Book;
    type Field = Field;

    async fn item(&self, id: i64) -> Result<Option<Book>, StoreError> {
        Ok(self.books.lock().unwrap().iter().find(|book| book.id == id).cloned())
    }

    async fn list(&self, query: &ListQuery<Field>) -> Result<(Vec<Book>, i64), StoreError> {
        let of = |book: &Book, field| if field == Field::Id { book.id } else { book.user_id };
        let wanted = |book: &&Book| query.filter.is_none_or(|(field, value)| of(book, field) == value);
        let books = self.books.lock().unwrap();
        let mut found: Vec<Book> = books.iter().filter(wanted).cloned().collect();
        if query.order.first().is_some_and(|(_, descending)| *descending) {
            found.reverse();
        }
        let total = i64::try_from(found.len()).unwrap();
        let offset = usize::try_from(query.offset).unwrap();
        Ok((found.into_iter().skip(offset).take(query.limit as usize).collect(), total))
    }
}

async fn create(base: Base, body: Body, shelf: Data<Shelf>) -> rest::Answer {
    let mut fields = body.fields()?;
    let user_id = fields.integer("userId", 1..=i64::MAX);
    let title = fields.text("title", 100);
    fields.finish()?;
    Ok(hal::created(&base, &shelf.add(user_id, &title)))
}

async fn delete(id: Id, conditions: Preconditions, shelf: Data<Shelf>) -> rest::Answer {
    let mut books = shelf.books.lock().unwrap();
    let index = books.iter().position(|book| book.id == id.0).ok_or_else(Problem::not_found)?;
    let version = books[index].version().unwrap_or(0);
    if !conditions.allow(version) {
        return Err(Preconditions::failed(version).into());
    }
    books.remove(index);
    Ok(hal::deleted())
}

pub fn configure(shelf: Data<Shelf>) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let authentication = Data::new(Authentication::default());
    move |config| {
        config.app_data(shelf.clone()).app_data(authentication.clone());
        let books = Collection::<Book, _>::over(shelf.clone().into_inner())
            .create(create)
            .delete(delete)
            .part("pages", async |id: Id| HttpResponse::Ok().body(format!("pages of {}", id.0)));
        Api::new(config, "books", "Books that are lent.")
            .collection(books)
            .endpoint(Method::POST, "/books/lend", async || "lent")
            .endpoint(Method::GET, "/books/lend", async || "to lend")
            .endpoint(Method::PUT, "/books/{id}/title", async |id: Id| format!("title of {}", id.0))
            .finish();
        config.service(resource("/slow").to(|| async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            HttpResponse::Ok().body("done")
        }));
        config.service(resource("/slowly").to(rest::to_the_end(slowly)));
        config.service(resource("/stuck").to(|| async { std::future::pending::<HttpResponse>().await }));
        config.service(resource(["/old/{id}/pages", "/old/{id}/pages/"]).to(async |id: Id| id.0.to_string()));
        config.service(resource("/context").to(context));
        config.service(resource("/context/task").to(rest::to_the_end(context)));
        config.service(resource("/panic").to(panics));
        config.service(resource("/panic/later").to(rest::to_the_end(panics)));
        config.service(resource("/foreign").to(to_foreign_error));
    }
}

/// What a handler knows of the request that caused it.
async fn context() -> String {
    let scope = telemetry::Scope::current();
    let trace = telemetry::TraceContext::current().unwrap();
    format!("{} {} {trace}", scope.application().unwrap(), scope.request_id().unwrap())
}

async fn panics() -> HttpResponse {
    let number: i64 = "none".parse().expect("secret 4242424242424242");
    HttpResponse::Ok().body(number.to_string())
}

/// Takes its time before it stores something.
async fn slowly(shelf: Data<Shelf>) -> HttpResponse {
    tokio::time::sleep(Duration::from_millis(300)).await;
    shelf.add(1, "slowly");
    HttpResponse::Ok().finish()
}

/// An error that is not ours, whose text would tell too much.
async fn to_foreign_error() -> Result<HttpResponse, actix_web::Error> {
    Err(actix_web::error::ErrorBadRequest("card 4242424242424242"))
}

pub struct Running {
    pub addr: SocketAddr,
    pub shelf: Data<Shelf>,
    pub lifecycle: Lifecycle,
    stop: Option<oneshot::Sender<()>>,
    pub task: JoinHandle<std::io::Result<()>>,
}

pub fn settings() -> ServerSettings {
    ServerSettings { workers: 1, request_timeout_ms: 2000, ..ServerSettings::default() }
}

pub async fn start() -> Running {
    start_with(settings(), |actuator| actuator).await
}

/// Its tests speak to it as `shop.test`, which is a name for operators too.
pub async fn start_with(
    settings: ServerSettings,
    actuator_with: impl FnOnce(Actuator) -> Actuator,
) -> Running {
    let shelf = Data::new(Shelf::default());
    let routes = configure(shelf.clone());
    start_routes(settings, actuator_with, shelf, routes).await
}

pub async fn start_routes(
    settings: ServerSettings,
    actuator_with: impl FnOnce(Actuator) -> Actuator,
    shelf: Data<Shelf>,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> Running {
    let lifecycle = Lifecycle::new();
    let management =
        ManagementSettings { allowed_hosts: vec!["shop.test".to_owned()], ..ManagementSettings::default() };
    let actuator = Actuator::new("books", lifecycle.clone()).at_server(&management, settings.port);
    let actuator = actuator_with(actuator);
    let server = Server::bind(&settings, actuator, lifecycle.clone(), routes).unwrap();
    let addr = server.addr();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.run(async move {
        let _ = stopped.await;
    }));
    lifecycle.started();
    Running { addr, shelf, lifecycle, stop: Some(stop), task }
}

impl Running {
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Sends bytes on a connection of their own, and reads one answer.
    pub async fn raw(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        read_answer(&mut stream, request.as_ref().starts_with(b"HEAD ")).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        self.raw(request(method, path, headers, body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "").await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, "Content-Type: application/json\r\n", body).await
    }
}

pub fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = if body.is_empty() && method != "POST" {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    format!("{method} {path} HTTP/1.1\r\nHost: shop.test\r\n{headers}{length}\r\n{body}")
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Checks that this is a problem document of the status, consistent in itself.
    #[track_caller]
    pub fn assert_problem(&self, status: u16) -> serde_json::Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], status, "{self:?}");
        assert_eq!(json["type"], "about:blank");
        assert!(json["title"].is_string() && json["detail"].is_string(), "{self:?}");
        if status == 503 {
            assert!(self.header("retry-after").is_some(), "{self:?}");
        }
        if status == 405 {
            assert!(self.header("allow").is_some(), "{self:?}");
        }
        json
    }
}

/// Reads exactly one answer; the connection may stay open.
pub async fn read_answer(stream: &mut TcpStream, of_head: bool) -> Answer {
    tokio::time::timeout(Duration::from_secs(10), async {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            let mut chunk = [0; 4096];
            let read = stream.read(&mut chunk).await.unwrap();
            assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&chunk[..read]);
        };
        let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
        let mut answer = Answer { status: head[9..12].parse().unwrap(), head, body: String::new() };
        let length: usize = match answer.header("content-length") {
            Some(length) if !of_head => length.parse().unwrap(),
            _ => 0,
        };
        let mut body = bytes[head_end + 4..].to_vec();
        while body.len() < length {
            let mut chunk = [0; 4096];
            let read = stream.read(&mut chunk).await.unwrap();
            assert!(read > 0, "closed within the body");
            body.extend_from_slice(&chunk[..read]);
        }
        answer.body = String::from_utf8(body).unwrap();
        answer
    })
    .await
    .expect("an answer in time")
}

/// Polls until the condition holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}: not within 10 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn shared<T>(value: T) -> Arc<T> {
    Arc::new(value)
}
