//! Every step of a request or a record, made to err, to panic and to kill the process, with restarts; then the audit.
//!
//! Reading order: [`weave`] (the steps, and the copy of the sources that has them), [`scene`] (what brings a system to a step),
//! [`preorder`] (the system as one process), [`stories`] (what customers do meanwhile), [`case`] (one step, one action),
//! [`play`] (all of them), [`table`] (what came of it); and [`switches`]: the same on systems that are broken on purpose.

pub mod case;
pub mod play;
pub mod preorder;
pub mod scene;
pub mod stories;
pub mod switches;
pub mod table;
pub mod weave;
