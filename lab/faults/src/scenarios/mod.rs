//! Runs that look at one promise: each has figures of its own, and where customers reserve the same audit at its end.

mod accounts;
mod act;
mod away;
mod bad_requests;
mod bombs;
mod broken;
mod corrupt_log;
mod flood;
mod full_disk;
mod health;
mod poisoned;
mod probe;
mod races;
mod rolling;
mod slow_readers;
mod squatted;
mod unknown;
mod watch;

use crate::run::Place;
use harness::Error;

pub use act::{Act, Played};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// Customers have accounts, which are required; sessions are renewed and guests are banned, with kills (2,000 reservations, small: 60)
    Accounts,
    /// 10,000 cancellations while the card is being charged, with kills (small: 100)
    Races,
    /// 2,000 requests to payment whose outcome nobody knows, all resolved within 60 s (small: 40)
    Unknown,
    /// Kafka away for 10 minutes under load (small: 10 s); --against real
    KafkaAway,
    /// PostgreSQL away for 60 s under load (small: 5 s); --against real
    PostgresAway,
    /// Kafka silent for 20 s under load (SIGSTOP); --against real
    KafkaFrozen,
    /// PostgreSQL restarted under load, as with -m immediate; --against real
    PostgresImmediate,
    /// 1 % of the records cannot be read; how late the others are (5,000 reservations, small: 150)
    Poison,
    /// The disk is full for a minute under load (small: 5 s); needs root, to mount a small one
    FullDisk,
    /// The local log's file is damaged for a minute under load, and restored (small: 15 s)
    CorruptLog,
    /// Everything restarted one after the other under siege -c255, two of each (180 s, small: 30 s)
    Rolling,
    /// 10,000 broken requests at every endpoint of the gateway, and the corpora of its tests (small: 500)
    BadRequests,
    /// Strangers pay for ids that nobody has yet, at the gateway and at payment (2,000 reservations, small: 100)
    Squatted,
    /// 200 clients read a list of 1,000 at 8 kB a second through the gateway (small: 24 at 80 kB a second)
    SlowReaders,
    /// 20,000 records of as many keys that nobody can read, in waves; what each costs (small: 2,000)
    Flood,
    /// Twelve batches of 300 MB in 300 kB, with the consumers in the memory limit of Kubernetes (small: 2); --against real
    Bombs,
}

impl Scenario {
    pub fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self)
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// # Errors
    /// Something that belongs to the runner, not to the system, failed; or it needs what is not there.
    pub async fn play(self, place: Place<'_>, act: Act) -> Result<Played, Error> {
        match self {
            Self::Accounts => accounts::play(place, act).await,
            Self::Races => races::play(place, act).await,
            Self::Unknown => unknown::play(place, act).await,
            Self::KafkaAway => away::play(place, act, &away::KAFKA).await,
            Self::PostgresAway => away::play(place, act, &away::POSTGRES).await,
            Self::KafkaFrozen => away::play(place, act, &away::FROZEN).await,
            Self::PostgresImmediate => away::play(place, act, &away::IMMEDIATE).await,
            Self::Poison => poisoned::play(place, act).await,
            Self::FullDisk => full_disk::play(place, act).await,
            Self::CorruptLog => corrupt_log::play(place, act).await,
            Self::Rolling => rolling::play(place, act).await,
            Self::BadRequests => bad_requests::play(place, act).await,
            Self::Squatted => squatted::play(place, act).await,
            Self::SlowReaders => slow_readers::play(place, act).await,
            Self::Flood => flood::play(place, act).await,
            Self::Bombs => bombs::play(place, act).await,
        }
    }
}
