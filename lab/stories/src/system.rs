//! A whole system of a story's own: started, looked at from outside, hurt, and gone at the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use futures::future::join_all;
use tempfile::TempDir;
use testkit::TestDatabase;

use crate::binaries;
use crate::environment::Environment;
use crate::http::Http;
use crate::process::Process;
use crate::setup::{Setup, kafka_brokers};
use harness::chaos::{self, TcpProxy};
use harness::events::EventReader;
use harness::ledger::Ledger;
use harness::ports::free_address;
use harness::waiting::{PATIENCE, eventually, when};
use harness::{Service, reaper};

/// What prereservation proves to payment with, here.
const INTERNAL_TOKEN: &str = "the-internal-token-of-a-story";

/// What account encrypts its private keys with, here.
const KEYS_SECRET: &str = "the-secret-of-the-keys-of-a-story";

/// The administrator of systems with `tokens_required`.
pub(crate) const ADMIN_EMAIL: &str = "admin@example.com";
pub(crate) const ADMIN_PASSWORD: &str = "the password of an administrator";

/// Who asks whom through a [`TcpProxy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    pub from: Service,
    pub to: Service,
}

impl Link {
    pub const RESERVE_TO_PAY: Self = Self { from: Service::Prereservation, to: Service::Payment };

    pub fn gateway_to(service: Service) -> Self {
        Self { from: Service::Gateway, to: service }
    }
}

/// A system about to be started: the defaults of the programs, but for what is said here.
pub struct Plan {
    setup: Setup,
    settings: Vec<(Service, &'static str, String)>,
    log_level: Option<&'static str>,
    collector: Option<String>,
    links: Vec<Link>,
    groups_of_its_own: bool,
    payment_timeout_ms: u64,
    core_dumps: bool,
    tokens_required: bool,
}

pub struct System {
    setup: Setup,
    /// By name; in the order in which they are listed.
    processes: Vec<Process>,
    addresses: BTreeMap<Service, SocketAddr>,
    proxies: BTreeMap<Link, TcpProxy>,
    topic: String,
    /// Those on PostgreSQL.
    database_urls: BTreeMap<String, String>,
    root: PathBuf,
    /// Gone when they are dropped.
    possessions: Mutex<Option<(TempDir, BTreeMap<String, TestDatabase>)>>,
}

impl Plan {
    pub fn of(setup: Setup) -> Self {
        Self {
            setup,
            settings: Vec::new(),
            log_level: None,
            collector: None,
            links: Vec::new(),
            groups_of_its_own: true,
            // As patient as a busy machine needs.
            payment_timeout_ms: 5000,
            core_dumps: false,
            tokens_required: false,
        }
    }

    /// How long prereservation waits for payment.
    #[must_use]
    pub fn payment_timeout_ms(mut self, limit: u64) -> Self {
        self.payment_timeout_ms = limit;
        self
    }

    /// An environment variable of a service, as its own process would get it.
    #[must_use]
    pub fn with(mut self, service: Service, variable: &'static str, value: impl ToString) -> Self {
        self.settings.push((service, variable, value.to_string()));
        self
    }

    #[must_use]
    pub fn log_level(mut self, level: &'static str) -> Self {
        self.log_level = Some(level);
        self
    }

    /// What is in their memory can be looked at.
    #[must_use]
    pub fn with_core_dumps(mut self) -> Self {
        self.core_dumps = true;
        self
    }

    /// `auth.mode = required`, and an administrator ([`User::admin`](crate::user::User::admin)).
    #[must_use]
    pub fn tokens_required(mut self) -> Self {
        self.tokens_required = true;
        self
    }

    /// Where everybody sends their spans.
    #[must_use]
    pub fn spans_to(mut self, collector: &str) -> Self {
        self.collector = Some(collector.to_owned());
        self
    }

    /// A network between the two that can fail.
    #[must_use]
    pub fn through_proxy(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }

    /// Consumer groups with the names that the services give themselves. On Kafka these span all systems of a broker, so
    /// that only one system at a time may use them.
    #[must_use]
    pub fn with_default_groups(mut self) -> Self {
        self.groups_of_its_own = false;
        self
    }

