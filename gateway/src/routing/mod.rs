//! Which route a request takes, and its way to one of the route's services.

mod call;
mod paths;
mod pattern;
mod route;
mod table;

pub(crate) use call::Call;
pub(crate) use paths::{canonical, is_actuator};
pub(crate) use pattern::Pattern;
pub(crate) use route::{Definition, MAX_ADDRESSES, Route};
pub(crate) use table::{Match, Table};
