//! What lies under the services in one run: empty databases and an empty topic, on files or on PostgreSQL and Kafka.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use messaging::{EventLog, EventLogSettings, KafkaSettings};
use tempfile::TempDir;

use crate::Error;
use crate::binaries::Binaries;
use crate::infra::Infra;
use crate::service::Service;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Against {
    /// SQLite files and the local log
    Embedded,
    /// PostgreSQL and Apache Kafka, started by infra/up
    Real,
}

impl Against {
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Real => "real",
        }
    }
}

/// What all runs share.
pub struct Stage {
    pub binaries: Binaries,
    /// Where each run puts its data. Not a RAM disk: a commit there costs nothing.
    pub data: PathBuf,
    pub infra: Option<Infra>,
}

impl Stage {
    /// # Errors
    /// The directory, or `infra/up` failed.
    pub async fn set(against: Against, data: &Path, binaries: Binaries) -> Result<Self, Error> {
        std::fs::create_dir_all(data).map_err(Error::io(format!("creating {}", data.display())))?;
        let data = data.canonicalize().map_err(Error::io("finding the data directory"))?;
        let infra = match against {
            Against::Embedded => None,
            Against::Real => Some(Infra::up(&data.join("infra")).await?),
        };
        Ok(Self { binaries, data, infra })
    }

    pub fn against(&self) -> Against {
        if self.infra.is_some() { Against::Real } else { Against::Embedded }
    }
}

/// The name of payment's second database: the simulated card network's own books.
pub const LEDGER: &str = "ledger";

pub struct Ground {
    directory: TempDir,
    stage: Arc<Stage>,
    databases: BTreeMap<&'static str, String>,
    /// What prereservation proves to payment with, and what account encrypts its keys with.
    secret: String,
    pub event_log: EventLogSettings,
    pub kafka: KafkaSettings,
}

impl Ground {
    /// Empty databases for every service that has one, and a topic that is not there yet.
    ///
    /// # Errors
    /// They could not be made.
    pub async fn new(stage: &Arc<Stage>) -> Result<Self, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let directory = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&stage.data)
            .map_err(Error::io("creating a data directory"))?;
        let run = format!("{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let names =
            Service::ALL.iter().filter(|service| service.has_database()).map(|service| service.name());
        let mut databases = BTreeMap::new();
        for name in names.chain([LEDGER]) {
            let url = match &stage.infra {
                None => format!("sqlite://{}", directory.path().join(name).with_extension("db").display()),
                Some(infra) => infra.create_database(&format!("{run}_{name}")).await?,
            };
            databases.insert(name, url);
        }
        let mut event_log = EventLogSettings::default();
        let mut kafka = KafkaSettings::default();
        match &stage.infra {
            None => event_log.url = format!("sqlite://{}", directory.path().join("events.db").display()),
            Some(infra) => {
                kafka.brokers.clone_from(&infra.brokers);
                event_log.topic = format!("bench_{run}");
                event_log.topics.insert("account".to_owned(), format!("bench_{run}_account"));
            }
        }
        // Its name has a part that chance chose.
        let secret = format!("token-of-{}", directory.path().file_name().unwrap_or_default().display());
        Ok(Self { directory, stage: Arc::clone(stage), databases, secret, event_log, kafka })
    }

    pub fn stage(&self) -> &Arc<Stage> {
        &self.stage
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The URL of a service's database, or of [`LEDGER`].
    pub fn database(&self, name: &str) -> Option<&str> {
        self.databases.get(name).map(String::as_str)
    }

    pub fn databases(&self) -> &BTreeMap<&'static str, String> {
        &self.databases
    }

    /// What a service has to know of it.
    pub fn environment(&self, service: Service) -> Vec<(String, String)> {
        let mut environment = Vec::new();
        let mut put = |name: &str, value: &str| environment.push((name.to_owned(), value.to_owned()));
        if let Some(url) = self.database(service.name()) {
            put("DATABASE_URL", url);
            put("EVENT_LOG_URL", &self.event_log.url);
            put("EVENT_LOG_TOPIC", &self.event_log.topic);
            for (topic, name) in &self.event_log.topics {
                put(&format!("EVENT_LOG_TOPICS_{}", topic.to_uppercase()), name);
            }
            put("KAFKA_BROKERS", &self.kafka.brokers);
        }
        if matches!(service, Service::Prereservation | Service::Payment) {
            put("INTERNAL_TOKEN", &self.secret);
        }
        if service == Service::Account {
            put("KEYS_SECRET", &self.secret);
        }
        if let (Service::Payment, Some(url)) = (service, self.database(LEDGER)) {
            put("PROVIDER_LEDGER_URL", url);
            put("PROVIDER_LATENCY_MIN_MS", "0");
            put("PROVIDER_LATENCY_MAX_MS", "0");
        }
        environment
    }

    /// The log, opened by this process.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn open_log(&self) -> Result<Arc<dyn EventLog>, Error> {
        messaging::open(&self.event_log, &self.kafka).await.map_err(|e| Error::EventLog(e.to_string()))
    }

    /// One for each group.
    pub fn dead_letter_topics(&self) -> [String; 3] {
        ["payment", "receipt", "myreservation"].map(|group| format!("{}.{group}.dlt", self.event_log.topic))
    }

    /// Leaves everything where it is: files in this directory, databases and topic where they are.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.directory.keep()
    }

    /// Leaves nothing behind: files go by themselves, databases and topics here.
    ///
    /// # Errors
    /// PostgreSQL's or Kafka's.
    pub async fn remove(self) -> Result<(), Error> {
        if let Some(infra) = &self.stage.infra {
            for url in self.databases.values() {
                infra.drop_database(url).await?;
            }
            let dead = self.dead_letter_topics();
            let mut topics: Vec<&str> = dead.iter().map(String::as_str).collect();
            topics.push(&self.event_log.topic);
            topics.extend(self.event_log.topics.values().map(String::as_str));
            // Every start of Kafka opens all that are there.
            infra.delete_topics(&topics).await?;
        }
        Ok(())
    }
}
