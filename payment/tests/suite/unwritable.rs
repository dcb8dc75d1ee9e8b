//! What cannot be written is nobody's defect: 503, health says so, probes do not, and all goes on by itself.

use crate::support::app::{App, body, until};
use crate::support::backend::on_each;

#[tokio::test]
async fn what_cannot_be_written_is_503_and_down_and_comes_back() {
    on_each(async |backend| {
        let app = App::start(backend).await;
        assert_eq!(app.post(&body(1)).await.status, 201);
        let books: [(&str, &str, &[&str]); 2] =
            [("payment", "db", &["payment", "outbox", "lease"]), ("ledger", "provider", &["ledger_entry"])];
        for (number, (database, component, tables)) in (1_i64..).zip(books) {
            backend.break_writes(database, tables).await;
            let path = format!("/actuator/health/{component}");
            until("health is down", async || {
                let refused = app.post(&body(number * 10)).await;
                assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{}", refused.text);
                app.get(&path).await.status == 503
            })
            .await;
            // Whoever does not write is served, and nobody is restarted or taken off.
            for well in
                ["/payments", "/payments/1", "/actuator/health/readiness", "/actuator/health/liveness"]
            {
                assert_eq!(app.get(well).await.status, 200, "{well}");
            }
            let down = app.get("/actuator/health").await;
            assert_eq!((down.status, &down.json()["components"][component]["status"]), (503, &"DOWN".into()));

            backend.mend_writes(database).await;
            until("health is up", async || app.get("/actuator/health").await.status == 200).await;
            assert_eq!(app.post(&body(number * 10 + 1)).await.status, 201);
        }
        app.stop().await;
    })
    .await;
}
