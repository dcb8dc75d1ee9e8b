//! What can be done, one file a use case; [`ports`] holds what they need.

pub mod ports;
pub mod read_your_writes;
pub mod rebuild;
pub mod show_timeline;
pub mod watch_sagas;
