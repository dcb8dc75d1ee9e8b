//! What measures the system: driven over HTTP, and watched from outside.
//!
//! Reading order: [`closed_loop`] and [`open_loop`] (the load), [`reservations`] and [`loader`] (of what), [`settle`] (when
//! everything is done), [`tally`] (what came back), [`counts`] (what does not depend on the machine), [`report`] and
//! [`plot`], then [`figures`], one file each.

pub mod closed_loop;
pub mod counts;
pub mod figures;
pub mod loader;
pub mod open_loop;
pub mod plot;
pub mod report;
pub mod reservations;
pub mod servers;
pub mod settle;
pub mod tally;
