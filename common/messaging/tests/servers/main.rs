//! The servers stop answering, or are restarted, while a service works. These tests have a binary of their own, because
//! every other test that uses the servers would notice.

#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "the rig is shared with `delivery`, which uses more of it")]

#[path = "../delivery/handler.rs"]
mod handler;
#[path = "../delivery/kafka_rig.rs"]
mod kafka_rig;
#[path = "../delivery/rig.rs"]
mod rig;

mod frozen;
mod infra;
mod restarted;
mod work;
