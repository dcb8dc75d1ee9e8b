//! Who asks: tokens, the keys that prove them, bans, and what use cases get to know of a caller. No server library in it.
//!
//! Reading order: [`caller`] (what use cases see), [`claims`] and [`token`] (what a token says, and when it holds),
//! [`signer`] and [`jwk`] (what account does), [`authenticator`] (what every other service does), [`source`] (where it gets the
//! keys), [`bans`].

pub mod authenticator;
pub mod bans;
pub mod caller;
pub mod claims;
mod fetching;
pub mod jwk;
pub mod keys;
pub mod refused;
pub mod role;
pub mod settings;
pub mod signer;
pub mod source;
pub mod token;

pub use authenticator::Authenticator;
pub use bans::Bans;
pub use caller::{Caller, Mode, Principal, UnknownMode};
pub use claims::Claims;
pub use jwk::{Jwk, JwkSet};
pub use keys::Keys;
pub use refused::Refused;
pub use role::{Role, Roles};
pub use settings::AuthSettings;
pub use signer::Signer;
pub use source::{HttpKeys, KeySource};
pub use token::Rules;
