//! A thread of its own for a share of the connections, with everything that serving them takes: nothing is shared but the
//! route table, so no request waits for a lock or moves between cores.

use std::{
    cell::Cell,
    io::{self, ErrorKind},
    net::{self, SocketAddr},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hyper::server::conn::http1;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    sync::{Notify, mpsc, watch},
    task::{spawn_local, yield_now},
    time::{sleep, timeout},
};

use crate::{
    client,
    deadlines::{Deadlines, TICK},
    gateway::{Gateway, MAX_ADDRESSES},
    metrics::{self, MethodLabel, Metrics, Resource, Side},
    room::{self, Others},
    upstream::{Connection, Upstream},
};

/// Ticks between two looks at idle connections to services.
const SWEEP_EVERY: u32 = 20;
/// When no file is left for another connection, in the hope that some are closed meanwhile.
const NO_FILES_PAUSE: Duration = Duration::from_millis(100);

/// What the application tells its workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Orders {
    Serve,
    /// Go on, but let every answer be the last on its connection.
    Drain,
    /// Accept nothing more, finish what is in flight, and end within this time.
    Close(Duration),
}

pub(crate) struct Worker {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) deadlines: Rc<Deadlines>,
    pub(crate) metrics: Metrics,
    pub(crate) http: http1::Builder,
    /// For each route, whose turn it is.
    turns: Vec<Cell<usize>>,
    draining: Cell<bool>,
    closing: Cell<bool>,
    open: Cell<usize>,
    empty: Notify,
    others: Others,
}

/// The upstreams of a route, the next one first.
pub(crate) struct Turn {
    order: [usize; MAX_ADDRESSES],
    length: usize,
}

impl Turn {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn get(&self, step: usize) -> usize {
        self.order[step]
    }
}

/// Serves until told to end.
///
/// # Errors
/// The thread's runtime could not be set up.
pub(crate) fn run(
    gateway: Arc<Gateway>,
    listener: net::TcpListener,
    orders: watch::Receiver<Orders>,
    others: Others,
    requests: mpsc::UnboundedReceiver<room::Request>,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        let worker = Rc::new(Worker::new(gateway, others));
        let clock = spawn_local(worker.clone().keep_time());
        let helper = spawn_local(worker.clone().help(requests));
        worker.serve(listener, orders).await;
        clock.abort();
        helper.abort();
        Ok(())
    })
}

impl Worker {
    fn new(gateway: Arc<Gateway>, others: Others) -> Self {
        let upstreams = gateway
            .addresses
            .iter()
            .map(|address| Upstream::new(address.clone(), &gateway.upstream))
            .collect();
        let mut http = http1::Builder::new();
        // The gate keeps time and counts bytes.
        http.header_read_timeout(None);
        Self {
            upstreams,
            deadlines: Deadlines::new(),
            metrics: Metrics::new(gateway.clone()),
            http,
            turns: gateway.routes.iter().map(|_| Cell::new(0)).collect(),
            draining: Cell::new(false),
            closing: Cell::new(false),
            open: Cell::new(0),
            empty: Notify::new(),
            others,
            gateway,
        }
    }

    async fn serve(self: &Rc<Self>, listener: TcpListener, mut orders: watch::Receiver<Orders>) {
        let patience = loop {
            let current = *orders.borrow_and_update();
            match current {
                Orders::Serve => {}
                Orders::Drain => self.draining.set(true),
                Orders::Close(patience) => break patience,
            }
            tokio::select! {
                () = self.accept(&listener) => {}
                changed = orders.changed() => if changed.is_err() {
                    // The application was dropped: nobody is left to serve for.
                    return;
                }
            }
        };
        self.close(listener, patience).await;
    }