    pub async fn start(self) -> System {
        let directory =
            tempfile::Builder::new().prefix("preorder-e2e.").tempdir().expect("a directory can be made");
        reaper::owns(directory.path());
        for below in ["data", "logs"] {
            std::fs::create_dir(directory.path().join(below)).expect("a directory can be made");
        }
        let addresses: BTreeMap<_, _> = Service::ALL
            .into_iter()
            .map(|service| (service, free_address().expect("a port is free")))
            .collect();
        let proxy =
            |link: &Link| chaos::between(free_address().expect("a port is free"), vec![addresses[&link.to]]);
        let proxies: BTreeMap<_, _> = self.links.iter().map(|link| (*link, proxy(link))).collect();
        let databases = databases(self.setup).await;
        let topic = format!("e2e-{}", uuid::Uuid::new_v4().simple());
        let environment =
            self.environment(&directory.path().join("data"), &addresses, &proxies, &databases, &topic);
        let processes = match self.setup {
            Setup::One => vec![process("preorder", environment.of_all(), directory.path())],
            _ => Service::ALL
                .into_iter()
                .map(|service| process(service.name(), environment.of_service(service), directory.path()))
                .collect(),
        };
        let system = System {
            setup: self.setup,
            processes,
            addresses,
            proxies,
            topic,
            database_urls: databases
                .iter()
                .map(|(name, database)| (name.clone(), database.url().to_owned()))
                .collect(),
            root: directory.path().to_owned(),
            possessions: Mutex::new(Some((directory, databases))),
        };
        system.start_all().await;
        system
    }

    fn environment(
        &self,
        data: &Path,
        addresses: &BTreeMap<Service, SocketAddr>,
        proxies: &BTreeMap<Link, TcpProxy>,
        databases: &BTreeMap<String, TestDatabase>,
        topic: &str,
    ) -> Environment {
        let mut environment = Environment::new(self.setup);
        environment.set_data(data);
        let url = |from, to| match proxies.get(&Link { from, to }) {
            Some(proxy) => proxy.url(),
            None => format!("http://{}", addresses[&to]),
        };
        for service in Service::ALL {
            environment.set(service, "SERVER_PORT", addresses[&service].port());
            environment.set(service, "SERVER_WORKERS", 1);
        }
        for service in [Service::Prereservation, Service::Payment] {
            environment.set(service, "INTERNAL_TOKEN", INTERNAL_TOKEN);
        }
        let keys = format!("http://{}/.well-known/jwks.json", addresses[&Service::Account]);
        for service in Service::OF_RESERVATIONS {
            environment.set(service, "AUTH_JWKS_URL", &keys);
        }
        for patience in [
            "PAYMENT_CLIENT_TIMEOUT_MS",
            "PAYMENT_CLIENT_CONNECT_TIMEOUT_MS",
            "CIRCUIT_BREAKER_SLOW_CALL_DURATION_THRESHOLD_MS",
        ] {
            environment.set(Service::Prereservation, patience, self.payment_timeout_ms);
        }
        for service in Service::WITH_STATE {
            let variable = format!("URL_{}", service.name().to_uppercase());
            environment.set(Service::Gateway, &variable, url(Service::Gateway, service));
            environment.set(service, "EVENT_LOG_TOPIC", topic);
            environment.set(service, "EVENT_LOG_TOPICS_ACCOUNT", format!("{topic}-account"));
        }
        environment.set(Service::Account, "KEYS_SECRET", KEYS_SECRET);
        environment.set(
            Service::Prereservation,
            "URL_PAYMENT",
            url(Service::Prereservation, Service::Payment),
        );
        for (name, database) in databases {
            match Service::WITH_STATE.into_iter().find(|service| service.name() == name) {
                Some(service) => environment.set(service, "DATABASE_URL", database.url()),
                None => environment.set(Service::Payment, "PROVIDER_LEDGER_URL", database.url()),
            }
        }
        if self.setup.has_kafka() {
            let brokers = kafka_brokers().expect("checked when the set-up was chosen");
            for service in Service::WITH_STATE {
                environment.set(service, "KAFKA_BROKERS", &brokers);
                if self.groups_of_its_own && service.consumes() {
                    let group = format!("{{\"group.id\" = \"{}-{topic}\"}}", service.name());
                    environment.set(service, "KAFKA_PROPERTIES", group);
                }
            }
        }
        if let Some(level) = self.log_level {
            environment.set_for_all("LOG_LEVEL", level);
        }
        if self.core_dumps {
            environment.set_for_all("MEMORY_CORE_DUMPS", true);
        }
        if self.tokens_required {
            environment.set_for_all("AUTH_MODE", "required");
            environment.set(Service::Account, "ADMIN_EMAIL", ADMIN_EMAIL);
            environment.set(Service::Account, "ADMIN_PASSWORD", ADMIN_PASSWORD);
        }
        if let Some(collector) = &self.collector {
            environment.set_for_all("TRACING_OTLP_ENDPOINT", collector);
        }
        for (service, variable, value) in &self.settings {
            environment.set(*service, variable, value);
        }
        environment
    }
}

impl System {
    /// With nothing changed but addresses and places.
    pub async fn start(setup: Setup) -> Self {
        Plan::of(setup).start().await
    }

