//! Slows down those who guess passwords, or sign up by the thousand.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use hkdf::Hkdf;
use sha2::Sha256;
use storage::{StoreError, now_ms};

use super::ports::AttemptStore;
use crate::domain::{Counted, Email, Limit};

pub struct Throttle {
    pub store: Arc<dyn AttemptStore>,
    /// Of the hashes that stand for addresses and clients: without it nobody can find out whose they are.
    pub key: [u8; 32],
    pub failures_per_address: Limit,
    pub failures_per_client: Limit,
    pub sign_ups_per_client: Limit,
}

/// Where a request comes from. `None`: unknown, and counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(pub Option<IpAddr>);

/// The limit is reached; seconds to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub u64);

impl Throttle {
    /// # Errors
    /// The store's.
    pub async fn sign_in(&self, email: &Email, client: Client) -> Result<Option<Wait>, StoreError> {
        let by_address = self.wait(&self.address(email), self.failures_per_address).await?;
        let by_client = self.wait(&self.client(client), self.failures_per_client).await?;
        Ok(by_address.max(by_client).map(Wait))
    }

    /// # Errors
    /// The store's.
    pub async fn failed(&self, email: &Email, client: Client) -> Result<(), StoreError> {
        self.count(&self.address(email), self.failures_per_address).await?;
        self.count(&self.client(client), self.failures_per_client).await.map(drop)
    }

    /// Who knows the password may forget that he mistyped it. The client keeps its failures: it may guess other addresses.
    ///
    /// # Errors
    /// The store's.
    pub async fn succeeded(&self, email: &Email) -> Result<(), StoreError> {
        self.store.forget(&self.address(email)).await
    }

    /// # Errors
    /// The store's.
    pub async fn sign_up(&self, client: Client) -> Result<Option<Wait>, StoreError> {
        let subject = self.new_user(client);
        let limit = self.sign_ups_per_client;
        // Who has to wait anyway costs no write.
        if let Some(wait) = self.wait(&subject, limit).await? {
            return Ok(Some(Wait(wait)));
        }
        // Of those who come at once, all may have come so far. The number decides.
        let Counted { n, began_at } = self.count(&subject, limit).await?;
        Ok(limit.wait(Counted { n: n - 1, began_at }, now_ms()).map(Wait))
    }

    /// Drops windows that are over.
    ///
    /// # Errors
    /// The store's.
    pub async fn purge(&self) -> Result<(), StoreError> {
        let limits = [self.failures_per_address, self.failures_per_client, self.sign_ups_per_client];
        let longest = limits.iter().map(|limit| limit.window_ms).max().unwrap_or_default();
        self.store.purge(now_ms() - longest).await
    }

    async fn wait(&self, subject: &str, limit: Limit) -> Result<Option<u64>, StoreError> {
        Ok(self.store.counted(subject).await?.and_then(|counted| limit.wait(counted, now_ms())))
    }

    async fn count(&self, subject: &str, limit: Limit) -> Result<Counted, StoreError> {
        let now = now_ms();
        self.store.count(subject, now, now - limit.window_ms).await
    }

    fn address(&self, email: &Email) -> String {
        self.subject("address", email.as_str())
    }

    fn client(&self, client: Client) -> String {
        self.subject("client", &network(client))
    }

    fn new_user(&self, client: Client) -> String {
        self.subject("sign-up", &network(client))
    }

    fn subject(&self, kind: &str, name: &str) -> String {
        let mut hash = [0; 16];
        let keyed = Hkdf::<Sha256>::from_prk(&self.key).expect("a hash is as long as a key has to be");
        let expanded = keyed.expand_multi_info(&[kind.as_bytes(), b":", name.as_bytes()], &mut hash);
        expanded.expect("16 bytes are fewer than HKDF can give");
        let mut subject = format!("{kind}:");
        for byte in hash {
            // Writing to a String cannot fail.
            let _ = write!(subject, "{byte:02x}");
        }
        subject
    }
}

/// One customer of an IPv6 provider has at least a /64, and could fail from another address each time.
fn network(Client(client): Client) -> String {
    match client.map(|address| address.to_canonical()) {
        None => String::new(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_client_is_a_network() {
        let of = |text: &str| network(Client(Some(text.parse().unwrap())));
        assert_eq!(of("192.0.2.1"), "192.0.2.1");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }
}
