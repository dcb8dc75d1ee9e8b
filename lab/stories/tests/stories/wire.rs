//! WIRE.md sections 1 and 5, row by row, for all four resources, through the gateway and past it.

use std::sync::Arc;

use harness::Service;
use serde_json::{Value, json};
use stories::customer::{Complete, Customer, millis};
use stories::http::{Http, send};
use stories::system::System;

/// Reservations of the customer whose collections are looked at.
const COUNT: usize = 5;
const HAL: &str = "application/hal+json";

const RESERVATION: &[&str] = &[
    "id",
    "userId",
    "userAddress",
    "productId",
    "productName",
    "price",
    "cardNo",
    "status",
    "createdAt",
    "modifiedAt",
];
const PAYMENT: &[&str] = &[
    "id",
    "preReservationId",
    "userId",
    "productId",
    "productName",
    "price",
    "cardNo",
    "status",
    "createdAt",
    "modifiedAt",
];
const RECEIPT: &[&str] = &[
    "id",
    "preReservationId",
    "paymentId",
    "userId",
    "productId",
    "productName",
    "price",
    "expectedDeliveryAt",
    "status",
    "createdAt",
    "modifiedAt",
];
/// The union, its facets, their ids and dates, and why it was cancelled; more may come.
const VIEW: &[&str] = &[
    "id",
    "userId",
    "userAddress",
    "productId",
    "productName",
    "price",
    "cardNo",
    "status",
    "createdAt",
    "modifiedAt",
    "reservationStatus",
    "paymentStatus",
    "receiptStatus",
    "paymentId",
    "receiptId",
    "expectedDeliveryAt",
    "paymentCreatedAt",
    "receiptCreatedAt",
    "cancelReason",
];

/// A resource, seen from one side.
struct Seen {
    http: Http,
    is_from_outside: bool,
    service: Service,
    collection: &'static str,
    item: &'static str,
    fields: &'static [&'static str],
    user: i64,
    ids: Vec<i64>,
}

pub(crate) async fn resources(system: Arc<System>) {
    let customer = Customer::new();
    let mut all: Vec<Complete> = Vec::new();
    for _ in 0..COUNT {
        all.push(customer.reserve_all(&system).await);
    }
    for (service, item, fields) in [
        (Service::Prereservation, "preReservation", RESERVATION),
        (Service::Payment, "payment", PAYMENT),
        (Service::Receipt, "receipt", RECEIPT),
        (Service::Myreservation, "myReservation", VIEW),
    ] {
        let id = |complete: &Complete| match service {
            Service::Payment => complete.payment["id"].as_i64().unwrap(),
            Service::Receipt => complete.receipt["id"].as_i64().unwrap(),
            _ => complete.id,
        };
        for (http, is_from_outside) in [(system.gateway(), true), (system.service(service), false)] {
            let ids = all.iter().map(id).collect();
            let user = customer.user_id;
            let seen = Seen {
                http,
                is_from_outside,
                service,
                collection: service.collection(),
                item,
                fields,
                user,
                ids,
            };
            seen.items().await;
            seen.pages().await;
            seen.orders().await;
            seen.nonsense().await;
            seen.methods().await;
            seen.media_types().await;
            seen.searches().await;
        }
        root(&system, service).await;
        forwarded(&system, service, id(&all[0])).await;
    }
}

impl Seen {
    fn search(&self, query: &str) -> String {
        format!("/{}/search/findByUserId?userId={}{query}", self.collection, self.user)
    }

    fn origin(&self) -> String {
        self.http.origin()
    }

