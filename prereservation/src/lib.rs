//! prereservation
