//! Opens connections to a service, and remembers when the service refused one.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    time::Duration,
};

use http::HeaderValue;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{address::Address, service_connection::ServiceConnection};
use crate::settings::UpstreamSettings;

/// How long a name's addresses are remembered.
const RESOLVED_MS: u64 = 5000;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the name cannot be resolved")]
    Resolve(#[source] io::Error),
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("cannot connect in time")]
    Timeout,
    #[error("the connection could not be set up")]
    Handshake(#[source] hyper::Error),
}

pub(super) struct Dialer {
    address: Address,
    resolved: RefCell<Option<(u64, Vec<SocketAddr>)>>,
    refusals: Cell<u32>,
    refused_until: Cell<u64>,
    retry_after_ms: u64,
    retry_after_max_ms: u64,
}

impl Dialer {
    pub(super) fn new(address: Address, settings: &UpstreamSettings) -> Self {
        Self {
            address,
            resolved: RefCell::default(),
            refusals: Cell::new(0),
            refused_until: Cell::new(0),
            retry_after_ms: settings.retry_after_ms,
            retry_after_max_ms: settings.retry_after_max_ms,
        }
    }

    pub(super) fn authority(&self) -> &HeaderValue {
        &self.address.authority
    }

    /// Until then a request tries other addresses first.
    pub(super) fn refused_until(&self) -> u64 {
        self.refused_until.get()
    }

    pub(super) async fn connect(
        &self,
        limit: Duration,
        now: u64,
    ) -> Result<Box<ServiceConnection>, ConnectError> {
        let connecting = async {
            let stream = self.open(now).await?;
            // Otherwise a small request would wait until the one before is acknowledged (Nagle's algorithm).
            stream.set_nodelay(true).map_err(ConnectError::Connect)?;
            ServiceConnection::open(stream).await.map_err(ConnectError::Handshake)
        };
        let result = timeout(limit, connecting).await.unwrap_or(Err(ConnectError::Timeout));
        match &result {
            Ok(_) => {
                if self.refusals.replace(0) > 0 {
                    tracing::info!(address = ?self.address.authority, "the service answers again");
                }
            }
            Err(error) => self.refused(now, error),
        }
        result
    }

    fn refused(&self, now: u64, error: &ConnectError) {
        let refusals = self.refusals.get();
        let pause = self
            .retry_after_ms
            .saturating_mul(1 << refusals.min(16))
            .min(self.retry_after_max_ms.max(self.retry_after_ms));
        self.refusals.set(refusals.saturating_add(1));
        self.refused_until.set(now + pause);
        *self.resolved.borrow_mut() = None;
        if refusals == 0 {
            let source = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(address = ?self.address.authority, %error, source, "the service does not answer");
        }
    }

    async fn open(&self, now: u64) -> Result<TcpStream, ConnectError> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in self.resolve(now).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(ConnectError::Connect(last))
    }

    async fn resolve(&self, now: u64) -> Result<Vec<SocketAddr>, ConnectError> {
        if let Ok(address) = self.address.host.parse() {
            return Ok(vec![SocketAddr::new(address, self.address.port)]);
        }
        if let Some((at, addresses)) = &mut *self.resolved.borrow_mut()
            && *at + RESOLVED_MS > now
        {
            // Where a name stands for several replicas, each is the first to be tried in turn.
            addresses.rotate_left(1);
            return Ok(addresses.clone());
        }
        let addresses: Vec<_> = lookup_host((self.address.host.as_str(), self.address.port))
            .await
            .map_err(ConnectError::Resolve)?
            .collect();
        *self.resolved.borrow_mut() = Some((now, addresses.clone()));
        Ok(addresses)
    }
}
