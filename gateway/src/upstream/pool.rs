//! What a worker knows about a service: connections kept, and whether it answers.

use std::{
    cell::{Cell, RefCell},
    ops::{Deref, DerefMut},
    rc::Rc,
    time::Duration,
};

use http::HeaderValue;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    address::Address,
    admission::Admission,
    dialer::{ConnectError, Dialer},
    service_connection::ServiceConnection,
};
use crate::{deadlines::Deadlines, metrics, settings::UpstreamSettings};

/// How long a request tries other addresses first after a service has said that it stops. Services keep their port open for a
/// shorter time than this. If the service is back sooner, the others only answer a little longer in its place.
const LEAVING_MS: u64 = 15_000;

/// What a request can expect of an address. A request tries the addresses in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    Ready,
    /// All its connections are in use.
    Busy,
    /// It refused a connection a moment ago.
    Refused {
        until: u64,
    },
    /// It says that it stops.
    Leaving {
        until: u64,
    },
}

pub(crate) struct Upstream {
    pub(crate) admission: Admission,
    dialer: Dialer,
    /// The one used last at the end.
    #[expect(clippy::vec_box, reason = "they come and go in their boxes")]
    idle: RefCell<Vec<Box<ServiceConnection>>>,
    idle_timeout_ms: u64,
    leaving_until: Cell<u64>,
    clock: Rc<Deadlines>,
}

impl Upstream {
    pub(crate) fn new(address: &Address, settings: &UpstreamSettings, clock: &Rc<Deadlines>) -> Rc<Self> {
        // Nothing is lost: the value was made of text.
        let shown = String::from_utf8_lossy(address.authority.as_bytes()).into_owned();
        Rc::new(Self {
            admission: Admission::new(settings, metrics::pending(shown)),
            dialer: Dialer::new(address.clone(), settings),
            idle: RefCell::default(),
            idle_timeout_ms: settings.idle_timeout_ms,
            leaving_until: Cell::new(0),
            clock: clock.clone(),
        })
    }

    /// What `Host` says to the service.
    pub(crate) fn authority(&self) -> &HeaderValue {
        self.dialer.authority()
    }

    /// The connection used last, if it was not idle for too long.
    pub(crate) fn take(&self) -> Option<Box<ServiceConnection>> {
        let mut idle = self.idle.borrow_mut();
        let connection = idle.pop()?;
        if connection.idle_since + self.idle_timeout_ms < self.clock.now() {
            // The others have been idle for longer.
            idle.clear();
            return None;
        }
        Some(connection)
    }

    pub(crate) async fn connect(&self, limit: Duration) -> Result<Box<ServiceConnection>, ConnectError> {
        self.dialer.connect(limit, self.clock.now()).await
    }

    /// The service closed a connection: the others will have been closed as well.
    pub(crate) fn forget_idle(&self) {
        self.idle.borrow_mut().clear();
    }

    /// Drops connections that were idle for too long, or that the service closed.
    pub(crate) fn sweep(&self) {
        let now = self.clock.now();
        self.idle.borrow_mut().retain_mut(|connection| {
            connection.rest();
            connection.is_reusable() && connection.idle_since + self.idle_timeout_ms >= now
        });
    }

    pub(crate) fn standing(&self) -> Standing {
        let now = self.clock.now();
        let (leaving, refused) = (self.leaving_until.get(), self.dialer.refused_until());
        if now < leaving {
            Standing::Leaving { until: leaving }
        } else if now < refused {
            Standing::Refused { until: refused }
        } else if self.admission.is_busy() {
            Standing::Busy
        } else {
            Standing::Ready
        }
    }

    /// The service has answered, with or without `Connection: close`. A service that stops says it before it closes its port. A
    /// request on a new connection could meet the closing of the port, and then its outcome would be unknown.
    pub(crate) fn answered(&self, closes: bool) {
        if closes {
            self.leaving_until.set(self.clock.now() + LEAVING_MS);
        } else if self.leaving_until.get() > 0 {
            self.leaving_until.set(0);
        }
    }
}

/// A connection while a request uses it.
pub(crate) struct Lease {
    connection: Box<ServiceConnection>,
    upstream: Rc<Upstream>,
}

impl Lease {
    pub(crate) fn new(
        upstream: &Rc<Upstream>,
        mut connection: Box<ServiceConnection>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        connection.permit = Some(permit);
        Self { connection, upstream: upstream.clone() }
    }

    /// The answer was read to its end: another request may use the connection.
    pub(super) fn give_back(self) {
        let Self { mut connection, upstream } = self;
        if connection.is_reusable() {
            connection.idle_since = upstream.clock.now();
            connection.permit = None;
            upstream.idle.borrow_mut().push(connection);
        }
    }
}

impl Deref for Lease {
    type Target = ServiceConnection;

    fn deref(&self) -> &ServiceConnection {
        &self.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut ServiceConnection {
        &mut self.connection
    }
}
