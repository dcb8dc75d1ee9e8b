//! Facts between services: published once they are committed, processed with the effect of exactly once.
//!
//! Reading order: [`log`] (the port, with its obligations), [`local`] and [`kafka`] (its adapters), [`outbox`] and
//! [`relay`] (out), [`handler`], [`inbox`], [`mark`] and [`consumer`] (in), [`dead_letters`] (aside), [`mod@tail`] (in, where nothing is stored).

use bounded_decompression as _;

pub mod begin_anew;
pub mod consumer;
pub mod dead_letters;
pub mod handler;
mod header_text;
mod identity;
mod inbox;
pub mod kafka;
mod key_text;
pub mod local;
pub mod log;
pub mod mark;
mod open;
pub mod outbox;
mod panic_text;
pub mod relay;
mod relay_status;
mod set_aside;
pub mod settings;
pub mod tail;
mod topics;

pub use begin_anew::begin_anew;
pub use consumer::{Consumer, ConsumerSettings, ConsumerStatus};
pub use dead_letters::{Asked, DeadLetter, DeadLetters, Listed, Request, Selection};
pub use envelope::Topic;
pub use handler::{BadInstruction, HandleError, Handler, Unreadable};
pub use log::{
    EventLog, EventLogError, PartitionView, Polled, PublishError, ReceivedRecord, Record, Refusal,
    RefusalScope, Subscription, Tail,
};
pub use open::{OpenError, open};
pub use outbox::Outbox;
pub use relay::Relay;
pub use relay_status::{HeldBack, RelayStatus};
pub use settings::{EventLogSettings, KafkaSettings};
pub use tail::{Follower, FollowerStatus};
pub use topics::TopicNames;

/// The tables behind outbox, inbox, dead letters and leases; versions 1 to 99 are theirs.
pub static MIGRATIONS: storage::Migrations = storage::migrations!("migrations/sqlite", "migrations/postgres");
