//! A gateway, services that do as they are told, and a client that can misbehave.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

mod client;
mod service;

use std::{
    future::Future,
    net::SocketAddr,
    time::{Duration, Instant},
};

use gateway::{
    Application, Settings,
    settings::{CorsSettings, RouteSettings},
};
use tokio::{sync::oneshot, task::JoinHandle};

#[allow(unused_imports)]
pub use client::{Answer, Client, get};
#[allow(unused_imports)]
pub use service::{Reply, Seen, Service};

/// How long anything in these tests may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Gateway {
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Gateway {
    pub async fn start(settings: Settings) -> Self {
        let application = Application::build(settings).await.unwrap();
        let addr = application.addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            application
                .run(async {
                    let _ = stopped.await;
                })
                .await
                .unwrap();
        });
        Self { addr, stop: Some(stop), task }
    }

    /// With one route, `/x/**`, to the service.
    pub async fn before(service: &Service) -> Self {
        Self::start(settings(&[route("x", "/x/**", service.addr)])).await
    }

    /// What SIGTERM does.
    pub fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    pub async fn stopped(self) {
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

pub fn settings(routes: &[RouteSettings]) -> Settings {
    let mut settings = Settings::compiled_in(None).unwrap();
    settings.server.port = 0;
    settings.server.workers = 1;
    settings.routes = routes.to_vec();
    settings.cors = CorsSettings { allowed_origins: Vec::new(), ..settings.cors };
    settings
}

pub fn route(id: &str, path: &str, to: SocketAddr) -> RouteSettings {
    RouteSettings {
        id: id.to_owned(),
        uri: Some(format!("http://{to}")),
        path: path.to_owned(),
        ..RouteSettings::default()
    }
}

/// Asks until the answer is yes.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !ask().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
