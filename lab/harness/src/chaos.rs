//! Networks between the processes of a system that fail on call.

use std::net::SocketAddr;

pub use tcp_proxy::{Network, TcpProxy};

/// Listens there, and leads to these in turn.
pub fn between(address: SocketAddr, targets: Vec<SocketAddr>) -> TcpProxy {
    TcpProxy::between(crate::runtime().handle(), address, targets)
}
