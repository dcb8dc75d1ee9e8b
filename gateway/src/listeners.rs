//! The ports that the gateway listens on.

use std::{
    io,
    net::{self, SocketAddr},
};

use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use tokio::net::lookup_host;

/// Connections that the kernel completes before a worker accepts them.
const BACKLOG: i32 = 1024;
/// Of an answer, how much the kernel takes ahead of what the client reads.
const NOT_SENT_BYTES: u32 = 128 * 1024;

/// Several on one port, among which the kernel distributes connections.
pub(crate) struct Listeners {
    pub(crate) addr: SocketAddr,
    pub(crate) each: Vec<net::TcpListener>,
}

impl Listeners {
    /// Binds `count` listeners. With `share`, another process may listen on the port, too.
    ///
    /// # Errors
    /// The port is taken, or the host is not this machine's.
    pub(crate) async fn bind(host: &str, port: u16, count: usize, share: bool) -> io::Result<Self> {
        let found = lookup_host((host, port)).await?.next();
        let mut addr = found.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        if !share {
            probe(addr)?;
        }
        let mut each = Vec::new();
        for _ in 0..count {
            let listener = listen(addr)?;
            addr = listener.local_addr()?;
            each.push(listener);
        }
        Ok(Self { addr, each })
    }
}

/// Leaves attempts to connect unanswered, and completes those that were answered before. A client repeats its attempt after a second
/// (RFC 6298, section 2), and the kernel gives it to whoever listens then. Without this, closing the port resets the connections
/// that are half made.
///
/// # Errors
/// The kernel takes no filter.
#[cfg(target_os = "linux")]
pub(crate) fn leave_to_others(listener: &tokio::net::TcpListener) -> io::Result<()> {
    /// Where the flags stand in the TCP header (RFC 9293, section 3.1).
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const SYN_AND_ACK: u32 = 0x12;
    // The kernel's classic packet filter: load a byte, mask it, compare it, return how many bytes of the packet may pass.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN_AND_ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn leave_to_others(_: &tokio::net::TcpListener) -> io::Result<()> {
    Ok(())
}

fn listen(addr: SocketAddr) -> io::Result<net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Connections inherit it. Otherwise the kernel would take megabytes for a slow reader, and the gateway would not see that
    // the reader makes progress.
    socket.set_tcp_notsent_lowat(NOT_SENT_BYTES)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Fails if anybody listens there, which binding with `SO_REUSEPORT` need not.
fn probe(addr: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())
}
