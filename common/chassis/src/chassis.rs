use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use futures::future::BoxFuture;
use http_common::{Actuator, ActuatorEndpoint, Breaker, DiskSpace, HealthCheck, InternalSettings, Lifecycle};
use identity::{Authenticator, HttpKeys, Mode};
use messaging::settings::Location;
use messaging::{
    Consumer, ConsumerStatus, DeadLetters, EventLog, Follower, FollowerStatus, Handler, Outbox,
    ReceivedRecord, RelayStatus, Topic, TopicNames,
};
use rest::{Authentication, Server};
use storage::{Database, Migrations};
use tokio_util::sync::CancellationToken;

use crate::application::{Application, PARTS_LIMIT, Task};
use crate::bans::{BanKeeper, BansHealth};
use crate::checks::{Consumed, ConsumerHealth, DatabaseHealth, EventLogHealth, OutboxHealth};
use crate::dead_letters::DeadLettersEndpoint;
use crate::keys::KeysHealth;
use crate::settings::{SharedSettings, is_set};
use crate::topic_watch::TopicWatch;

/// Why a service did not start; `main` prints it as one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Setting(#[from] settings::Invalid),
    #[error(transparent)]
    Database(#[from] storage::OpenError),
    #[error(transparent)]
    EventLog(#[from] messaging::OpenError),
    #[error("{key}: cannot listen on {host}:{port}")]
    Listen { key: &'static str, host: String, port: u16, source: io::Error },
    #[error("{what}")]
    Other { what: String, source: Box<dyn std::error::Error + Send + Sync> },
}

/// A service being put together.
pub struct Chassis {
    name: &'static str,
    settings: SharedSettings,
    database: Database,
    outbox: Outbox,
    relay_status: RelayStatus,
    log: Arc<dyn EventLog>,
    lifecycle: Lifecycle,
    actuator: Actuator,
    authenticator: Authenticator,
    internal: InternalSettings,
    names: TopicNames,
    /// In the log: those that the service tells on or reads.
    topics: Vec<String>,
    consumed: Vec<Consumed>,
    tasks: Vec<Task>,
}

impl Chassis {
    /// Opens database and log. `migrations` are the service's own; those of outbox and inbox come first by themselves.
    ///
    /// # Errors
    /// A wrong setting, a database that does not answer, a log file that cannot be opened. Kafka may be away.
    pub async fn open(
        name: &'static str,
        settings: SharedSettings,
        migrations: &[Migrations],
    ) -> Result<Self, StartError> {
        // The recorder has to exist first: earlier descriptions are lost.
        telemetry::metrics_handle();
        crate::descriptions::describe();
        let mut all = vec![messaging::MIGRATIONS];
        all.extend_from_slice(migrations);
        let database = Database::open(&settings.database, &all).await?;
        let log = messaging::open(&settings.event_log, &settings.kafka).await?;
        let files = database.directory().into_iter().chain(event_log_directory(&settings)?);
        let disk_space = DiskSpace::new(&settings.management.health.diskspace, files);
        let lifecycle = Lifecycle::new();
        let relay_status = RelayStatus::default();
        let actuator = Actuator::new(name, lifecycle.clone())
            .health(Arc::new(disk_space))
            .health(Arc::new(DatabaseHealth::new(database.clone())))
            .health(Arc::new(OutboxHealth::new(relay_status.clone())));
        let names = settings.event_log.topic_names();
        Ok(Self {
            name,
            outbox: Outbox::new(database.clone()).with_topics(names.clone()),
            database,
            relay_status,
            log,
            lifecycle,
            actuator,
            authenticator: Authenticator::new(name, &settings.auth),
            internal: InternalSettings::default(),
            names,
            topics: Vec::new(),
            consumed: Vec::new(),
            settings,
            tasks: Vec::new(),
        })
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// Checks tokens. account gives it keys of its own; the others fetch those from account.
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Whether a request needs a token.
    pub fn auth_mode(&self) -> Mode {
        self.authenticator.mode()
    }

    /// A request with the internal token comes from another service. Without this call no request counts as one.
    pub fn accept_services(&mut self, internal: InternalSettings) {
        self.internal = internal;
    }

    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// The service tells facts of this topic: it has to be there, and facts have to last in it.
    pub fn tell(&mut self, topic: Topic) {
        self.use_topic(self.names.of(topic.name).to_owned());
    }

    /// Reads a topic as the group of this service's name. A service that reads several topics says this of each; they have
    /// nothing in common but the group's name and `[consumer]`: positions, dead letters and what stops them are their own.
    pub fn consume<H: Handler>(&mut self, topic: Topic, handler: Arc<H>) {
        let topic = self.names.of(topic.name).to_owned();
        self.use_topic(topic.clone());
        let status = ConsumerStatus::default();
        self.consumed.push(Consumed { topic: topic.clone(), status: status.clone() });
        let consumer = Consumer {
            group: self.name,
            topic,
            outbox: self.outbox.clone(),
            log: self.log.clone(),
            handler,
            settings: self.settings.consumer.clone(),
            status,
        };
        self.background("consumer", move |stop| consumer.run(stop));
    }

    fn use_topic(&mut self, topic: String) {
        if !self.topics.contains(&topic) {
            self.topics.push(topic);
        }
    }

    /// What follows from the topics that are used.
    fn watch_topics(&mut self) -> Vec<String> {
        let watch = TopicWatch::default();
        let consumed = self.consumed.clone();
        self.health(Arc::new(EventLogHealth::new(self.log.clone(), watch.clone(), consumed.clone())));
        let (log, topics) = (self.log.clone(), self.topics.clone());
        self.background("topic watch", move |stop| watch.run(log, topics, stop));
        let letters = consumed.iter().map(|Consumed { topic, .. }| format!("{topic}.{}.dlt", self.name));
        let needed = self.topics.iter().cloned().chain(letters).collect();
        if !consumed.is_empty() {
            self.health(Arc::new(ConsumerHealth::new(consumed)));
            let letters = DeadLetters::new(self.database.clone());
            self.actuator_endpoint("deadletters", Arc::new(DeadLettersEndpoint::new(letters)));
        }
        needed
    }

    /// Adds a worker. It must run until its token is cancelled; one that ends earlier ends the process.
    pub fn background<F>(
        &mut self,
        name: &'static str,
        task: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let run = move |stop| -> BoxFuture<'static, ()> { Box::pin(task(stop)) };
        self.tasks.push(Task { name, run: Box::new(run) });
    }

    pub fn health(&mut self, check: Arc<dyn HealthCheck>) {
        self.actuate(|actuator| actuator.health(check));
    }

    pub fn breaker(&mut self, breaker: Arc<dyn Breaker>) {
        self.actuate(|actuator| actuator.breaker(breaker));
    }

    pub fn actuator_endpoint(&mut self, name: &'static str, endpoint: Arc<dyn ActuatorEndpoint>) {
        self.actuate(|actuator| actuator.endpoint(name, endpoint));
    }

    /// account may be away: the start does not wait for it.
    fn keep_keys(&mut self) -> Result<(), StartError> {
        let auth = &self.settings.auth;
        if !auth.jwks_url.is_empty() && !self.authenticator.has_source() {
            let keys = HttpKeys::new(&auth.jwks_url, auth.jwks_timeout())?;
            self.authenticator.set_source(Arc::new(keys));
        }
        let authenticator = self.authenticator.clone();
        self.health(Arc::new(KeysHealth(self.authenticator.clone())));
        self.background("keys of tokens", move |stop| async move {
            stop.run_until_cancelled(authenticator.keep_keys()).await;
        });
        Ok(())
    }

    /// Each replica has to know each ban, so it follows the topic in no group.
    fn keep_bans(&mut self) {
        let topic = self.names.of(events::ACCOUNT.name).to_owned();
        self.use_topic(topic.clone());
        let bans = self.authenticator.bans().clone();
        let status = FollowerStatus::default();
        let mode = self.authenticator.mode();
        self.health(Arc::new(BansHealth { status: status.clone(), bans: bans.clone(), mode }));
        let keeper = BanKeeper::new(self.name, bans, &self.settings.auth);
        let follower = Follower {
            topic,
            reader: self.name,
            log: self.log.clone(),
            since: keeper.reads_since(),
            status,
            record: move |received: &ReceivedRecord, is_news| keeper.take(received, is_news),
        };
        self.background("bans", move |stop| follower.run(stop));
    }

    fn actuate(&mut self, add: impl FnOnce(Actuator) -> Actuator) {
        let empty = Actuator::new(self.name, self.lifecycle.clone());
        self.actuator = add(std::mem::replace(&mut self.actuator, empty));
    }

    /// Binds the address, and that of the management if it is another one. Nothing is answered or read before
    /// [`Application::run`].
    ///
    /// # Errors
    /// An address is taken, or not this machine's.
    pub fn serve(
        mut self,
        configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Result<Application, StartError> {
        self.keep_keys()?;
        self.keep_bans();
        if self.consumed.is_empty() && is_set(&self.settings.consumer) {
            tracing::warn!(
                "[consumer] is set without effect: {} reads no topic as a consumer group",
                self.name
            );
        }
        let topics = self.watch_topics();
        let authentication = Data::new(Authentication::new(self.authenticator.clone(), self.internal));
        let configure = move |config: &mut ServiceConfig| {
            config.app_data(authentication.clone());
            configure(config);
        };
        let SharedSettings { server, management, .. } = self.settings;
        let stop_limit = server.shutdown_delay() + server.shutdown_timeout() + PARTS_LIMIT;
        let bound = Server::bind_management(&management, server.port, &self.actuator, &self.lifecycle);
        let managed = bound.map_err(|source| StartError::Listen {
            key: "management.port",
            host: management.host.clone(),
            port: management.port,
            source,
        })?;
        let actuator = self.actuator.at_server(&management, server.port);
        let bound = Server::bind(&server, actuator, self.lifecycle.clone(), configure);
        let server = bound.map_err(|source| StartError::Listen {
            key: "server.port",
            host: server.host.clone(),
            port: server.port,
            source,
        })?;
        let address: SocketAddr = server.addr();
        Ok(Application {
            name: self.name,
            address,
            server,
            management: managed,
            database: self.database,
            outbox: self.outbox,
            relay_status: self.relay_status,
            log: self.log,
            lifecycle: self.lifecycle,
            authenticator: self.authenticator,
            topics,
            tasks: self.tasks,
            stop_limit,
        })
    }
}

/// Where the local log lies.
fn event_log_directory(settings: &SharedSettings) -> Result<Option<PathBuf>, StartError> {
    Ok(match settings.event_log.location(&settings.kafka)? {
        Location::Local(path) => {
            std::path::absolute(path).ok().and_then(|path| path.parent().map(PathBuf::from))
        }
        Location::Kafka(_) => None,
    })
}
