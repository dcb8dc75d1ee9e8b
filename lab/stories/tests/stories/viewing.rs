//! The view: complete, and, for who asks, never older than the asker's own write.

use std::sync::Arc;

use stories::customer::{Customer, Reservation, statuses};
use stories::http::send;
use stories::system::System;

const TOKEN: &str = "X-Min-Version";

/// The token of a write, shown to the view, makes it wait: no polling needed.
pub(crate) async fn read_your_writes(system: Arc<System>) {
    let gateway = system.gateway();
    for _ in 0..5 {
        let reserved = gateway.post("/preReservations", &Customer::new().order()).await.expect(201);
        let id = Reservation::of(&reserved).id;
        let token = reserved.header(TOKEN).expect("the write names itself").to_owned();
        assert_eq!(token, format!("{id}.1"));
        let path = format!("/myReservations/{id}");
        let seen = send(gateway.request("GET", &path).header(TOKEN, &token)).await.expect(200).json();
        assert_eq!(statuses(&seen)[0], "reservated", "{seen}");

        let cancelled = gateway.delete(&format!("/preReservations/{id}")).await.expect(204);
        let token = cancelled.header(TOKEN).expect("the write names itself").to_owned();
        assert_eq!(token, format!("{id}.2"));
        let seen = send(gateway.request("GET", &path).header(TOKEN, &token)).await.expect(200).json();
        assert_eq!(statuses(&seen)[0], "reservation_cancelled", "{seen}");
        let list = "/myReservations?size=1000&sort=id,desc";
        let seen = send(gateway.request("GET", list).header(TOKEN, &token)).await.expect(200).json();
        let listed = seen["_embedded"]["myReservations"].as_array().unwrap();
        assert!(listed.iter().any(|view| view["id"] == id), "{id} is in the list");
    }
}