    fn embedded<'a>(&self, page: &'a Value) -> &'a Vec<Value> {
        page["_embedded"][self.collection]
            .as_array()
            .unwrap_or_else(|| panic!("no {} in {page}", self.collection))
    }

    async fn page(&self, path: &str) -> Value {
        self.http.get(path).await.expect(200).json()
    }

    async fn items(&self) {
        let path = format!("/{}/{}", self.collection, self.ids[0]);
        let answer = self.http.get(&path).await.expect(200);
        assert_eq!(answer.content_type(), HAL);
        let item = answer.json();
        assert_eq!(item["id"], self.ids[0], "the id is in the body");
        for field in self.fields {
            assert!(item.get(field).is_some(), "{field} is not in {item}; nulls are rendered");
        }
        if self.service != Service::Myreservation {
            let mut found: Vec<&str> = item.as_object().unwrap().keys().map(String::as_str).collect();
            found.retain(|name| *name != "_links");
            let mut wanted = self.fields.to_vec();
            found.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(found, wanted, "nothing but the fields of the page");
        }
        for date in ["createdAt", "modifiedAt"] {
            let text = item[date].as_str().unwrap();
            assert!(text.len() == 29 && text.ends_with("+00:00") && &text[10..11] == "T", "{date}: {text}");
            assert!(millis(&item[date]) > 1_600_000_000_000);
        }
        let href = format!("{}{path}", self.origin());
        assert_eq!(item["_links"], json!({"self": {"href": href}, self.item: {"href": href}}));
        for (path, status) in [
            (format!("/{}/999999999", self.collection), 404),
            (format!("/{}/0", self.collection), 404),
            (format!("/{}/99999999999999999999999", self.collection), 404),
            (format!("/{}/abc", self.collection), 400),
            (format!("/{}/{}/more", self.collection, self.ids[0]), 404),
        ] {
            let problem = self.http.get(&path).await.problem(status);
            assert_eq!(problem["instance"], path);
        }
    }

    async fn pages(&self) {
        let first = self.page(&self.search("&size=2&sort=id,desc")).await;
        assert_eq!(first["page"], json!({"size": 2, "totalElements": COUNT, "totalPages": 3, "number": 0}));
        self.links(&first, &["first", "self", "next", "last"]);
        let middle = self.page(first["_links"]["next"]["href"].as_str().unwrap()).await;
        assert_eq!(middle["page"]["number"], 1);
        self.links(&middle, &["first", "prev", "self", "next", "last"]);
        let last = self.page(middle["_links"]["last"]["href"].as_str().unwrap()).await;
        assert_eq!(last["page"]["number"], 2);
        self.links(&last, &["first", "prev", "self", "last"]);
        let mut walked = Vec::new();
        for page in [&first, &middle, &last] {
            for link in page["_links"].as_object().unwrap().values() {
                let href = link["href"].as_str().unwrap();
                assert!(href.starts_with(&self.origin()), "{href}");
                assert!(
                    href.contains("sort=id,desc") && href.contains("size=2"),
                    "links keep size and sort: {href}"
                );
            }
            walked.extend(self.embedded(page).iter().map(|item| item["id"].as_i64().unwrap()));
        }
        walked.reverse();
        assert_eq!(walked, self.ids, "the links lead over all of them, once");

        let one = self.page(&self.search("")).await;
        assert_eq!(one["page"], json!({"size": 20, "totalElements": COUNT, "totalPages": 1, "number": 0}));
        self.links(&one, &["self"]);
        let past = self.page(&self.search("&page=99&size=2")).await;
        assert_eq!(self.embedded(&past).len(), 0, "a page past the end is empty");
        assert_eq!(past["page"]["totalElements"], COUNT);
        let none = self.page(&format!("/{}/search/findByUserId?userId=987654321", self.collection)).await;
        assert_eq!(none["page"], json!({"size": 20, "totalElements": 0, "totalPages": 0, "number": 0}));
        assert_eq!(self.embedded(&none).len(), 0);

        let whole = self.page(&format!("/{}?size=1", self.collection)).await;
        assert_eq!(self.embedded(&whole).len(), 1);
        assert!(whole["page"]["totalElements"].as_i64().unwrap() >= COUNT as i64);
        assert_eq!(
            whole["_links"]["search"]["href"],
            format!("{}/{}/search", self.origin(), self.collection)
        );
    }

    #[track_caller]
    fn links(&self, page: &Value, wanted: &[&str]) {
        let mut found: Vec<&str> = page["_links"].as_object().unwrap().keys().map(String::as_str).collect();
        found.retain(|name| *name != "search");
        found.sort_unstable();
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{}", page["_links"]);
    }

    async fn orders(&self) {
        for (sort, descending) in [
            ("id", false),
            ("id,asc", false),
            ("id,desc", true),
            ("id,desc,ignorecase", true),
            ("createdAt,desc", true),
            ("createdAt", false),
        ] {
            let page = self.page(&self.search(&format!("&sort={sort}"))).await;
            let mut ids: Vec<i64> =
                self.embedded(&page).iter().map(|item| item["id"].as_i64().unwrap()).collect();
            if descending {
                ids.reverse();
            }
            assert_eq!(ids, self.ids, "{} by {sort}", self.collection);
        }
        let page = self.page(&format!("/{}?sort=price,desc&size=1000", self.collection)).await;
        let prices: Vec<i64> =
            self.embedded(&page).iter().map(|item| item["price"].as_i64().unwrap()).collect();
        assert!(prices.is_sorted_by(|one, next| one >= next), "{prices:?}");
    }

    async fn nonsense(&self) {
        for (query, size, number) in [
            ("?page=-1&size=-1", 20, 0),
            ("?page=abc&size=abc", 20, 0),
            ("?page=1e3&size=0", 20, 0),
            ("?page=&size=", 20, 0),
            ("?size=5000", 1000, 0),
            ("?size=99999999999999999999999", 20, 0),
            ("?sort=nobody,desc", 20, 0),
            ("?sort=,,,", 20, 0),
            ("?sort=id;DROP%20TABLE%20payment", 20, 0),
            ("?nothing=1&&&=", 20, 0),
        ] {
            let page = self.page(&format!("/{}{query}", self.collection)).await;
            assert_eq!(
                (&page["page"]["size"], &page["page"]["number"]),
                (&json!(size), &json!(number)),
                "{query}"
            );
        }
        let far = self.page(&format!("/{}?page=18446744073709551615&size=1000", self.collection)).await;
        assert_eq!(self.embedded(&far).len(), 0);
    }

    async fn methods(&self) {
        let item = format!("/{}/{}", self.collection, self.ids[0]);
        for path in [format!("/{}", self.collection), item.clone(), self.search("")] {
            let got = self.http.get(&path).await.expect(200);
            let head = send(self.http.request("HEAD", &path)).await.expect(200);
            assert_eq!(head.body, b"", "HEAD {path}");
            assert_eq!(head.content_type(), got.content_type());
        }
        let deletes = self.service == Service::Prereservation;
        // From outside nobody pays.
        let creates = match self.service {
            Service::Payment => !self.is_from_outside,
            service => service == Service::Prereservation,
        };
        for (path, allowed) in [
            (
                format!("/{}", self.collection),
                [&["GET", "HEAD", "OPTIONS"][..], if creates { &["POST"] } else { &[] }],
            ),
            (item, [&["GET", "HEAD", "OPTIONS"][..], if deletes { &["DELETE"] } else { &[] }]),
        ] {
            let mut allowed = allowed.concat();
            allowed.sort_unstable();
            let answer = send(self.http.request("OPTIONS", &path)).await.expect(200);
            assert_eq!(methods_in(answer.header("allow")), allowed, "OPTIONS {path}");
            for method in ["PUT", "PATCH", "POST", "DELETE"] {
                if !allowed.contains(&method) {
                    let answer = send(self.http.request(method, &path).json(&json!({}))).await;
                    answer.problem(405);
                    assert_eq!(methods_in(answer.header("allow")), allowed, "{method} {path}");
                }
            }
        }
    }

    async fn media_types(&self) {
        let path = format!("/{}/{}", self.collection, self.ids[0]);
        let hal = self.http.get(&path).await.expect(200);
        for (accept, content_type) in [
            ("*/*", HAL),
            ("application/*", HAL),
            ("application/hal+json", HAL),
            ("application/json", "application/json"),
            ("text/html, application/json;q=0.9", "application/json"),
        ] {
            let answer = send(self.http.request("GET", &path).header("Accept", accept)).await.expect(200);
            assert_eq!(answer.content_type(), content_type, "{accept}");
            assert_eq!(answer.body, hal.body, "the same body, another label");
        }
        for accept in ["text/html", "application/xml, image/*"] {
            send(self.http.request("GET", &path).header("Accept", accept)).await.problem(406);
        }
    }

    async fn searches(&self) {
        let found = self.page(&format!("/{}/search", self.collection)).await;
        let link = &found["_links"]["findByUserId"];
        assert_eq!(link["templated"], true, "{found}");
        let href = link["href"].as_str().unwrap();
        assert!(href.starts_with(&format!(
            "{}/{}/search/findByUserId{{?userId",
            self.origin(),
            self.collection
        )));
        for query in ["", "?userId=", "?userId=abc"] {
            self.http.get(&format!("/{}/search/findByUserId{query}", self.collection)).await.problem(400);
        }
        self.http.get(&format!("/{}/search/findByNobody", self.collection)).await.problem(404);
    }
}

