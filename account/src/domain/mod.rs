//! Users, their passwords and their refresh tokens; pure.

pub mod attempts;
pub mod email;
pub mod password;
pub mod refresh;
pub mod user;
pub mod vault;

pub use attempts::{Counted, Limit};
pub use email::{Email, InvalidEmail};
pub use password::{Password, Unsuitable};
pub use refresh::{Family, RefreshToken, Shown};
pub use user::{Ban, Transition, User};
pub use vault::Vault;
