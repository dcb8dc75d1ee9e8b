//! The read model, pure: what each producer told, what follows from it, and the steps that led there.

mod batch;
mod facets;
mod saga;
mod step;
mod timeline;
mod view;

pub use batch::Batch;
pub use facets::{Cancellation, Changes, Payment, Purchase, Receipt, Reservation};
pub use saga::{Outcome, Saga, WaitingFor};
pub use step::{Facet, Step};
pub use timeline::{Timeline, TimelineStep};
pub use view::MyReservation;
