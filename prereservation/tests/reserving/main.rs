//! Reserving, cancelling and taking over, on the real store and with a payment whose answer the test decides.
//! [`store_contract`] is what [`ReservationStore`](prereservation::use_cases::ports::ReservationStore) demands,
//! [`outcomes`] what becomes of every answer, [`repetitions`] what an `Idempotency-Key` promises, [`mod@rights`] who may do what.
#![allow(clippy::unwrap_used)]

mod answers;
mod outcomes;
mod repetitions;
mod rights;
mod store_contract;
mod support;
