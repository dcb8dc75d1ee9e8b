//! Ports that a service keeps over its restarts: below those that the kernel gives to outgoing connections, so that
//! nobody takes them while the service is down.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

pub fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test binaries that run at the same time begin at different places.
    let begin = (std::process::id() % u32::from(COUNT)) as u16 / 100 * 100;
    for _ in 0..COUNT {
        let offset = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = FIRST + offset;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}
