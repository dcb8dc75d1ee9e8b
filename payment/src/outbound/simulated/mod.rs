//! A card network in miniature: the outside world, with a durable ledger of its own, shared by all replicas of
//! payment. It can be slow, fail before or after it did what it was asked, and decline cards.
//!
//! Reading order: `settings`, `network` (the port), `ledger` (what makes a double charge impossible), `entries` (how it is written),
//! `cards` (which ones decline).

mod cards;
mod entries;
mod ledger;
mod network;
mod settings;

pub use cards::decline;
pub use ledger::Ledger;
pub use network::SimulatedNetwork;
pub use settings::SimulatedSettings;
