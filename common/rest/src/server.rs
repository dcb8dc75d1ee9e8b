//! A server: listener, limits, routes, actuator, and an end in order.

use std::{
    cell::RefCell,
    future::{Future, ready},
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    rc::Rc,
    thread::available_parallelism,
    time::Duration,
};

use actix_http::{HttpService, error::DispatchError};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::{
    App, HttpResponse,
    dev::AppConfig,
    rt::net::TcpStream,
    web::{Data, PayloadConfig, ServiceConfig, to},
};
use socket2::{Domain, Protocol, Socket, Type};

use http_common::{Actuator, Lifecycle, ManagementSettings, Problem};

use crate::{
    actuator,
    base::LocalAuthority,
    connections::Connections,
    failure::Failure,
    input::BodyLimits,
    middleware::{Shared, Surround},
    request_metrics::RequestMetrics,
    route_table::RouteTable,
    settings::ServerSettings,
    stream::HttpStream,
};

/// Connections that wait in the kernel while all workers are busy.
const BACKLOG: i32 = 1024;

/// As many as a few collectors, probes and operators need; strangers do not come to the management address.
const MANAGEMENT_CONNECTIONS: usize = 256;

/// actix-http reads the clock only this often, so that its deadlines come early by as much.
const CLOCK_STEP: Duration = Duration::from_millis(500);

/// What a client may take to notice that its connection was closed.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

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
        // Before any metric is made, or it would lead nowhere.
        telemetry::metrics_handle();
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

    /// Binds the management address, if it is one of its own: with connections that clients cannot take, so that probes and
    /// operators are answered when those have taken all of theirs.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_management(
        management: &ManagementSettings,
        server_port: u16,
        actuator: &Actuator,
        lifecycle: &Lifecycle,
    ) -> io::Result<Option<Self>> {
        if !management.is_separate(server_port) {
            return Ok(None);
        }
        let actuator = actuator.clone().at_management(management);
        Self::bind(&of_management(management), actuator, lifecycle.clone(), |_| {}).map(Some)
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
        let application = self.actuator.service();
        let actuator = Data::new(self.actuator);
        let routes = self.routes;
        let authority = LocalAuthority::new(self.address);
        let lifecycle = self.lifecycle;
        let builder = actix_web::dev::Server::build()
            .workers(workers)
            .max_concurrent_connections(settings.max_connections.div_ceil(workers))
            .disable_signals()
            // In whole seconds; `run` is exact.
            .shutdown_timeout(settings.shutdown_timeout_ms.div_ceil(1000) + 1);
        let stopping = builder.graceful_shutdown_signal();

        let service = move || {
            let limits = BodyLimits { bytes: settings.body_limit_bytes, timeout: settings.header_timeout() };
            let mut table = RouteTable::default();
            let app = App::new()
                .app_data(limits)
                .app_data(PayloadConfig::new(limits.bytes))
                .app_data(authority.clone())
                .configure(|config| {
                    table = RouteTable::collect(|| {
                        routes.configure(config);
                        actuator::configure(config, actuator.clone());
                    });
                })
                .default_service(to(|| async {
                    Err::<HttpResponse, _>(Failure::from(Problem::not_found()))
                }));
            let app = app.wrap(Surround(Rc::new(Shared {
                application,
                timeout: settings.request_timeout(),
                routes: table,
                metrics: RefCell::new(RequestMetrics::new(application)),
                lifecycle: lifecycle.clone(),
            })));
            let app = map_config(app.into_factory().map_err(|error| error.error_response()), |()| {
                AppConfig::default()
            });
            let stopping = stopping.clone();
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(settings.keep_alive() + CLOCK_STEP)
                .client_request_timeout(settings.header_timeout() + CLOCK_STEP)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .h1(app);

            let connections = connections.clone();
            // What no other limit catches: the second request of a connection that stops in the middle of its head.
            let idle_limit =
                settings.keep_alive().max(settings.request_timeout()) + settings.header_timeout();
            fn_service(move |io: TcpStream| {
                let peer = io.peer_addr().ok();
                // Answers are written whole; waiting to fill a packet would only delay them.
                let _ = io.set_nodelay(true);
                ready(Ok::<_, DispatchError>((HttpStream::new(io, connections.open(), idle_limit), peer)))
            })
            .and_then(http)
        };
        Ok(builder.listen(application, self.listener, service)?.run())
    }
}

/// The management listener has one thread and connections of its own.
fn of_management(management: &ManagementSettings) -> ServerSettings {
    ServerSettings {
        host: management.host.clone(),
        port: management.port,
        workers: 1,
        max_connections: MANAGEMENT_CONNECTIONS,
        shutdown_delay_ms: 0,
        shutdown_timeout_ms: 1_000,
        ..ServerSettings::default()
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
