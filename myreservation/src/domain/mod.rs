//! The read model, pure: what each producer told, what follows from it, and the steps that led there.

mod batch;
mod changes;
mod facets;
mod saga;
mod status;
mod step;
mod telling;
mod timeline;
mod view;

pub use batch::Batch;
pub use changes::Changes;
pub use facets::{Cancellation, Payment, Purchase, Receipt, Reservation};
pub use saga::{Outcome, Saga, WaitingFor};
pub use status::Status;
pub use step::{Facet, Step};
pub use telling::{Telling, Told};
pub use timeline::{Timeline, TimelineStep};
pub use view::MyReservation;
