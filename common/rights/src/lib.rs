//! Who may see and change what. Knows users, roles and stores; no HTTP, no SQL, no business.
//!
//! An item may have an owner ([`Owned`]). Somebody who is held to his own ([`identity::Caller::held_to`]) sees and changes nothing
//! else; everybody else (no token in mode open, an administrator, another service) sees and changes everything.
//!
//! [`Reading`] is the use case that reads a store so. [`acting_for`] is what a command asks before it does anything.

mod denied;
mod reading;

pub use denied::Denied;
pub use reading::{Allowed, Owned, ReadError, Reading};

use identity::{Caller, Role};

/// In whose name the caller acts who asks to act for `asked`; `None` where nobody is named, neither by the request nor by a
/// token. A command that changes an item asks to act for the item's owner.
///
/// # Errors
/// [`Denied::Role`]: the caller is held to his own and has not the role. [`Denied::NotOwn`]: he asks to act for another user.
pub fn acting_for(caller: &Caller, role: Role, asked: Option<i64>) -> Result<Option<i64>, Denied> {
    match caller.held_to() {
        None => Ok(asked.or_else(|| caller.user_id())),
        Some(_) if !caller.has(role) => Err(Denied::Role(role)),
        Some(user) if asked.is_none_or(|asked| asked == user) => Ok(Some(user)),
        Some(_) => Err(Denied::NotOwn),
    }
}