    async fn accept(self: &Rc<Self>, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.welcome(stream, peer),
                Err(error) if is_about_one(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    sleep(NO_FILES_PAUSE).await;
                }
            }
        }
    }

    fn welcome(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        if self.has_room() || self.make_room() {
            return self.admit(stream, peer);
        }
        let worker = self.clone();
        spawn_local(async move {
            // Those accepted just now had to begin before they could rest. And while the others were asked, somebody may have left.
            if worker.make_room() || worker.others.make_room().await || worker.has_room() {
                return worker.admit(stream, peer);
            }
            worker.refused(503);
            client::turn_away(&stream);
        });
    }

    fn has_room(&self) -> bool {
        self.gateway.open.load(Ordering::Relaxed) < self.gateway.limits.connections
    }

    fn admit(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        // Here, and not when its task begins: many are accepted in one go.
        self.open.set(self.open.get() + 1);
        self.gateway.open.fetch_add(1, Ordering::Relaxed);
        // Best effort: without it, pieces of an answer may wait for acknowledgements.
        let _ = stream.set_nodelay(true);
        spawn_local(client::serve(self.clone(), stream, peer));
    }

    async fn close(self: &Rc<Self>, listener: TcpListener, patience: Duration) {
        self.draining.set(true);
        // The kernel would reset what it has accepted for us.
        if let Ok(listener) = listener.into_std() {
            while let Ok((stream, peer)) = listener.accept() {
                if stream.set_nonblocking(true).is_ok()
                    && let Ok(stream) = TcpStream::from_std(stream)
                {
                    self.welcome(stream, peer);
                }
            }
        }
        self.closing.set(true);
        self.deadlines.wake_all();
        let finished = async {
            while self.open.get() > 0 {
                self.empty.notified().await;
            }
        };
        if timeout(patience, finished).await.is_err() {
            tracing::warn!(
                connections = self.open.get(),
                "connections are cut off: they took too long to finish"
            );
        }
    }

    /// Whether the connection that rests longest gives its place away.
    fn make_room(&self) -> bool {
        let found = self.deadlines.dismiss();
        if found {
            self.gateway.open.fetch_sub(1, Ordering::Relaxed);
            metrics::dismissed();
        }
        found
    }

    async fn help(self: Rc<Self>, mut requests: mpsc::UnboundedReceiver<room::Request>) {
        while let Some(request) = requests.recv().await {
            let found = self.make_room() || {
                // Those accepted just now have to begin before they can rest.
                yield_now().await;
                self.make_room()
            };
            // Who asked has ended meanwhile: a client more than needed was let go.
            let _ = request.send(found);
        }
    }

    async fn keep_time(self: Rc<Self>) {
        let mut ticks = 0_u32;
        loop {
            sleep(TICK).await;
            self.deadlines.tick();
            ticks = ticks.wrapping_add(1);
            if ticks.is_multiple_of(SWEEP_EVERY) {
                for upstream in &self.upstreams {
                    upstream.sweep(self.deadlines.now());
                }
            }
        }
    }

    /// The addresses of a route in the order in which a request tries them: in turn, those that refused lately or say that they
    /// stop at the end.
    pub(crate) fn turn(&self, index: usize) -> Turn {
        let addresses = &self.gateway.routes[index].addresses;
        let next = &self.turns[index];
        let start = next.get();
        next.set((start + 1) % addresses.len());
        let mut turn = Turn { order: [0; MAX_ADDRESSES], length: addresses.len() };
        turn.order[..addresses.len()].copy_from_slice(addresses);
        let order = &mut turn.order[..addresses.len()];
        order.rotate_left(start);
        let now = self.deadlines.now();
        order.sort_by_key(|upstream| self.upstreams[*upstream].standing(now));
        turn
    }

    pub(crate) fn give_back(&self, upstream: usize, mut connection: Box<Connection>) {
        if connection.is_reusable() {
            self.upstreams[upstream].give_back(connection, self.deadlines.now());
        }
    }

    /// Counts a request that was never one.
    pub(crate) fn refused(&self, status: u16) {
        self.metrics.record(Side::Server, Resource::Unknown, MethodLabel::UNKNOWN, status, 0.0);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// One that was dismissed has given its place away before.
    pub(crate) fn connection_closed(&self, dismissed: bool) {
        self.open.set(self.open.get() - 1);
        if !dismissed {
            self.gateway.open.fetch_sub(1, Ordering::Relaxed);
        }
        if self.open.get() == 0 {
            self.empty.notify_one();
        }
    }
}

/// The connection was gone before it was accepted; others will be fine.
fn is_about_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}
