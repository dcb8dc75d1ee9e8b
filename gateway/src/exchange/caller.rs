//! A client's connection as its requests see it, and what all requests of a worker share.

use std::{cell::Cell, net::SocketAddr, rc::Rc, sync::Arc};

use http_common::Actuator;
use ipnet::IpNet;

use super::{cors::Cors, cross_site::CrossSite, forwarded::ForwardedHeaders};
use crate::{
    metrics::{MethodLabel, Series, Side},
    progress::Progress,
    routing::Table,
    upstream::Uploads,
};

/// What all workers share.
pub(crate) struct Rules {
    pub(crate) cors: Option<Cors>,
    pub(crate) cross_site: CrossSite,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) actuator: Actuator,
    pub(crate) uploads: Uploads,
    /// Of a body, how much is read ahead.
    pub(crate) body_buffer_bytes: usize,
    /// The time limit for the body of a request to the actuator. Routes have their own.
    pub(crate) body_timeout_ms: u64,
}

/// What the requests of one worker share.
pub(crate) struct Context {
    pub(crate) rules: Arc<Rules>,
    pub(crate) table: Table,
    pub(super) actuator: Series,
    pub(super) root: Series,
    /// Refused before it was known what it is for, or nothing is there.
    pub(super) unknown: Series,
    draining: Cell<bool>,
}

impl Context {
    pub(crate) fn new(rules: Arc<Rules>, table: Table) -> Rc<Self> {
        Rc::new(Self {
            rules,
            table,
            actuator: Series::new("/actuator/**", ""),
            root: Series::new("/", ""),
            unknown: Series::new("UNKNOWN", ""),
            draining: Cell::new(false),
        })
    }

    /// From now on every answer is the last on its connection.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Counts what came in place of a request.
    pub(crate) fn refused(&self, status: u16) {
        self.unknown.record(Side::Server, MethodLabel::UNKNOWN, status, 0.0);
    }
}

/// A client's connection, as its requests see it.
pub(crate) struct Caller {
    pub(crate) context: Rc<Context>,
    pub(crate) progress: Rc<Progress>,
    pub(crate) peer: SocketAddr,
    /// Where the client connected to.
    pub(super) local: Option<SocketAddr>,
    pub(super) forwarded: ForwardedHeaders,
}

impl Caller {
    pub(crate) fn new(
        context: Rc<Context>,
        progress: Rc<Progress>,
        peer: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Rc<Self> {
        let forwarded = ForwardedHeaders::of(peer, &context.rules.trusted_proxies);
        Rc::new(Self { context, progress, peer, local, forwarded })
    }
}
