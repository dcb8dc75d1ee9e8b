//! Who talks to whom over TCP, each through a proxy that can be told to misbehave.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use harness::chaos::{self, Network, TcpProxy};

use harness::ground::{Ground, LEDGER};
use harness::ports::free_address;
use harness::{Error, Plan, Service};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// From prereservation to payment, whichever replica it reaches.
    Payment,
    /// From the gateways to one process.
    Gateway(Service, usize),
    /// From one process to PostgreSQL.
    Postgres(Service, usize),
    /// From one process to Kafka.
    Kafka(Service, usize),
}

impl Link {
    /// All that there are: files have no network.
    pub fn all(replicas: usize, real: bool) -> Vec<Self> {
        let mut links = vec![Self::Payment];
        for (service, replica) in processes(replicas) {
            links.push(Self::Gateway(service, replica));
            if real {
                links.extend([Self::Postgres(service, replica), Self::Kafka(service, replica)]);
            }
        }
        links
    }

    /// Whether a process that is started needs it to become ready.
    pub fn is_needed_at_start(self) -> bool {
        matches!(self, Self::Postgres(..) | Self::Kafka(..))
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payment => f.write_str("prereservation -> payment"),
            Self::Gateway(service, replica) => write!(f, "gateway -> {}-{replica}", service.name()),
            Self::Postgres(service, replica) => write!(f, "{}-{replica} -> PostgreSQL", service.name()),
            Self::Kafka(service, replica) => write!(f, "{}-{replica} -> Kafka", service.name()),
        }
    }
}

fn processes(replicas: usize) -> impl Iterator<Item = (Service, usize)> {
    let services = Service::ALL.into_iter().filter(|service| service.has_database());
    services.flat_map(move |service| (0..replicas).map(move |replica| (service, replica)))
}

/// A broker tells its clients where to come to. So that they come through a proxy, it has a listener for each of them,
/// whose advertised address is the proxy's.
pub struct Doors(BTreeMap<(Service, usize), Door>);

#[derive(Clone, Copy)]
struct Door {
    listener: SocketAddr,
    proxy: SocketAddr,
}

impl Doors {
    /// # Errors
    /// No port is free.
    pub fn new(replicas: usize) -> Result<Self, Error> {
        let door = |process| Ok((process, Door { listener: free_address()?, proxy: free_address()? }));
        processes(replicas).map(door).collect::<Result<_, Error>>().map(Self)
    }

    /// As `infra/up` wants to be told.
    pub fn to_environment(&self) -> String {
        let doors = self.0.values().map(|door| format!("{}={}", door.listener.port(), door.proxy.port()));
        doors.collect::<Vec<_>>().join(" ")
    }
}

/// The proxies of one run.
pub struct Links(BTreeMap<Link, TcpProxy>);

impl Links {
    /// Puts a proxy into every link, and tells the processes.
    ///
    /// # Errors
    /// No port is free.
    pub fn lay(
        mut plan: Plan,
        ground: &Ground,
        replicas: usize,
        doors: Option<&Doors>,
    ) -> Result<(Plan, Self), Error> {
        let mut proxies = BTreeMap::new();
        let payments = plan.addresses(Service::Payment).to_vec();
        let payment = chaos::between(free_address()?, payments);
        plan = plan.with(Some(Service::Prereservation), "URL_PAYMENT", &payment.url());
        proxies.insert(Link::Payment, payment);
        let mut urls: BTreeMap<Service, Vec<String>> = BTreeMap::new();
        for (service, replica) in processes(replicas) {
            let proxy = chaos::between(free_address()?, vec![plan.addresses(service)[replica]]);
            urls.entry(service).or_default().push(proxy.url());
            proxies.insert(Link::Gateway(service, replica), proxy);
            if let Some(postgres) = &ground.stage().infra {
                let proxy = chaos::between(free_address()?, vec![postgres.postgres_address()]);
                let through = |name| {
                    let url = ground.database(name).unwrap_or_default();
                    url.replace(&postgres.postgres_address().to_string(), &proxy.address().to_string())
                };
                plan = plan.with_own(service, replica, "DATABASE_URL", &through(service.name()));
                if service == Service::Payment {
                    plan = plan.with_own(service, replica, "PROVIDER_LEDGER_URL", &through(LEDGER));
                }
                proxies.insert(Link::Postgres(service, replica), proxy);
            }
            if let Some(Door { listener, proxy }) = doors.and_then(|doors| doors.0.get(&(service, replica))) {
                let proxy = chaos::between(*proxy, vec![*listener]);
                plan = plan.with_own(service, replica, "KAFKA_BROKERS", &proxy.address().to_string());
                proxies.insert(Link::Kafka(service, replica), proxy);
            }
        }
        for (service, urls) in urls {
            let name = format!("URL_{}", service.name().to_uppercase());
            plan = plan.with(Some(Service::Gateway), &name, &urls.join(","));
        }
        Ok((plan, Self(proxies)))
    }

    pub async fn set(&self, link: Link, network: Network) {
        if let Some(proxy) = self.0.get(&link) {
            proxy.set(network).await;
        }
    }

    /// How many requests went over it so far.
    pub fn requests(&self, link: Link) -> usize {
        self.0.get(&link).map_or(0, TcpProxy::requests)
    }
}
