//! What tries to break the promises of `docs/RELIABILITY.md`, and the audit that says whether it did.
//!
//! Reading order: [`campaign`] (a long run in pieces), [`run`] (one of them), [`orders`] (what customers ask for, and the
//! log of what they were told), [`customers`] (who asks), [`accounts`] (as whom), [`guests`] (who is banned), [`schedule`] (what is broken when, from the seed), [`links`] (the
//! network), [`nemesis`] (who breaks it), [`infrastructure`] (Kafka and PostgreSQL for it), [`poison`] (records that nobody can read),
//! [`snapshot`] (databases, topic and ledger as they lie there), [`audit`] (the one against the others), [`quiet`] (when
//! to ask), [`outcome`] (what is told);
//! then [`scenarios`], each of which looks at one promise; [`failpoints`] kills it at each of its steps.

pub mod accounts;
pub mod audit;
pub mod campaign;
pub mod customers;
pub mod failpoints;
pub mod guests;
pub mod infrastructure;
pub mod links;
pub mod nemesis;
pub mod orders;
pub mod outcome;
pub mod poison;
pub mod quiet;
pub mod rng;
pub mod run;
pub mod scenarios;
pub mod schedule;
pub mod settings;
pub mod snapshot;
