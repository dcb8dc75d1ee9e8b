//! The requests of customers, and the ids that they got.

use std::sync::{Arc, Mutex};

use crate::closed_loop::{Requests, Watch};
use harness::http;

pub const COLLECTION: &str = "/preReservations";
pub const VIEW: &str = "/myReservations";
pub const PAGE_OF_20: &str = "/myReservations?size=20";
/// So many users share the reservations: a search for one finds its share.
pub const USERS: u64 = 1000;

/// `POST /preReservations`, as httpie sends the sample of the README.
pub fn reserve() -> Requests {
    Arc::new(|number, request| {
        let body = format!(
            "{{\"userId\":\"{}\",\"userAddress\":\"seoul\",\"productId\":\"1\",\"productName\":\"fold\",\
             \"price\":\"{}\",\"cardNo\":\"1234-1234-1234-1234\",\"status\":\"order\"}}",
            1 + number % USERS,
            1_000_000 + number % 500_000,
        );
        http::with_body(request, "POST", COLLECTION, "", body.as_bytes());
    })
}

/// The same `GET` again and again.
pub fn get(path: &str) -> Requests {
    let mut prepared = Vec::new();
    http::get(&mut prepared, path);
    Arc::new(move |_, request| request.extend_from_slice(&prepared))
}

/// Remembers the ids of the reservations that were made.
#[derive(Clone, Default)]
pub struct Ids(Arc<Mutex<Vec<i64>>>);

impl Ids {
    pub fn of(ids: Vec<i64>) -> Self {
        Self(Arc::new(Mutex::new(ids)))
    }

    pub fn watch(&self) -> Watch {
        let ids = self.clone();
        Arc::new(move |answer| {
            if answer.status == 201
                && let Some(id) = id_of(&answer.body)
            {
                ids.all().push(id);
            }
        })
    }

    pub fn len(&self) -> u64 {
        self.all().len() as u64
    }

    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// The last of them: what settles last.
    pub fn last(&self, n: usize) -> Vec<i64> {
        let ids = self.all();
        ids[ids.len().saturating_sub(n)..].to_vec()
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<i64>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// `"id":123` without parsing the whole item.
pub fn id_of(body: &[u8]) -> Option<i64> {
    let text = str::from_utf8(body).ok()?;
    let rest = text[text.find("\"id\":")? + 5..].trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found() {
        assert_eq!(id_of(br#"{"id":17,"userId":1}"#), Some(17));
        assert_eq!(id_of(br#"{"id": 8}"#), Some(8));
        assert_eq!(id_of(b"{}"), None);
    }

    #[test]
    fn a_request_is_whole() {
        let mut request = Vec::new();
        reserve()(3, &mut request);
        let text = String::from_utf8_lossy(&request);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        assert!(head.starts_with("POST /preReservations HTTP/1.1\r\n"));
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
