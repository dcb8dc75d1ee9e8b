//! The environment variables that make a system of six programs, or of one.

use std::collections::BTreeMap;
use std::path::Path;

use crate::setup::Setup;
use harness::Service;

/// Variables by process.
pub(crate) struct Environment {
    setup: Setup,
    by_service: BTreeMap<Service, BTreeMap<String, String>>,
    of_the_process: BTreeMap<String, String>,
}

impl Environment {
    pub(crate) fn new(setup: Setup) -> Self {
        let by_service = Service::ALL.into_iter().map(|service| (service, BTreeMap::new())).collect();
        Self { setup, by_service, of_the_process: BTreeMap::new() }
    }

    pub(crate) fn set(&mut self, service: Service, name: &str, value: impl ToString) {
        self.by_service.entry(service).or_default().insert(name.to_owned(), value.to_string());
    }

    pub(crate) fn set_for_all(&mut self, name: &str, value: impl ToString) {
        match self.setup {
            // One process has one log.
            Setup::One => {
                self.of_the_process.insert(name.to_owned(), value.to_string());
            }
            _ => Service::ALL.into_iter().for_each(|service| self.set(service, name, value.to_string())),
        }
    }

    /// Where the embedded data lies.
    pub(crate) fn set_data(&mut self, directory: &Path) {
        if self.setup == Setup::One {
            self.of_the_process.insert("DATA_DIR".to_owned(), directory.display().to_string());
            return;
        }
        let file = |name: &str| format!("sqlite://{}/{name}.db", directory.display());
        for service in Service::WITH_STATE {
            self.set(service, "DATABASE_URL", file(service.name()));
            self.set(service, "EVENT_LOG_URL", file("events"));
        }
        self.set(Service::Payment, "PROVIDER_LEDGER_URL", file("ledger"));
    }

    /// What one process of its own is told.
    pub(crate) fn of_service(&self, service: Service) -> Vec<(String, String)> {
        let variables = self.by_service.get(&service).into_iter().flatten();
        variables.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// What the single process is told: every service's own, with its name in front.
    pub(crate) fn of_all(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> =
            self.of_the_process.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        for (service, variables) in &self.by_service {
            let prefix = service.name().to_uppercase();
            all.extend(variables.iter().map(|(name, value)| (format!("{prefix}_{name}"), value.clone())));
        }
        all
    }
}
