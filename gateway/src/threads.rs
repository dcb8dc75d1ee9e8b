//! The workers' threads: started together, told together, ended together.

use std::{
    io, net,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::sync::{mpsc, watch};

use crate::{
    client::Others,
    gateway::Gateway,
    worker::{self, Orders},
};

/// Why the gateway ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("a worker thread could not be started")]
    Start(#[source] io::Error),
    #[error("a worker thread failed")]
    Worker(#[source] io::Error),
    #[error("a worker thread panicked")]
    Panic,
}

/// Dropping them cuts everything off.
pub(crate) struct Threads {
    orders: watch::Sender<Orders>,
    endings: mpsc::Receiver<Result<(), RunError>>,
}

impl Threads {
    /// One for each listener.
    ///
    /// # Errors
    /// The system has no more of them.
    pub(crate) fn start(
        name: &str,
        gateway: &Arc<Gateway>,
        listeners: Vec<net::TcpListener>,
    ) -> Result<Self, RunError> {
        let (orders, _) = watch::channel(Orders::Serve);
        let count = listeners.len();
        let (ended, endings) = mpsc::channel(count.max(1));
        for (index, (listener, (others, requests))) in
            listeners.into_iter().zip(Others::of(count)).enumerate()
        {
            let (gateway, orders, ended) = (gateway.clone(), orders.subscribe(), ended.clone());
            thread::Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || {
                    let run = AssertUnwindSafe(|| worker::run(&gateway, listener, orders, others, requests));
                    let result = match catch_unwind(run) {
                        Ok(result) => result.map_err(RunError::Worker),
                        Err(_) => Err(RunError::Panic),
                    };
                    // Nobody waits for it if the application was dropped.
                    let _ = ended.blocking_send(result);
                })
                .map_err(RunError::Start)?;
        }
        Ok(Self { orders, endings })
    }

    /// Until one of them ends by itself.
    pub(crate) async fn ending(&mut self) -> Result<(), RunError> {
        self.endings.recv().await.unwrap_or(Err(RunError::Panic))
    }

    /// Every answer is the last on its connection from now on.
    pub(crate) fn drain(&self) {
        self.orders.send_replace(Orders::Drain);
    }

    /// Until every answer is given, or `patience` is over.
    pub(crate) async fn close(mut self, patience: Duration) -> Result<(), RunError> {
        self.orders.send_replace(Orders::Close(patience));
        while let Some(ending) = self.endings.recv().await {
            ending?;
        }
        Ok(())
    }
}
