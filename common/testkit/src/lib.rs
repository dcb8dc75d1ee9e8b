//! What tests of several crates share: databases of their own, a log whose failures are on call, and waiting
//! without sleeping. For `[dev-dependencies]` only; it panics where something is missing.
//!
//! ```ignore
//! use testkit::{SOON, TestDatabase, TestLog, eventually};
//!
//! testkit::for_each_backend! {
//!     /// Runs as `a_payment_is_kept::sqlite` and `a_payment_is_kept::postgres`.
//!     async fn a_payment_is_kept(db: TestDatabase) {
//!         let database = db.open(&[messaging::MIGRATIONS, payment::MIGRATIONS]).await;
//!         let log = TestLog::new().await;
//!         log.faults().go_away();
//!         // ...
//!         log.faults().come_back();
//!         eventually("the fact is in the log", SOON, async || !log.records("prereservation").await.is_empty()).await;
//!     }
//! }
//! ```
//!
//! PostgreSQL takes part where `TEST_DATABASE_URL` names a server on which databases may be created
//! (`eval "$(infra/up postgres)"`); where it does not, that is said on standard error, once per test binary.

mod among_others;
mod backend;
mod database;
mod faulty_log;
mod test_log;
mod users;
mod waiting;

pub use among_others::AmongOthers;
pub use backend::run;
pub use database::{Backend, TestDatabase};
pub use faulty_log::FaultyLog;
pub use tcp_proxy::{Network, TcpProxy};
pub use test_log::{TestLog, record};
pub use users::{TestUsers, callers, known, reads_by_rights};
pub use waiting::{SOON, eventually, until};
