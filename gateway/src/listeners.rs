//! The ports that the gateway listens on.

use std::{
    io,
    net::{self, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};
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
