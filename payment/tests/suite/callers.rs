//! Only prereservation charges.

use reqwest::RequestBuilder;

use crate::support::app::{App, body};
use crate::support::backend::on_each;

const TOKEN: &str = "the-token-in-use-0000";
const NEXT: &str = "the-token-to-come-1111";

#[tokio::test]
async fn a_stranger_charges_nobody() {
    on_each(async |backend| {
        let app = App::start_with(backend, |settings| {
            settings.own.internal.token = format!("{TOKEN},{NEXT}").into();
        })
        .await;
        let post = || app.http.post(app.url("/payments")).json(&body(7));
        let with = |token: &str| post().header("X-Internal-Token", token);
        let malformed =
            || app.http.post(app.url("/payments")).header("content-type", "application/json").body("{");
        let strangers: [RequestBuilder; 7] = [
            post(),
            with(""),
            with(&TOKEN[1..]),
            with(&format!("{TOKEN},{NEXT}")),
            with(&TOKEN.to_uppercase()),
            // Which one would count?
            with(TOKEN).header("X-Internal-Token", "another-token-0123"),
            // Refused before it is read.
            malformed(),
        ];
        for (number, request) in strangers.into_iter().enumerate() {
            let answer = app.send(request).await;
            assert_eq!(answer.status, 403, "{number}: {}", answer.text);
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert!(!answer.text.contains(TOKEN) && !answer.text.contains(NEXT));
        }
        assert_eq!(app.get("/payments").await.json()["page"]["totalElements"], 0);
        assert_eq!(app.ledger().await, (0, 0));

        for token in [TOKEN, NEXT] {
            let answer = app.send(with(token)).await;
            assert_eq!(answer.status, 201, "{}", answer.text);
        }
        assert_eq!(app.get("/payments").await.status, 200, "everybody may look");
        app.stop().await;
    })
    .await;
}
