//! myreservation
