//! Puts the gateway together: listeners, threads, the end.

use std::{
    io,
    net::{self, SocketAddr},
    num::NonZeroUsize,
    pin::pin,
    sync::Arc,
    thread,
    time::Duration,
};

use settings::Invalid;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::lookup_host,
    sync::{mpsc, oneshot, watch},
    time::sleep,
};

use crate::{
    client::Others,
    gateway::Gateway,
    metrics,
    settings::{ServerSettings, Settings},
    worker::{self, Orders},
};

/// Connections that the kernel completes before a worker accepts them.
const BACKLOG: i32 = 1024;
/// Of an answer, how much the kernel takes ahead of what the client reads.
const NOT_SENT_BYTES: u32 = 128 * 1024;

/// A gateway that is bound to its address.
pub struct Application {
    addr: SocketAddr,
    gateway: Arc<Gateway>,
    listeners: Vec<net::TcpListener>,
    server: ServerSettings,
    /// The actuator's own listener, if it has one.
    management: Option<rest::Server>,
}

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Settings(#[from] Invalid),
    #[error("{key}: cannot listen on {host}:{port}")]
    Bind { key: &'static str, host: String, port: u16, source: io::Error },
}

/// Why the gateway ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("a worker thread could not be started")]
    Start(#[source] io::Error),
    #[error("a worker thread failed")]
    Worker(#[source] io::Error),
    #[error("a worker thread panicked")]
    Panic,
    #[error("the management port could not be served")]
    Management(#[source] io::Error),
}

impl Application {
    /// Checks the settings and binds the port. Connections are accepted from here on, and answered by [`run`](Self::run).
    ///
    /// # Errors
    /// A setting that is wrong, or a port that is taken.
    pub async fn build(settings: Settings) -> Result<Self, BuildError> {
        let gateway = Arc::new(Gateway::compile(&settings)?);
        // Handles made before the recorder is there would lead nowhere.
        telemetry::metrics_handle();
        metrics::describe();
        let (server, management) = (settings.server, settings.management);
        let failed = |source| BuildError::Bind {
            key: "server.port",
            host: server.host.clone(),
            port: server.port,
            source,
        };
        let mut addr = resolve(&server).await.map_err(failed)?;
        if !server.reuse_port {
            probe(addr).map_err(failed)?;
        }
        let mut listeners = Vec::new();
        for _ in 0..workers(&server) {
            let listener = listen(addr).map_err(failed)?;
            addr = listener.local_addr().map_err(failed)?;
            listeners.push(listener);
        }
        let (actuator, lifecycle) = (&gateway.rules.actuator, &gateway.lifecycle);
        let management = rest::Server::bind_management(&management, server.port, actuator, lifecycle)
            .map_err(|source| BuildError::Bind {
                key: "management.port",
                host: management.host.clone(),
                port: management.port,
                source,
            })?;
        Ok(Self { addr, gateway, listeners, server, management })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How long it may take from the signal to its end.
    pub fn stop_limit(&self) -> Duration {
        self.server.stop_limit()
    }

    /// Where its actuator answers, if that is an address of its own.
    pub fn management_addr(&self) -> Option<SocketAddr> {
        self.management.as_ref().map(rest::Server::addr)
    }

    /// Serves until `shutdown` is over, and then until every answer is given. Dropping the future cuts everything off.
    ///
    /// # Errors
    /// A thread could not start, or ended by itself.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let Some(management) = self.management.take() else {
            return self.serve(shutdown).await;
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let mut managed = pin!(management.run(async { drop(stopped.await) }));
        let served = tokio::select! {
            served = self.serve(shutdown) => served,
            ended = &mut managed => {
                let early = || io::Error::other("it ended by itself");
                return Err(RunError::Management(ended.err().unwrap_or_else(early)));
            }
        };
        drop(stop);
        served.and(managed.await.map_err(RunError::Management))
    }

    async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let (orders, _) = watch::channel(Orders::Serve);
        let count = self.listeners.len();
        let (ended, mut endings) = mpsc::channel(count);
        for (index, (listener, (others, requests))) in
            self.listeners.into_iter().zip(Others::of(count)).enumerate()
        {
            let (gateway, orders, ended) = (self.gateway.clone(), orders.subscribe(), ended.clone());
            thread::Builder::new()
                .name(format!("gateway-{index}"))
                .spawn(move || {
                    let run = std::panic::AssertUnwindSafe(|| {
                        worker::run(&gateway, listener, orders, others, requests)
                    });
                    let result = match std::panic::catch_unwind(run) {
                        Ok(result) => result.map_err(RunError::Worker),
                        Err(_) => Err(RunError::Panic),
                    };
                    // Nobody waits for it if the application was dropped.
                    let _ = ended.blocking_send(result);
                })
                .map_err(RunError::Start)?;
        }
        drop(ended);
        let lifecycle = &self.gateway.lifecycle;
        lifecycle.started();
        tracing::info!(address = %self.addr, workers = count, "gateway is ready");

        tokio::select! {
            () = shutdown => {}
            // Workers end when they are told to: this one did not wait for it.
            ending = endings.recv() => return ending.unwrap_or(Err(RunError::Panic)),
        }
        lifecycle.stopping();
        orders.send_replace(Orders::Drain);
        tracing::info!("gateway stops: readiness is off, requests are still answered");
        sleep(self.server.shutdown_delay()).await;
        lifecycle.draining();
        orders.send_replace(Orders::Close(self.server.shutdown_timeout()));
        while let Some(ending) = endings.recv().await {
            ending?;
        }
        tracing::info!("gateway has stopped");
        Ok(())
    }
}

fn workers(server: &ServerSettings) -> usize {
    match server.workers {
        0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
        some => some,
    }
}

async fn resolve(server: &ServerSettings) -> io::Result<SocketAddr> {
    lookup_host((server.host.as_str(), server.port))
        .await?
        .next()
        .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
}

/// One listener of several on the same port, among which the kernel distributes connections.
fn listen(addr: SocketAddr) -> io::Result<net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Connections inherit it. Without it the kernel takes megabytes for a slow reader, and its progress cannot be seen
    // until a third of them is read.
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
