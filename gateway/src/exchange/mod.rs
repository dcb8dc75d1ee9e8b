//! A request from its head to the end of its answer.

mod actuator;
mod body;
mod caller;
mod cors;
mod cross_site;
mod forwarded;
mod handle;
mod headers;
mod observation;
mod read_ahead;
mod root;
mod routes_page;

pub(crate) use caller::{Caller, Context, Rules};
pub(crate) use cors::Cors;
pub(crate) use cross_site::CrossSite;
pub(crate) use handle::handle;
pub(crate) use routes_page::RoutesPage;
