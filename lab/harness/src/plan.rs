//! What to start: which services, how often, where, with which settings.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::Error;
use crate::cgroup::Cgroup;
use crate::ground::Ground;
use crate::ports::free_address;
use crate::service::Service;

/// What to start. The ports are chosen here, so that others can be told before anything runs.
#[derive(Debug, Clone)]
pub struct Plan {
    pub addresses: BTreeMap<Service, Vec<SocketAddr>>,
    environment: Vec<(Option<Service>, String, String)>,
    /// Of one process only.
    own: Vec<(Service, usize, String, String)>,
    pub cpus: BTreeMap<Service, String>,
    /// Where a process of the service writes its id before it begins.
    pub doors: BTreeMap<Service, PathBuf>,
}

impl Plan {
    /// One process of each of these.
    ///
    /// # Errors
    /// No port is free.
    pub fn new(services: &[Service]) -> Result<Self, Error> {
        let mut plan = Self {
            addresses: BTreeMap::new(),
            environment: Vec::new(),
            own: Vec::new(),
            cpus: BTreeMap::new(),
            doors: BTreeMap::new(),
        };
        for service in services {
            plan.add_replica(*service)?;
        }
        Ok(plan)
    }

    /// # Errors
    /// No port is free.
    pub fn all() -> Result<Self, Error> {
        Self::new(&Service::ALL)
    }

    /// One more process of this service.
    ///
    /// # Errors
    /// No port is free.
    pub fn add_replica(&mut self, service: Service) -> Result<SocketAddr, Error> {
        let address = free_address()?;
        self.addresses.entry(service).or_default().push(address);
        Ok(address)
    }

    pub fn addresses(&self, service: Service) -> &[SocketAddr] {
        self.addresses.get(&service).map_or(&[], Vec::as_slice)
    }

    /// Sets a variable for one service, or for all. Wins over what is set here otherwise.
    #[must_use]
    pub fn with(mut self, service: Option<Service>, name: &str, value: &str) -> Self {
        self.environment.push((service, name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a variable for one process. Wins over everything else.
    #[must_use]
    pub fn with_own(mut self, service: Service, replica: usize, name: &str, value: &str) -> Self {
        self.own.push((service, replica, name.to_owned(), value.to_owned()));
        self
    }

    /// All processes of this service share one port, as those do of which one takes over from another.
    #[must_use]
    pub fn on_one_port(mut self, service: Service) -> Self {
        if let Some(addresses) = self.addresses.get_mut(&service)
            && let Some(first) = addresses.first().copied()
        {
            addresses.fill(first);
        }
        self.with(Some(service), "SERVER_REUSE_PORT", "true")
    }

    /// Keeps a service on these CPUs (`taskset`'s list).
    #[must_use]
    pub fn on_cpus(mut self, service: Service, cpus: &str) -> Self {
        self.cpus.insert(service, cpus.to_owned());
        self
    }

    /// Keeps a service's processes in this cgroup, from their first instruction on.
    #[must_use]
    pub fn in_cgroup(mut self, service: Service, cgroup: &Cgroup) -> Self {
        self.doors.insert(service, cgroup.door());
        self
    }

    /// The URLs under which others find a service: all replicas, separated by commas.
    fn urls(&self, service: Service) -> String {
        let urls = self.addresses(service).iter().map(|address| format!("http://{address}"));
        urls.collect::<Vec<_>>().join(",")
    }

    pub fn environment_of(&self, service: Service, replica: usize, ground: &Ground) -> Vec<(String, String)> {
        let mut environment = ground.environment(service);
        let mut put = |name: &str, value: String| environment.push((name.to_owned(), value));
        put("LOG_LEVEL", "warn".to_owned());
        put("SERVER_PORT", self.addresses(service)[replica].port().to_string());
        if service.has_database() && service != Service::Account {
            // One address here too. Empty: no keys, and no token holds.
            let account = self.addresses(Service::Account).first();
            let keys = account.map(|account| format!("http://{account}/.well-known/jwks.json"));
            put("AUTH_JWKS_URL", keys.unwrap_or_default());
        }
        match service {
            Service::Prereservation => {
                // It knows one address of payment; a balancer in between would be the cluster's.
                if let Some(payment) = self.addresses(Service::Payment).first() {
                    put("URL_PAYMENT", format!("http://{payment}"));
                }
            }
            Service::Gateway => {
                // As in the image.
                put("MIMALLOC_PURGE_DELAY", "0".to_owned());
                for target in Service::ALL.into_iter().filter(|target| *target != Service::Gateway) {
                    if !self.addresses(target).is_empty() {
                        put(&format!("URL_{}", target.name().to_uppercase()), self.urls(target));
                    }
                }
            }
            _ => {}
        }
        let own = self.environment.iter().filter(|(of, ..)| of.is_none_or(|of| of == service));
        environment.extend(own.map(|(_, name, value)| (name.clone(), value.clone())));
        let own = self.own.iter().filter(|(of, which, ..)| (*of, *which) == (service, replica));
        environment.extend(own.map(|(.., name, value)| (name.clone(), value.clone())));
        environment
    }
}
