//! `--health`: a health check for containers that have no shell and no curl.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(3);
/// Enough for a status line.
const STATUS_LINE_BYTES: usize = 12;

/// Asks the service on this machine whether it is ready.
pub fn probe(port: u16) -> bool {
    ask(port).is_some_and(|status| status.starts_with(b"HTTP/1.1 200"))
}

fn ask(port: u16) -> Option<[u8; STATUS_LINE_BYTES]> {
    let address = ("127.0.0.1", port).to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    stream.set_write_timeout(Some(LIMIT)).ok()?;
    stream
        .write_all(b"GET /actuator/health/readiness HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut status = [0; STATUS_LINE_BYTES];
    stream.read_exact(&mut status).ok()?;
    Some(status)
}
