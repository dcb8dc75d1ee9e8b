//! Nothing lost, nothing doubled: outbox, relay, inbox, consumer and dead letters, on every database there is (see
//! `testkit`), with the local log behind faults on call.

#![allow(clippy::unwrap_used)]

mod chaos;
mod consumer;
mod dead_letters;
mod following;
mod handler;
mod kafka;
mod kafka_groups;
mod kafka_rig;
mod kafka_topics;
mod other_logs;
mod outages;
mod positions;
mod relay;
mod replay;
mod replicas;
mod rig;
mod scripted_log;
mod several_topics;
