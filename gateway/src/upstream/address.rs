//! Where a service is, and what a worker knows about it.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use http::HeaderValue;
use metrics::Gauge;
use settings::Invalid;
use tokio::{
    net::{TcpStream, lookup_host},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::connection::Connection;
use crate::{deadlines::Deadline, settings::UpstreamSettings};

/// How long a name's addresses are remembered.
const RESOLVED_MS: u64 = 5000;
/// How long a service that says that it stops is asked last: longer than the 5 s for which ours keep their port open after that, and
/// no harm if it is back sooner, for another one answers.
const LEAVING_MS: u64 = 15_000;

/// `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What `Host` says to the service.
    pub(crate) authority: HeaderValue,
}

impl Address {
    pub(crate) fn parse(key: &str, text: &str) -> Result<Self, Invalid> {
        let url = settings::url(key, text, &["http"])?;
        let extra = url.path() != "/"
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some();
        if extra {
            return Err(Invalid::new(key, "must be http://host:port and nothing more"));
        }
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        let authority = match url.port() {
            Some(port) => HeaderValue::from_str(&format!("{host}:{port}")),
            None => HeaderValue::from_str(host),
        };
        Ok(Self {
            // The brackets of an IPv6 address belong to the URL.
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority: authority.map_err(|_| Invalid::new(key, "has a host that is not valid"))?,
        })
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("all connections are busy, and will be for too long")]
    Busy,
    #[error("the name cannot be resolved")]
    Resolve(#[source] io::Error),
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("cannot connect in time")]
    Timeout,
    #[error("the connection could not be set up")]
    Handshake(#[source] hyper::Error),
}

/// What is to be expected of an address; the least is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    Ready,
    /// All its connections are in use.
    Busy,
    /// It refused a connection a moment ago. Another try does no harm.
    Refused {
        until: u64,
    },
    /// It says that it stops.
    Leaving {
        until: u64,
    },
}

/// A worker's own view of an address: connections kept, and whether it answers.
pub(crate) struct Upstream {
    pub(crate) address: Address,
    /// The one used last at the end.
    #[expect(clippy::vec_box, reason = "they come and go in their boxes")]
    idle: RefCell<Vec<Box<Connection>>>,
    /// One permit for each connection that is in use.
    free: Arc<Semaphore>,
    /// One for each request whose body may still be coming while it has a connection: the others are not kept from the rest.
    free_for_uploads: Arc<Semaphore>,
    waiting: Waiting,
    resolved: RefCell<Option<(u64, Vec<SocketAddr>)>>,
    refusals: Cell<u32>,
    passed_over_until: Cell<u64>,
    leaving_until: Cell<u64>,
    idle_timeout_ms: u64,
    retry_after_ms: u64,
    retry_after_max_ms: u64,
}

impl Upstream {
    pub(crate) fn new(address: Address, settings: &UpstreamSettings) -> Self {
        Self {
            waiting: Waiting::new(settings.max_waiting, crate::metrics::pending(&address)),
            address,
            idle: RefCell::default(),
            free: Arc::new(Semaphore::new(settings.max_connections)),
            free_for_uploads: Arc::new(Semaphore::new(settings.max_connections.div_ceil(2))),
            resolved: RefCell::default(),
            refusals: Cell::new(0),
            passed_over_until: Cell::new(0),
            leaving_until: Cell::new(0),
            idle_timeout_ms: settings.idle_timeout_ms,
            retry_after_ms: settings.retry_after_ms,
            retry_after_max_ms: settings.retry_after_max_ms,
        }
    }

    /// Waits until one connection more may be in use, and not beyond the deadline.
    pub(crate) async fn admit(&self, deadline: &Deadline) -> Result<OwnedSemaphorePermit, ConnectError> {
        match self.free.clone().try_acquire_owned() {
            Ok(permit) => Ok(permit),
            // In a box, for it is rare.
            Err(_) => Box::pin(self.queue(&self.free, deadline)).await,
        }
    }

