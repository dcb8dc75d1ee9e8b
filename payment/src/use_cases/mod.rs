//! What payment can do, a file each: [`charge`], [`mod@cancel`], [`refund`] and [`abandon`] change something,
//! [`mod@find`] shows. [`ports`] says what they need of the outside.

pub mod abandon;
pub mod cancel;
pub mod charge;
pub mod find;
pub mod ports;
pub mod refund;

pub use abandon::AbandonedCharges;
pub use cancel::cancel;
pub use charge::{Charge, ChargeError, Outcome};
pub use find::{find, list};
pub use refund::RefundWorker;
