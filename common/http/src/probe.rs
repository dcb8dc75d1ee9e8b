//! `--health`: a health check for containers that have no shell and no curl.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use crate::management::ManagementSettings;

const LIMIT: Duration = Duration::from_secs(3);
/// Enough for a status line.
const STATUS_LINE_BYTES: usize = 12;

/// Asks the service on this machine, whose settings these are, whether it is ready: at its management address, which answers
/// also when clients have taken all connections of the other.
#[must_use]
pub fn is_ready(management: &ManagementSettings, server_host: &str, server_port: u16) -> bool {
    let (host, port) = match management.is_separate(server_port) {
        true => (management.host.as_str(), management.port),
        false => (server_host, server_port),
    };
    ask(host, port).is_ok_and(|status| status.starts_with(b"HTTP/1.1 200"))
}

fn ask(host: &str, port: u16) -> io::Result<[u8; STATUS_LINE_BYTES]> {
    let address = (host, port).to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut stream = TcpStream::connect_timeout(&reachable(address), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(
        b"GET /actuator/health/readiness HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )?;
    let mut status = [0; STATUS_LINE_BYTES];
    stream.read_exact(&mut status)?;
    Ok(status)
}

/// Who listens at all addresses is found at this one.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
