//! What payment can do, a file each: [`charge`], [`mod@cancel`], [`refund`] and [`abandon`]. [`ports`] says what they need of the
//! outside, and what clients read.

pub mod abandon;
pub mod cancel;
pub mod charge;
pub mod ports;
pub mod refund;

pub use abandon::AbandonedCharges;
pub use cancel::cancel;
pub use charge::{Charge, ChargeError, Outcome};
pub use refund::RefundWorker;
