//! Puts the gateway together: ports, threads, the end.

use std::{io, net::SocketAddr, num::NonZeroUsize, sync::Arc, thread, time::Duration};

use settings::Invalid;
use tokio::time::sleep;

use crate::{
    gateway::Gateway,
    listeners::Listeners,
    metrics,
    settings::{ServerSettings, Settings},
    threads::{RunError, Threads},
};

/// What the last answers at the management address may take.
const MANAGEMENT_PATIENCE: Duration = Duration::from_secs(1);

/// A gateway that is bound to its address.
pub struct Application {
    gateway: Arc<Gateway>,
    listeners: Listeners,
    server: ServerSettings,
    management: Option<(Arc<Gateway>, Listeners)>,
}

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Settings(#[from] Invalid),
    #[error("{key}: cannot listen on {host}:{port}")]
    Bind { key: &'static str, host: String, port: u16, source: io::Error },
}

impl Application {
    /// Checks the settings and binds the ports. Connections are accepted from here on, and answered by [`run`](Self::run).
    ///
    /// # Errors
    /// A setting that is wrong, or a port that is taken.
    pub async fn build(settings: Settings) -> Result<Self, BuildError> {
        let gateway = Gateway::compile(&settings)?;
        // Handles made before the recorder is there would lead nowhere.
        telemetry::metrics_handle();
        metrics::describe();
        let server = &settings.server;
        let listeners = Listeners::bind(&server.host, server.port, workers(server), server.reuse_port);
        let listeners = listeners.await.map_err(cannot("server.port", &server.host, server.port))?;
        let management = match gateway.management(&settings) {
            None => None,
            Some(gateway) => {
                let (host, port) = (&settings.management.host, settings.management.port);
                let listeners = Listeners::bind(host, port, 1, false).await;
                Some((Arc::new(gateway), listeners.map_err(cannot("management.port", host, port))?))
            }
        };
        Ok(Self { gateway: Arc::new(gateway), listeners, server: settings.server, management })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.listeners.addr
    }

    /// How long it may take from the signal to its end.
    pub fn stop_limit(&self) -> Duration {
        self.server.stop_limit()
    }

    /// Where its actuator answers, if that is an address of its own.
    pub fn management_addr(&self) -> Option<SocketAddr> {
        self.management.as_ref().map(|(_, listeners)| listeners.addr)
    }

    /// Serves until `shutdown` is over, and then until every answer is given. Dropping the future cuts everything off.
    ///
    /// # Errors
    /// A thread could not start, or ended by itself.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        // It is there before readiness is, and longer than the other.
        let mut management = match self.management {
            None => None,
            Some((gateway, listeners)) => {
                Some(Threads::start("gateway-management", &gateway, listeners.each)?)
            }
        };
        let count = self.listeners.each.len();
        let mut workers = Threads::start("gateway", &self.gateway, self.listeners.each)?;
        let lifecycle = &self.gateway.lifecycle;
        lifecycle.started();
        tracing::info!(address = %self.listeners.addr, workers = count, "gateway is ready");

        tokio::select! {
            () = shutdown => {}
            // They end when they are told to: this one did not wait for it.
            ending = workers.ending() => return ending,
            ending = ending_of(&mut management) => return ending,
        }
        lifecycle.stopping();
        workers.drain();
        tracing::info!("gateway stops: readiness is off, requests are still answered");
        sleep(self.server.shutdown_delay()).await;
        lifecycle.draining();
        workers.close(self.server.shutdown_timeout()).await?;
        if let Some(management) = management {
            management.close(MANAGEMENT_PATIENCE).await?;
        }
        tracing::info!("gateway has stopped");
        Ok(())
    }
}

async fn ending_of(threads: &mut Option<Threads>) -> Result<(), RunError> {
    match threads {
        Some(threads) => threads.ending().await,
        None => std::future::pending().await,
    }
}

fn workers(server: &ServerSettings) -> usize {
    match server.workers {
        0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
        some => some,
    }
}

fn cannot(key: &'static str, host: &str, port: u16) -> impl FnOnce(io::Error) -> BuildError {
    let host = host.to_owned();
    move |source| BuildError::Bind { key, host, port, source }
}
