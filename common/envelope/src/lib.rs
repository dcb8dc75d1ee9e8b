//! What a fact travels in. It carries facts of any type: a service that knows none of them can carry all of them, and a
//! new type of fact changes no other service.
//!
//! Reading order: [`fact`] (what a type of facts has to say of itself), [`sealed`] (from a fact to the bytes of a record),
//! [`arrived`] (from a record to a fact), [`fields`] (how the fields of a record are read).

pub mod arrived;
pub mod fact;
mod field_error;
pub mod fields;
pub mod sealed;

pub use arrived::{Arrived, ReadError};
pub use fact::{Fact, Topic};
pub use field_error::FieldError;
pub use fields::{Fields, LARGEST_VERSION, NoObject};
pub use sealed::{CONTENT_TYPE, Envelope};