fn methods_in(allow: Option<&str>) -> Vec<&str> {
    let mut methods: Vec<&str> = allow.unwrap_or_default().split(',').map(str::trim).collect();
    methods.sort_unstable();
    methods
}

/// `GET /` and what describes the service.
async fn root(system: &System, service: Service) {
    let http = system.service(service);
    let root = http.get("/").await.expect(200);
    assert_eq!(root.content_type(), HAL);
    let links = root.json()["_links"].clone();
    let collection = service.collection();
    assert_eq!(
        links[collection],
        json!({"href": format!("{}/{collection}{{?page,size,sort}}", http.origin()), "templated": true})
    );
    let described = links.as_object().unwrap().values().filter_map(|link| link["href"].as_str());
    let openapi =
        described.into_iter().find(|href| href.ends_with("/openapi.json")).expect("the description");
    let document = http.get(openapi).await.expect(200).json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    assert!(document["paths"][format!("/{collection}")]["get"].is_object());
    http.get("/nothing").await.problem(404);
}

/// Past the gateway, links take the authority that a proxy in front names.
async fn forwarded(system: &System, service: Service, id: i64) {
    let path = format!("/{}/{id}", service.collection());
    let http = system.service(service);
    for (proto, host, port, origin) in [
        ("https", "shop.example", "443", "https://shop.example"),
        ("https", "shop.example", "8443", "https://shop.example:8443"),
        ("http", "shop.example", "8088", "http://shop.example:8088"),
    ] {
        let request = http
            .request("GET", &path)
            .header("X-Forwarded-Proto", proto)
            .header("X-Forwarded-Host", host)
            .header("X-Forwarded-Port", port);
        let item = send(request).await.expect(200).json();
        assert_eq!(item["_links"]["self"]["href"], format!("{origin}{path}"));
    }
}
