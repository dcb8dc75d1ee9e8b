//! A server: listener, limits, routes, actuator, and an end in order.

use std::{
    cell::RefCell,
    future::Future,
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    rc::Rc,
    thread::available_parallelism,
    time::Duration,
};

use actix_web::{
    App, HttpResponse, HttpServer,
    web::{Data, PayloadConfig, ServiceConfig, to},
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    actuator::{self, Actuator},
    connections::Connections,
    input::BodyLimits,
    lifecycle::Lifecycle,
    middleware::{Shared, Surround},
    problem::Problem,
    request_metrics::RequestMetrics,
    route_table::RouteTable,
    settings::ServerSettings,
};

/// Connections that wait in the kernel while all workers are busy.
const BACKLOG: i32 = 1024;

/// Bound to its address and not yet answering: connections wait until [`Server::run`].
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    settings: ServerSettings,
    actuator: Actuator,
    lifecycle: Lifecycle,
    routes: Box<dyn Configure>,
}

impl Server {
    /// Binds the address of the settings; port 0 takes a free one. `configure` registers the routes, once for each worker.
    ///
    /// # Errors
    /// The address is taken, or not this machine's.
    pub fn bind(
        settings: &ServerSettings,
        actuator: Actuator,
        lifecycle: Lifecycle,
        configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let listener = listen(&settings.host, settings.port)?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            settings: settings.clone(),
            actuator,
            lifecycle,
            routes: Box::new(configure),
        })
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` resolves, and then ends in order: readiness off, serving on for `shutdown_delay_ms`, no more
    /// connections, requests in flight answered with `Connection: close`, at most `shutdown_timeout_ms`.
    ///
    /// # Errors
    /// When the threads of the server cannot be started.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let connections = Connections::default();
        let lifecycle = self.lifecycle.clone();
        let shutdown_delay = self.settings.shutdown_delay();
        let shutdown_timeout = self.settings.shutdown_timeout();
        let server = self.start(connections.clone())?;
        let handle = server.handle();
        let mut server = std::pin::pin!(server);

        let told = async {
            shutdown.await;
            lifecycle.stopping();
            tokio::time::sleep(shutdown_delay).await;
            lifecycle.draining();
        };
        tokio::select! {
            ended = &mut server => return ended,
            () = told => {}
        }

        // The request to stop is sent by this call; the future only waits for the end.
        drop(handle.stop(true));
        tokio::select! {
            ended = &mut server => return ended,
            // actix-web looks once a second whether its connections have ended; this sees it when they do.
            () = connections.none_left() => {}
            () = tokio::time::sleep(shutdown_timeout) => {
                tracing::warn!(open = connections.count(), "connections were still open when the time to drain was over");
            }
        }
        Ok(())
    }

    fn start(self, connections: Connections) -> io::Result<actix_web::dev::Server> {
        let settings = self.settings;
        let workers = worker_count(settings.workers);
        let limits = BodyLimits { bytes: settings.body_limit_bytes, timeout: settings.header_timeout() };
        let request_timeout = settings.request_timeout();
        let application = self.actuator.service();
        let actuator = Data::new(self.actuator);
        let routes = self.routes;
        let server = HttpServer::new(move || {
            let mut table = RouteTable::default();
            let app = App::new()
                .app_data(limits)
                .app_data(PayloadConfig::new(limits.bytes))
                .configure(|config| {
                    table = RouteTable::collect(|| {
                        routes.configure(config);
                        actuator::configure(config, actuator.clone());
                    });
                })
                .default_service(to(|| async { Err::<HttpResponse, _>(Problem::not_found()) }));
            app.wrap(Surround(Rc::new(Shared {
                application,
                timeout: request_timeout,
                routes: table,
                metrics: RefCell::new(RequestMetrics::new(application)),
            })))
        })
        .workers(workers)
        .max_connections(settings.max_connections.div_ceil(workers))
        .keep_alive(settings.keep_alive())
        .client_request_timeout(settings.header_timeout())
        .client_disconnect_timeout(Duration::from_secs(1))
        .tcp_nodelay(true)
        .on_connect(move |_, data| {
            data.insert(connections.open());
        })
        .disable_signals()
        // In whole seconds; `run` is exact.
        .shutdown_timeout(settings.shutdown_timeout_ms.div_ceil(1000) + 1);
        Ok(server.listen(self.listener)?.run())
    }
}

fn worker_count(wanted: usize) -> usize {
    if wanted > 0 { wanted } else { available_parallelism().map_or(1, usize::from) }
}

/// The routes of a service, cloned for each worker.
trait Configure: Send {
    fn configure(&self, config: &mut ServiceConfig);
    fn boxed(&self) -> Box<dyn Configure>;
}

impl<F: Fn(&mut ServiceConfig) + Clone + Send + 'static> Configure for F {
    fn configure(&self, config: &mut ServiceConfig) {
        self(config);
    }

    fn boxed(&self) -> Box<dyn Configure> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Configure> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

/// Listens on the first address of the host that can be had.
fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut refused = io::Error::new(io::ErrorKind::AddrNotAvailable, format!("{host} has no address"));
    for address in (host, port).to_socket_addrs()? {
        match listen_at(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart does not have to wait for the connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