    /// Waits until one connection more may be used for a request whose body is still to come, and not beyond the deadline.
    pub(crate) async fn admit_upload(
        &self,
        deadline: &Deadline,
    ) -> Result<OwnedSemaphorePermit, ConnectError> {
        match self.free_for_uploads.clone().try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(_) => self.queue(&self.free_for_uploads, deadline).await,
        }
    }

    async fn queue(
        &self,
        free: &Arc<Semaphore>,
        deadline: &Deadline,
    ) -> Result<OwnedSemaphorePermit, ConnectError> {
        let place = self.waiting.take().ok_or(ConnectError::Busy)?;
        let mut permit = pin!(free.clone().acquire_owned());
        let permit = poll_fn(|cx| match permit.as_mut().poll(cx) {
            Poll::Pending if deadline.expired() => Poll::Ready(Err(ConnectError::Busy)),
            Poll::Pending => Poll::Pending,
            Poll::Ready(permit) => Poll::Ready(permit.map_err(|_| ConnectError::Busy)),
        })
        .await;
        drop(place);
        permit
    }

    /// The connection used last, if it was not idle for too long.
    pub(crate) fn take(&self, now: u64) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        let connection = idle.pop()?;
        if connection.idle_since + self.idle_timeout_ms < now {
            // The others have been idle for longer.
            idle.clear();
            return None;
        }
        Some(connection)
    }

    pub(crate) fn give_back(&self, mut connection: Box<Connection>, now: u64) {
        connection.idle_since = now;
        connection.permit = None;
        self.idle.borrow_mut().push(connection);
    }

    /// The service closed a connection: the others will have been closed as well.
    pub(crate) fn forget_idle(&self) {
        self.idle.borrow_mut().clear();
    }

    /// Drops connections that were idle for too long, or that the service closed.
    pub(crate) fn sweep(&self, now: u64) {
        self.idle.borrow_mut().retain_mut(|connection| {
            connection.rest();
            connection.is_reusable() && connection.idle_since + self.idle_timeout_ms >= now
        });
    }

    pub(crate) fn standing(&self, now: u64) -> Standing {
        let (leaving, refused) = (self.leaving_until.get(), self.passed_over_until.get());
        if now < leaving {
            Standing::Leaving { until: leaving }
        } else if now < refused {
            Standing::Refused { until: refused }
        } else if self.free.available_permits() == 0 {
            Standing::Busy
        } else {
            Standing::Ready
        }
    }

    /// An answer with or without `Connection: close`. A service says it when it stops, before it closes its port: a new connection
    /// would come at the moment at which nobody knows any more what became of its request.
    pub(crate) fn answered(&self, closes: bool, now: u64) {
        if closes {
            self.leaving_until.set(now + LEAVING_MS);
        } else if self.leaving_until.get() > 0 {
            self.leaving_until.set(0);
        }
    }

    pub(crate) async fn connect(&self, limit: Duration, now: u64) -> Result<Box<Connection>, ConnectError> {
        let connecting = async {
            let stream = self.open(now).await?;
            // Without it a small request waits for the acknowledgement of the one before.
            stream.set_nodelay(true).map_err(ConnectError::Connect)?;
            Connection::open(stream).await.map_err(ConnectError::Handshake)
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
        self.passed_over_until.set(now + pause);
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

/// Those who wait for a connection.
struct Waiting {
    count: Cell<usize>,
    most: usize,
    shown: Gauge,
}

impl Waiting {
    fn new(most: usize, shown: Gauge) -> Self {
        Self { count: Cell::new(0), most, shown }
    }

    fn take(&self) -> Option<Place<'_>> {
        let before = self.count.get();
        (before < self.most).then(|| {
            self.count.set(before + 1);
            self.shown.increment(1.0);
            Place(self)
        })
    }
}

/// One of them.
struct Place<'a>(&'a Waiting);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.shown.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn addresses() {
        let address = Address::parse("uri", "http://payment:8080").unwrap();
        assert_eq!((address.host.as_str(), address.port), ("payment", 8080));
        assert_eq!(address.authority, "payment:8080");
        let address = Address::parse("uri", "http://[::1]/").unwrap();
        assert_eq!((address.host.as_str(), address.port), ("::1", 80));
        assert_eq!(address.authority, "[::1]");
        for wrong in [
            "",
            "payment",
            "payment:8080",
            "https://payment",
            "http://payment/x",
            "http://u:p@payment",
            "http://payment?x",
        ] {
            assert!(Address::parse("uri", wrong).is_err(), "{wrong}");
        }
    }
}
