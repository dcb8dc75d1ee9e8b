//! Requests whose bodies are still on their way.
//!
//! A client may send as slowly as `server.body_timeout_ms` allows. The gateway reads a body that fits into its buffer before it
//! takes a connection to the service. A longer body streams, and such requests use at most half of a service's connections.
//! The number of bodies that one client has under way is limited.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many bodies each client has under way, in all workers together.
pub(crate) struct Uploads {
    most_per_client: usize,
    clients: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// Counts one body until it has arrived.
pub(crate) struct Upload {
    clients: Arc<Mutex<HashMap<IpAddr, usize>>>,
    client: IpAddr,
}

impl Uploads {
    pub(crate) fn new(most_per_client: usize) -> Self {
        Self { most_per_client, clients: Arc::default() }
    }

    pub(crate) fn begin(&self, client: IpAddr) -> Option<Upload> {
        let client = network(client);
        let mut clients = lock(&self.clients);
        let count = clients.entry(client).or_default();
        (*count < self.most_per_client).then(|| {
            *count += 1;
            Upload { clients: self.clients.clone(), client }
        })
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let mut clients = lock(&self.clients);
        if let Some(count) = clients.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

/// A panic cannot leave the counts half-written, so a poisoned lock is still good.
fn lock(clients: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    clients.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client has one IPv4 address, or a whole IPv6 network: 64 bits are what a household gets at least.
fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(client) => IpAddr::V6(Ipv6Addr::from_bits(client.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn each_client_has_its_own() {
        let uploads = Uploads::new(2);
        let begin = |client: &str| uploads.begin(client.parse().unwrap());
        let first = begin("10.0.0.1").unwrap();
        let second = begin("10.0.0.1").unwrap();
        assert!(begin("10.0.0.1").is_none());
        assert!(begin("10.0.0.2").is_some());
        drop(first);
        let third = begin("10.0.0.1").unwrap();
        // One network, whatever the rest of the address is.
        let _v6 = (begin("2001:db8::1").unwrap(), begin("2001:db8::2").unwrap());
        assert!(begin("2001:db8::3").is_none());
        assert!(begin("2001:db8:0:1::3").is_some());
        drop((second, third));
        assert_eq!(lock(&uploads.clients).len(), 1, "who has none under way is forgotten");
    }
}