    pub fn setup(&self) -> Setup {
        self.setup
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Where the embedded data lies.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Databases on PostgreSQL.
    pub fn database_urls(&self) -> impl Iterator<Item = &str> {
        self.database_urls.values().map(String::as_str)
    }

    pub fn events(&self) -> EventReader {
        match kafka_brokers().filter(|_| self.setup.has_kafka()) {
            Some(brokers) => EventReader::kafka(brokers, &self.topic),
            None => EventReader::local(self.data().join("events.db"), &self.topic),
        }
    }

    /// The books of the card network.
    pub fn ledger(&self) -> Ledger {
        match self.database_urls.get("ledger") {
            Some(url) => Ledger::new(url),
            None => Ledger::new(&format!("sqlite://{}/ledger.db", self.data().display())),
        }
    }

    /// The address that everybody knows.
    pub fn gateway(&self) -> Http {
        self.service(Service::Gateway)
    }

    /// Past the gateway, as a stranger who got there.
    pub fn service(&self, service: Service) -> Http {
        Http::at(self.address(service))
    }

    /// payment, as prereservation asks it.
    pub fn payment_from_inside(&self) -> Http {
        self.service(Service::Payment).with_internal_token(INTERNAL_TOKEN)
    }

    pub fn address(&self, service: Service) -> SocketAddr {
        self.addresses[&service]
    }

    /// # Panics
    /// Without that link in the plan.
    pub fn network(&self, link: Link) -> &TcpProxy {
        self.proxies.get(&link).unwrap_or_else(|| panic!("no proxy was planned for {link:?}"))
    }

    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// The process of a service, for set-ups in which it is its own.
    pub fn process(&self, service: Service) -> &Process {
        let process = self.processes.iter().find(|process| process.name() == service.name());
        process.unwrap_or_else(|| panic!("{service:?} is no process of its own in {}", self.setup))
    }

    /// Starts what does not run, and waits until everything is ready.
    pub async fn start_all(&self) {
        for process in self.processes.iter().filter(|process| !process.is_running()) {
            process.start();
        }
        join_all(Service::ALL.map(|service| self.ready(service))).await;
    }

    /// Starts one service again.
    pub async fn restart(&self, service: Service) {
        self.process(service).start();
        self.ready(service).await;
    }

    pub async fn ready(&self, service: Service) {
        let process = match self.setup {
            Setup::One => &self.processes[0],
            _ => self.process(service),
        };
        eventually(PATIENCE, &format!("{} is ready", service.name()), async || {
            assert!(process.is_running(), "{} ended:\n{}", process.name(), process.said());
            match self.service(service).try_get("/actuator/health/readiness").await {
                Ok(answer) => when(answer.status == 200, format!("{} {}", answer.status, answer.text())),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// SIGTERM to all at once.
    pub async fn stop_all(&self) {
        let ended =
            join_all(self.processes.iter().map(async |process| (process.name(), process.stop().await)));
        for (name, status) in ended.await {
            assert!(status.success(), "{name} was asked to stop and ended with {status}");
        }
    }

    /// SIGKILL to all.
    pub async fn kill_all(&self) {
        join_all(self.processes.iter().map(Process::kill)).await;
    }

    /// Throws away what it stood on. For systems that are never dropped.
    pub fn clean_up(&self) {
        drop(self.possessions.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// The end of what each process said, for a story that failed.
    pub fn last_words(&self) -> String {
        let mut words = format!("--- {} ({})\n", self.setup, self.setup.describe());
        for process in &self.processes {
            let said = process.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines.len().saturating_sub(60);
            words += &format!("--- {}\n{}\n", process.name(), lines[last..].join("\n"));
        }
        words
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.last_words());
        }
    }
}

fn process(name: &'static str, environment: Vec<(String, String)>, directory: &Path) -> Process {
    let log = directory.join("logs").join(format!("{name}.log"));
    Process::new(name, &binaries::path(name), environment, directory, log)
}

async fn databases(setup: Setup) -> BTreeMap<String, TestDatabase> {
    let names: &[&str] = match setup {
        Setup::One | Setup::Five => &[],
        Setup::Real => &["prereservation", "payment", "receipt", "myreservation", "account", "ledger"],
        Setup::Mixed => &["prereservation", "receipt"],
    };
    let mut databases = BTreeMap::new();
    for name in names {
        let database = TestDatabase::postgres().await.expect("checked when the set-up was chosen");
        databases.insert((*name).to_owned(), database);
    }
    databases
}
