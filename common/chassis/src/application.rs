use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http_common::Lifecycle;
use identity::Authenticator;
use messaging::{EventLog, Outbox, Relay, RelayStatus};
use rest::Server;
use storage::Database;
use telemetry::Scope;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a worker may take to finish what it has in hand once it was told to stop.
const WORKER_STOP_LIMIT: Duration = Duration::from_secs(10);
/// What the log and the database may take to close once nothing is written any more.
const CLOSE_LIMIT: Duration = Duration::from_secs(6);
/// From the last answer to the end: the workers, the relay with its 5 and 2 seconds, log and database.
pub(crate) const PARTS_LIMIT: Duration = Duration::from_secs(25);
const TOPIC_RETRY: Duration = Duration::from_secs(2);

/// A service bound to its address, ready to run.
pub struct Application {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) server: Server,
    pub(crate) management: Option<Server>,
    pub(crate) database: Database,
    pub(crate) outbox: Outbox,
    pub(crate) relay_status: RelayStatus,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) authenticator: Authenticator,
    pub(crate) topics: Vec<String>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) stop_limit: Duration,
}

type Run = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send>;

pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the HTTP server failed")]
    Server(#[source] io::Error),
    /// A defect: the process ends rather than go on without one of its parts.
    #[error("the background task '{0}' ended unexpectedly")]
    TaskEnded(&'static str),
}

impl Application {
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Checks the tokens of its callers. A test gives it keys.
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Where its actuator answers, if that is an address of its own.
    pub fn management_addr(&self) -> Option<SocketAddr> {
        self.management.as_ref().map(Server::addr)
    }

    /// Where its state lies, without a password.
    pub fn database_url(&self) -> String {
        self.database.display_url()
    }

    /// How long it may take from the signal to its end; a part that takes longer has stopped working.
    pub fn stop_limit(&self) -> Duration {
        self.stop_limit
    }

    /// Runs until `stop`, then ends in order: readiness off, serve on for a moment, answer what is in flight, stop
    /// reading, finish the batch in hand, flush the outbox, close.
    ///
    /// # Errors
    /// The server cannot run, or a worker died.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RunError> {
        let scope = Scope::default().with_application(self.name);
        let stop_workers = CancellationToken::new();
        let stop_relay = CancellationToken::new();
        let stop_management = CancellationToken::new();
        let failed = CancellationToken::new();

        let mut workers = JoinSet::new();
        for Task { name, run } in self.tasks {
            let stop = stop_workers.clone();
            let failed = failed.clone();
            workers.spawn(scope.clone().run(async move {
                // Dropped in a panic too: whatever ends the task early stops the application.
                let guard = failed.drop_guard();
                run(stop.clone()).await;
                if stop.is_cancelled() {
                    guard.disarm();
                    return None;
                }
                Some(name)
            }));
        }
        workers.spawn(scope.clone().run(ensure_topics(self.log.clone(), self.topics, stop_workers.clone())));
        let relay = Relay::new(self.name, self.outbox, self.log.clone()).with_status(self.relay_status);
        let mut relay = tokio::spawn(scope.clone().run(relay.run(stop_relay.clone())));

        // Until the very end: operators want to see how it stops, too.
        let management = self.management.map(|server| {
            let (stop, guard) = (stop_management.clone(), failed.clone().drop_guard());
            tokio::spawn(scope.clone().run(async move {
                let served = server.run(stop.cancelled()).await;
                if stop.is_cancelled() {
                    guard.disarm();
                }
                served
            }))
        });

        self.lifecycle.started();
        let mut died = None;
        let served = {
            let asked = async {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = failed.cancelled() => {}
                    _ = &mut relay => died = Some("relay"),
                }
            };
            scope.run(self.server.run(asked)).await
        };

        stop_workers.cancel();
        let ended = tokio::time::timeout(WORKER_STOP_LIMIT, async {
            while let Some(ended) = workers.join_next().await {
                match ended {
                    Ok(None) => {}
                    Ok(Some(name)) => died = Some(name),
                    Err(error) => {
                        tracing::error!(%error, "a background task panicked");
                        died = Some("worker");
                    }
                }
            }
        });
        if ended.await.is_err() {
            tracing::warn!("a worker did not stop in time; what it had in hand is done again later");
            workers.abort_all();
        }
        stop_relay.cancel();
        if died != Some("relay")
            && let Err(error) = relay.await
        {
            tracing::error!(%error, "the relay panicked");
        }
        stop_management.cancel();
        let managed = match management {
            Some(server) => server.await.unwrap_or_else(|error| Err(io::Error::other(error))),
            None => Ok(()),
        };
        let closed = tokio::time::timeout(CLOSE_LIMIT, async {
            self.log.flush_and_close().await;
            self.database.close().await;
        });
        if closed.await.is_err() {
            tracing::warn!(
                "log and database were not closed in time; what was committed is told by the next process"
            );
        }
        served.and(managed).map_err(RunError::Server)?;
        died.map_or(Ok(()), |name| Err(RunError::TaskEnded(name)))
    }
}

/// Topics are created once the log answers, however long that takes. One that cannot be created keeps no other waiting.
async fn ensure_topics(
    log: Arc<dyn EventLog>,
    topics: Vec<String>,
    stop: CancellationToken,
) -> Option<&'static str> {
    let (log, stop) = (&*log, &stop);
    futures::future::join_all(topics.iter().map(|topic| ensure_topic(log, topic, stop))).await;
    None
}

async fn ensure_topic(log: &dyn EventLog, topic: &str, stop: &CancellationToken) {
    while let Err(error) = log.ensure_topic(topic).await {
        tracing::warn!(error = crate::error_chain(&error), topic, "topic not there yet; trying again");
        tokio::select! {
            () = tokio::time::sleep(TOPIC_RETRY) => {}
            () = stop.cancelled() => return,
        }
    }
}
