//! Ports that a service keeps over its restarts.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

use crate::Error;

/// Below the ports that the kernel gives to outgoing connections: a service that is restarted must find its own free.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// A port of the loopback that nobody listens on, and that was not given out here before.
///
/// # Errors
/// None is left.
pub fn free_address() -> Result<SocketAddr, Error> {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();
    // Two of these programs at the same time begin at different places, also when they were started together.
    let first = (std::process::id().wrapping_mul(211) % u32::from(PORTS.end - PORTS.start)) as u16;
    let candidates = (PORTS.start + first..PORTS.end).chain(PORTS.start..PORTS.start + first);
    for port in candidates {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if !given.contains(&port) && TcpListener::bind(address).is_ok() {
            given.insert(port);
            return Ok(address);
        }
    }
    Err(Error::unexpected(format!("no port of {PORTS:?} is free")))
}
