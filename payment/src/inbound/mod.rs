//! Who asks: clients over [`http`], the other services through [`events`].

pub mod events;
pub mod http;
