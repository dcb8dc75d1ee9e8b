//! A resource as its clients see it.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::*;

#[tokio::test]
async fn an_item_is_created_shown_and_deleted() {
    let server = start().await;
    let created = server.post("/books", r#"{"userId":"1","title":"fold","status":"order"}"#).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.header("location"), Some("http://shop.test/books/1"));
    assert_eq!(created.header("content-type"), Some("application/hal+json"));
    let expected = r#"{"id":1,"userId":1,"title":"fold","subtitle":null,"createdAt":"2021-09-07T01:02:03.456+00:00","returnedAt":null,"_links":{"self":{"href":"http://shop.test/books/1"},"book":{"href":"http://shop.test/books/1"}}}"#;
    assert_eq!(created.body, expected);

    let shown = server.get("/books/1").await;
    assert_eq!((shown.status, shown.body.as_str()), (200, expected));
    // With a slash at its end it is the same resource, as it was in the original.
    assert_eq!(server.get("/books/1/").await.body, expected);

    let deleted = server.send("DELETE", "/books/1", "", "").await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    server.send("DELETE", "/books/1", "", "").await.assert_problem(404);
    let gone = server.get("/books/1").await.assert_problem(404);
    assert_eq!(gone["instance"], "/books/1");
}

#[tokio::test]
async fn a_collection_has_the_links_of_its_page() {
    let server = start().await;
    for number in 1..=9 {
        server.shelf.add(number % 2, "fold");
    }
    let page = server.get("/books?page=1&size=2").await;
    assert_eq!(page.header("content-type"), Some("application/hal+json"));
    let json = page.json();
    assert_eq!(json["_embedded"]["books"][0]["id"], 3);
    assert_eq!(json["_embedded"]["books"][1]["_links"]["self"]["href"], "http://shop.test/books/4");
    assert_eq!(
        json["_links"],
        json!({
            "first": {"href": "http://shop.test/books?page=0&size=2"},
            "prev": {"href": "http://shop.test/books?page=0&size=2"},
            "self": {"href": "http://shop.test/books?page=1&size=2"},
            "next": {"href": "http://shop.test/books?page=2&size=2"},
            "last": {"href": "http://shop.test/books?page=4&size=2"},
            "search": {"href": "http://shop.test/books/search"},
        })
    );
    assert_eq!(json["page"], json!({"size": 2, "totalElements": 9, "totalPages": 5, "number": 1}));
    let order: Vec<usize> = ["first", "prev", "self", "next", "last", "search"]
        .iter()
        .map(|relation| page.body.rfind(&format!("\"{relation}\":")).unwrap())
        .collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[tokio::test]
async fn links_exist_only_where_there_is_a_page() {
    let server = start().await;
    let links = |answer: Answer| {
        let json = answer.json();
        let mut names: Vec<String> = json["_links"].as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    let empty = server.get("/books").await;
    assert_eq!(
        empty.body,
        r#"{"_embedded":{"books":[]},"_links":{"self":{"href":"http://shop.test/books?page=0&size=20"},"search":{"href":"http://shop.test/books/search"}},"page":{"size":20,"totalElements":0,"totalPages":0,"number":0}}"#
    );
    assert_eq!(links(server.get("/books?page=7").await), "search self");
    for _ in 0..4 {
        server.shelf.add(1, "fold");
    }
    assert_eq!(links(server.get("/books").await), "search self");
    assert_eq!(links(server.get("/books?size=2").await), "first last next search self");
    assert_eq!(links(server.get("/books?size=2&page=1").await), "first last prev search self");
    let past = server.get("/books?size=2&page=18446744073709551615").await;
    assert_eq!(past.status, 200);
    assert_eq!(past.json()["_embedded"]["books"], json!([]));
    assert_eq!(past.json()["_links"]["prev"]["href"], "http://shop.test/books?page=1&size=2");
}

#[tokio::test]
async fn sort_is_kept_in_the_links() {
    let server = start().await;
    for number in 1..=3 {
        server.shelf.add(number, "fold");
    }
    let json = server.get("/books?size=1&page=1&sort=userId,desc&sort=nonsense&sort=id").await.json();
    assert_eq!(json["_embedded"]["books"][0]["id"], 2);
    assert_eq!(
        json["_links"]["next"]["href"],
        "http://shop.test/books?page=2&size=1&sort=userId,desc&sort=id,asc"
    );
}

#[tokio::test]
async fn nonsense_in_paging_is_read_as_the_default() {
    let server = start().await;
    for query in
        ["page=x", "page=-1&size=-1", "size=0", "size=1e9", "page=%FF%FE", "sort=;drop table", "&&==&"]
    {
        let answer = server.get(&format!("/books?{}", query.replace(' ', "%20"))).await;
        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(answer.json()["page"]["size"], 20, "{query}");
    }
    assert_eq!(server.get("/books?size=5000").await.json()["page"]["size"], 1000);
}

#[tokio::test]
async fn searches_are_linked_and_answer_as_collections() {
    let server = start().await;
    for number in 0..5 {
        server.shelf.add(number % 2, "fold");
    }
    let searches = server.get("/books/search").await;
    assert_eq!(
        searches.body,
        r#"{"_links":{"findByUserId":{"href":"http://shop.test/books/search/findByUserId{?userId,page,size,sort}","templated":true},"self":{"href":"http://shop.test/books/search"}}}"#
    );
    let found = server.get("/books/search/findByUserId?userId=0&size=2&sort=id,desc").await.json();
    assert_eq!(found["page"]["totalElements"], 3);
    assert_eq!(found["_embedded"]["books"][0]["id"], 5);
    assert_eq!(
        found["_links"]["next"]["href"],
        "http://shop.test/books/search/findByUserId?userId=0&page=1&size=2&sort=id,desc"
    );
    assert!(found["_links"].get("search").is_none());
    let refused = server.get("/books/search/findByUserId").await.assert_problem(400);
    assert_eq!(refused["errors"][0]["field"], "userId");
    server.get("/books/search/findByUserId?userId=x").await.assert_problem(400);
    server.get("/books/search/findByNothing").await.assert_problem(404);
    server.post("/books/search", "{}").await.assert_problem(405);
}

#[tokio::test]
async fn the_root_links_to_what_there_is() {
    let server = start().await;
    let root = server.get("/").await;
    assert_eq!(root.header("content-type"), Some("application/hal+json"));
    assert_eq!(
        root.json()["_links"],
        json!({
            "books": {"href": "http://shop.test/books{?page,size,sort}", "templated": true},
            "service-desc": {"href": "http://shop.test/openapi.json", "type": "application/json"},
            "self": {"href": "http://shop.test/"},
        })
    );
    let openapi = server.get("/openapi.json").await;
    assert_eq!((openapi.status, openapi.header("content-type")), (200, Some("application/json")));
    let document: serde_json::Value = serde_json::from_str(&openapi.body).unwrap();
    for path in ["/books", "/books/{id}", "/books/search", "/books/search/findByUserId"] {
        assert!(document["paths"][path]["get"]["responses"]["200"].is_object(), "{path}");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = start().await;
    server.shelf.add(1, "fold");
    for path in ["/books", "/books/1", "/books/search", "/", "/openapi.json", "/actuator/health", "/books/9"]
    {
        let get = server.get(path).await;
        let head = server.send("HEAD", path, "", "").await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        assert_eq!(head.body, "");
    }
}

#[tokio::test]
async fn options_and_other_methods_say_what_is_allowed() {
    let server = start().await;
    for (path, allow) in [
        ("/books", "GET, HEAD, POST, OPTIONS"),
        ("/books/1", "GET, HEAD, DELETE, OPTIONS"),
        ("/books/search", "GET, HEAD, OPTIONS"),
        ("/books/search/findByUserId", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/actuator/health", "GET, HEAD, OPTIONS"),
        ("/actuator/loggers", "GET, HEAD, POST, OPTIONS"),
    ] {
        let options = server.send("OPTIONS", path, "", "").await;
        assert_eq!((options.status, options.header("allow")), (200, Some(allow)), "{path}");
        for method in ["PUT", "PATCH", "TRACE", "BREW"] {
            let refused = server.send(method, path, "", "").await;
            refused.assert_problem(405);
            assert_eq!(refused.header("allow"), Some(allow), "{method} {path}");
        }
    }
    server.send("OPTIONS", "/nothing", "", "").await.assert_problem(404);
}

#[tokio::test]
async fn the_client_chooses_the_label() {
    let server = start().await;
    server.shelf.add(1, "fold");
    for (accept, label) in [
        ("application/json", "application/json"),
        ("application/json, */*;q=0.5", "application/json"),
        ("application/hal+json", "application/hal+json"),
        ("text/html, */*;q=0.1", "application/hal+json"),
    ] {
        let answer = server.send("GET", "/books/1", &format!("Accept: {accept}\r\n"), "").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(label)), "{accept}");
    }
    server.send("GET", "/books", "Accept: text/html\r\n", "").await.assert_problem(406);
    let headers = "Accept: text/csv\r\nContent-Type: application/json\r\n";
    server.send("POST", "/books", headers, r#"{"userId":1,"title":"t"}"#).await.assert_problem(406);
    assert_eq!(server.shelf.len(), 1, "nothing was stored by what could not be answered");
}

#[tokio::test]
async fn links_lead_to_where_the_client_came_from() {
    let server = start().await;
    server.shelf.add(1, "fold");
    let headers =
        "X-Forwarded-Proto: https\r\nX-Forwarded-Host: preorder.example\r\nX-Forwarded-Port: 8443\r\n";
    let json = server.send("GET", "/books/1", headers, "").await.json();
    assert_eq!(json["_links"]["self"]["href"], "https://preorder.example:8443/books/1");
    let evil = "X-Forwarded-Host: a\"},{\"b\r\n";
    let json = server.send("GET", "/books/1", evil, "").await.json();
    assert_eq!(json["_links"]["self"]["href"], "http://shop.test/books/1");
    let without_host = server.raw("GET /books/1 HTTP/1.0\r\n\r\n").await.json();
    assert_eq!(without_host["_links"]["self"]["href"], format!("http://{}/books/1", server.addr));
}

#[tokio::test]
async fn a_request_id_is_carried_or_made() {
    let server = start().await;
    let carried = server.send("GET", "/books", "X-Request-Id: abc-1\r\n", "").await;
    assert_eq!(carried.header("x-request-id"), Some("abc-1"));
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    let made = server.send("GET", "/nothing", trace, "").await;
    assert_eq!(made.header("x-request-id"), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    let long = format!("X-Request-Id: {}\r\n", "x".repeat(500));
    let replaced = server.send("GET", "/books", &long, "").await;
    assert_eq!(replaced.header("x-request-id").unwrap().len(), 32);
}

#[tokio::test]
async fn a_handler_works_within_the_trace_of_its_request() {
    let server = start().await;
    let headers =
        "X-Request-Id: r-1\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    for path in ["/context", "/context/task"] {
        let seen = server.send("GET", path, headers, "").await.body;
        assert!(seen.starts_with("books r-1 00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{seen}");
        assert!(!seen.contains("00f067aa0ba902b7"), "a span of its own: {seen}");
    }
}

#[tokio::test]
async fn an_item_has_parts() {
    let server = start().await;
    assert_eq!(server.get("/books/7/pages").await.body, "pages of 7");
    assert_eq!(server.get("/books/%37/pages/").await.body, "pages of 7");
    server.get("/books/x/pages").await.assert_problem(400);
    server.get("/books/7/nothing").await.assert_problem(404);
    assert_eq!(server.post("/books/7/pages", "{}").await.header("allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(server.get("/old/7/pages").await.body, "7", "routes of actix-web's own work as well");
}

#[tokio::test]
async fn a_client_not_written_here_gets_along() {
    let server = start().await;
    let client = reqwest::Client::new();
    let url = format!("http://{}/books", server.addr);
    let created = client.post(&url).json(&json!({"userId": 1, "title": "fold"})).send().await.unwrap();
    assert_eq!(created.status(), 201);
    let location = created.headers()["location"].to_str().unwrap().to_owned();
    let book: serde_json::Value = client.get(location).send().await.unwrap().json().await.unwrap();
    assert_eq!(book["title"], "fold");
}

/// HeliosSoftware/hfs#312: DELETE ignored If-Match (RFC 9110 section 13.1.1: MUST NOT perform).
#[tokio::test]
async fn a_write_that_demands_another_version_is_412() {
    let server = start().await;
    assert_eq!(server.post("/books", r#"{"userId":1,"title":"fold"}"#).await.header("etag"), Some("\"3\""));
    for (condition, status) in [
        ("If-Match: \"no-such-version\"", 412),
        ("If-Match: \"1\", \"2\"", 412),
        ("If-Match: W/\"3\"", 412),
        ("If-None-Match: *", 412),
        ("If-Match: 3", 400),
        ("If-Match: \"2\"\r\nIf-Match: \"1\"", 412),
    ] {
        server.send("DELETE", "/books/1", &format!("{condition}\r\n"), "").await.assert_problem(status);
        assert_eq!(server.get("/books/1").await.status, 200, "{condition}");
    }
    assert_eq!(server.send("DELETE", "/books/1", "If-Match: \"2\", \"3\"\r\n", "").await.status, 204);
    server.send("DELETE", "/books/1", "If-Match: *\r\n", "").await.assert_problem(404);
    server.shelf.add(1, "fold");
    assert_eq!(server.send("DELETE", "/books/2", "If-Match: *\r\n", "").await.status, 204);
}

#[tokio::test]
async fn who_has_the_item_already_is_told_so() {
    let server = start().await;
    server.shelf.add(1, "fold");
    server.shelf.add(2, "flip");
    for (method, condition, status) in [
        ("GET", "If-None-Match: \"3\"", 304),
        ("HEAD", "If-None-Match: \"3\"", 304),
        ("GET", "If-None-Match: \"1\", W/\"3\"", 304),
        ("GET", "If-None-Match: *", 304),
        ("GET", "If-None-Match: \"x\"\r\nRange: bytes=0-9", 200),
        ("GET", "If-None-Match: 3", 200),
        ("GET", "If-Match: \"3\"", 200),
        ("GET", "If-Match: \"1\"", 412),
        ("GET", "If-Match: \"3\"\r\nIf-None-Match: \"3\"", 304),
    ] {
        let answer = server.send(method, "/books/1", &format!("{condition}\r\n"), "").await;
        assert_eq!(answer.status, status, "{condition}");
        if status == 304 {
            assert_eq!((answer.header("etag"), answer.body.as_str()), (Some("\"3\""), ""), "{condition}");
        }
    }
    server.send("GET", "/books/1", "If-Match: \"1\"\r\n", "").await.assert_problem(412);
    // What has no version has no tag.
    let answer = server.send("GET", "/books/2", "If-None-Match: *\r\n", "").await;
    assert_eq!((answer.status, answer.header("etag")), (200, None));
}

/// Answers, refusals, what actix-http answers by itself, and the actuator.
#[tokio::test]
async fn every_answer_protects_those_who_open_it_in_a_browser() {
    let server = start().await;
    server.shelf.add(1, "<script>");
    let mut answers = vec![server.raw("GET / HTTP/1.1\r\nHost: a\r\nbroken\r\n\r\n").await];
    for path in
        ["/books/1", "/books", "/", "/openapi.json", "/nothing", "/books/x", "/panic", "/actuator/health"]
    {
        answers.push(server.get(path).await);
    }
    answers.push(server.send("DELETE", "/books/1", "", "").await);
    for answer in answers {
        for (name, value) in http_common::protective::FIELDS {
            assert_eq!(answer.header(name), Some(value), "{answer:?}");
        }
    }
}

/// Also one that was added after the collection: its last part is no id.
#[tokio::test]
async fn a_command_has_a_path_of_its_own() {
    let server = start().await;
    let answer = |answer: Answer| (answer.status, answer.body);
    assert_eq!(answer(server.post("/books/lend", "").await), (200, "lent".to_owned()));
    assert_eq!(answer(server.get("/books/lend").await), (200, "to lend".to_owned()));
    assert_eq!(answer(server.send("PUT", "/books/7/title", "", "").await), (200, "title of 7".to_owned()));
    let refused = server.send("DELETE", "/books/lend", "", "").await;
    refused.assert_problem(405);
    assert_eq!(refused.header("allow"), Some("POST, GET, HEAD, OPTIONS"));
    server.get("/books/7/title").await.assert_problem(405);
    server.get("/books/returned").await.assert_problem(400);
    server.get("/books/7").await.assert_problem(404);
}
