//! Guests: they sign up, look at their own lists, are banned, and go on asking.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::http;
use serde_json::json;

use crate::accounts::{Accounts, Session, refresh, send, sign_in_answer, sign_up, status_of};
use crate::customers::Shop;

pub(crate) const GUESTS: usize = 2;
/// After it nobody banned may get in, whatever is broken meanwhile.
pub const BOUND: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(100);
const LISTS: [&str; 4] = ["/preReservations", "/payments", "/receipts", "/myReservations"];

/// So many have come.
static COME: AtomicUsize = AtomicUsize::new(0);

/// Signs up, is banned, is kept out; again and again until the shop closes.
pub(crate) async fn be_a_guest(shop: Arc<Shop>) {
    let Some(accounts) = &shop.accounts else { return };
    while !shop.is_done() {
        let number = COME.fetch_add(1, Ordering::Relaxed);
        let gateway = accounts.gateways[number % accounts.gateways.len()];
        let email = format!("guest{number}@example.com");
        let Some(guest) = sign_up(gateway, &email).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        be_banned(&shop, accounts, gateway, &guest).await;
    }
}

async fn be_banned(shop: &Shop, accounts: &Accounts, gateway: SocketAddr, guest: &Session) {
    for list in LISTS {
        if let Some(status @ (401 | 403)) = status_of(gateway, list, &guest.token).await {
            shop.book.odd(None, None, format!("{list} was answered {status} to a guest who is not banned"));
        }
    }
    let path = format!("/users/{}/ban", guest.user);
    let body = json!({ "reason": "a guest" }).to_string();
    let mut tries = 0;
    let banned_at = loop {
        let mut request = Vec::new();
        http::with_body(&mut request, "POST", &path, &accounts.admin().await, body.as_bytes());
        match send(gateway, &request).await {
            Some(answer) if answer.status == 204 => break Instant::now(),
            Some(answer) if answer.status < 500 => {
                return shop.book.odd(None, None, format!("{path} was answered {}", answer.status));
            }
            _ if tries == 100 => return,
            _ => tries += 1,
        }
        tokio::time::sleep(PAUSE).await;
    };
    let mut let_in = Duration::ZERO;
    // Until each list has refused him twice: once might be another replica.
    for round in 0.. {
        let mut refused = 0;
        for list in LISTS {
            match status_of(gateway, list, &guest.token).await {
                Some(200..=299) => {
                    let_in = banned_at.elapsed();
                    if let_in > BOUND {
                        return shop.book.odd(
                            None,
                            None,
                            format!("{list} let a banned guest in after {let_in:?}"),
                        );
                    }
                }
                Some(401) => refused += 1,
                // Broken, or away.
                _ => {}
            }
        }
        if refused == LISTS.len() && round > 0 || shop.is_done() && banned_at.elapsed() > BOUND {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    for (what, answer) in [
        ("refresh", refresh(gateway, &guest.refresh).await),
        ("sign-in", sign_in_answer(gateway, &guest.email, &guest.password).await),
    ] {
        if let Some(answer) = answer.filter(|answer| (200..300).contains(&answer.status)) {
            shop.book.odd(None, None, format!("{what} of a banned guest was answered {}", answer.status));
        }
    }
    shop.book.pages().bans.push(let_in);
}
