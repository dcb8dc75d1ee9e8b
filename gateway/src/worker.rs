//! A thread that serves a share of the client connections. It has its own connections to services and its own metrics, so no
//! request waits for a lock or moves to another core.

use std::{
    io::{self, ErrorKind},
    net,
    rc::Rc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    sync::{mpsc, watch},
    task::spawn_local,
    time::{sleep, timeout},
};

use crate::{
    client::{self, Clients, Others, Places},
    deadlines::{Deadlines, TICK},
    exchange::Context,
    gateway::Gateway,
    listeners::leave_to_others,
    routing::Table,
};

/// Ticks between two looks at idle connections to services.
const SWEEP_EVERY: u32 = 20;
/// How long the worker waits before it accepts again when no file is left.
const NO_FILES_PAUSE: Duration = Duration::from_millis(100);
/// How long clients have to complete connections before a shared port is closed. It is shorter than the time after which a client
/// repeats an attempt that was not answered, so that the repeated one reaches another gateway.
const HANDSHAKE: Duration = Duration::from_millis(250);

/// What the application tells its workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Orders {
    Serve,
    /// Go on, but let every answer be the last on its connection.
    Drain,
    /// Accept nothing more, finish what is in flight, and end within this time.
    Close(Duration),
}

struct Worker {
    clients: Rc<Clients>,
    places: Rc<Places>,
    context: Rc<Context>,
    deadlines: Rc<Deadlines>,
    shares_port: bool,
}

/// Serves until told to end.
///
/// # Errors
/// The thread's runtime could not be set up.
pub(crate) fn run(
    gateway: &Gateway,
    listener: net::TcpListener,
    orders: watch::Receiver<Orders>,
    others: Others,
    requests: mpsc::UnboundedReceiver<client::Request>,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        let worker = Worker::new(gateway, others);
        let clock = spawn_local(keep_time(worker.deadlines.clone(), worker.context.clone()));
        let helper = spawn_local(worker.places.clone().help(requests));
        worker.serve(listener, orders).await;
        clock.abort();
        helper.abort();
        Ok(())
    })
}

impl Worker {
    fn new(gateway: &Gateway, others: Others) -> Self {
        let deadlines = Deadlines::new();
        let table = Table::new(&gateway.routes, &gateway.upstream, &deadlines);
        let context = Context::new(gateway.rules.clone(), table);
        let places = Places::new(gateway.max_connections, gateway.connections.clone(), &deadlines, others);
        let clients = Clients::new(
            places.clone(),
            context.clone(),
            deadlines.clone(),
            gateway.times,
            gateway.header_bytes,
        );
        Self { clients, places, context, deadlines, shares_port: gateway.shares_port }
    }

    async fn serve(&self, listener: TcpListener, mut orders: watch::Receiver<Orders>) {
        let patience = loop {
            let current = *orders.borrow_and_update();
            match current {
                Orders::Serve => {}
                Orders::Drain => self.context.drain(),
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

    async fn accept(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => client::welcome(&self.clients, stream, peer),
                Err(error) if is_about_one(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    sleep(NO_FILES_PAUSE).await;
                }
            }
        }
    }

    async fn close(&self, listener: TcpListener, patience: Duration) {
        self.context.drain();
        if self.shares_port {
            match leave_to_others(&listener) {
                // It never ends by itself.
                Ok(()) => drop(timeout(HANDSHAKE, self.accept(&listener)).await),
                Err(error) => tracing::warn!(%error, "connections that are half made will be reset"),
            }
        }
        // Otherwise the kernel would reset the connections that it has completed and nobody has accepted.
        if let Ok(listener) = listener.into_std() {
            while let Ok((stream, peer)) = listener.accept() {
                if stream.set_nonblocking(true).is_ok()
                    && let Ok(stream) = TcpStream::from_std(stream)
                {
                    client::welcome(&self.clients, stream, peer);
                }
            }
        }
        self.clients.close();
        if timeout(patience, self.places.all_left()).await.is_err() {
            tracing::warn!(
                connections = self.places.taken(),
                "connections are cut off: they took too long to finish"
            );
        }
    }
}

async fn keep_time(deadlines: Rc<Deadlines>, context: Rc<Context>) {
    let mut ticks = 0_u32;
    loop {
        sleep(TICK).await;
        deadlines.tick();
        ticks = ticks.wrapping_add(1);
        if ticks.is_multiple_of(SWEEP_EVERY) {
            context.table.sweep();
        }
    }
}

/// Whether the error concerns this connection alone: it was gone before it was accepted.
fn is_about_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}
