//! Every step of a request or a record, made to err, to panic and to kill the process, with restarts; then the audit.
//!
//! Reading order: [`registry`] (which steps there are: the sources say it), [`scene`] (what brings a system to a step),
//! [`preorder`] (the system as one process), [`stories`] (what customers do meanwhile), [`case`] (one step, one action),
//! [`table`] (what came of it).

pub mod case;
pub mod preorder;
pub mod registry;
pub mod scene;
pub mod stories;
pub mod table;
