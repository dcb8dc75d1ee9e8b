//! The customer's stories, each told on every set-up that was chosen (`E2E_SETUPS`; see [`stories::setup`]).
//!
//! `cargo test -p stories` tells them on what needs no server, `lab/real` on Kafka and PostgreSQL.
#![allow(clippy::unwrap_used)]

mod accounts;
mod cancelling;
mod front_door;
mod input;
mod memory;
mod operating;
mod outages;
mod paying;
mod repeating;
mod reserving;
mod restarts;
mod secrets;
mod starting;
mod topic;
mod tracing;
mod viewing;
mod walking;
mod wire;

use std::process::ExitCode;

use stories::report::{self, Story};
use stories::setup::Setup;

const ALL_IN_ONE: &str = "one process: a service cannot be stopped alone";
const NO_KAFKA: &str = "the log is not Kafka";
const IS_KAFKA: &str = "the log is Kafka, which has its own tool";
const NO_HAL_CLIENT: &str = "the HAL client of others is not installed; lab/stories/hal/install";
const ONCE: &str = "does not depend on the set-up; told on one";

/// Told in a system that it shares, or in its own, which it may hurt.
macro_rules! shared {
    ($name:literal, $story:path) => {
        Story::shared($name, |system| Box::pin($story(system)))
    };
}
macro_rules! own {
    ($name:literal, $story:path) => {
        Story::own($name, |setup| Box::pin($story(setup)))
    };
}

fn main() -> ExitCode {
    use Setup::{Five, Mixed, One, Real};
    let without_hal_client: &[Setup] = if walking::is_installed() { &[] } else { &Setup::ALL };
    report::main(vec![
        // The longest first: they wait, while others work.
        own!("restart::killed_in_the_middle", restarts::killed_in_the_middle),
        own!("idempotency::survives_a_crash", repeating::key_survives_a_crash),
        own!("restart::each_service_killed_in_turn", restarts::each_killed_in_turn)
            .not_on(&[One], ALL_IN_ONE),
        own!("bad_input::refused_and_nothing_stored", input::refused_and_nothing_stored),
        own!("idempotency::with_a_key", repeating::with_a_key),
        own!("restart::stopped_in_order", restarts::stopped_in_order),
        own!("secrets::card_number_is_nowhere", secrets::card_number_is_nowhere),
        own!("secrets::no_core_dumps", memory::no_core_dumps),
        own!("secrets::cards_leave_the_memory", memory::cards_leave),
        own!("outage::receipt", outages::receipt_is_down).not_on(&[One], ALL_IN_ONE),
        own!("outage::myreservation", outages::myreservation_is_down).not_on(&[One], ALL_IN_ONE),
        own!("outage::behind_the_gateway", outages::gateway_without_a_service),
        own!("payment::slower_than_the_timeout", paying::slower_than_the_timeout),
        own!("payment::answers_get_lost", paying::answers_get_lost),
        own!("payment::cannot_be_reached", paying::cannot_be_reached),
        own!("payment::process_is_down", paying::process_is_down).not_on(&[One], ALL_IN_ONE),
        own!("breaker::opens_and_closes", paying::breaker_opens_and_closes),
        own!("breaker::is_forced", paying::breaker_is_forced),
        own!("events::records_that_are_not_ours", topic::records_that_are_not_ours),
        own!("accounts::every_row_of_the_table", accounts::every_row_of_the_table),
        own!("accounts::a_ban", accounts::a_ban),
        own!("accounts::account_is_down", accounts::account_is_down).not_on(&[One], ALL_IN_ONE),
        own!("accounts::refreshing", accounts::refreshing),
        own!("accounts::another_site", accounts::another_site),
        shared!("reserve::everything_follows", reserving::everything_follows),
        shared!("reserve::declined_card", reserving::declined_card),
        shared!("cancel::everything_is_taken_back", cancelling::everything_is_taken_back),
        shared!("cancel::only_what_was_seen", cancelling::only_what_was_seen),
        shared!("cancel::a_second_time_is_404", cancelling::a_second_time_is_404),
        shared!("view::read_your_writes", viewing::read_your_writes),
        shared!("events::every_fact_as_agreed", topic::every_fact_as_agreed),
        shared!("events::one_trace", topic::one_trace),
        own!("events::one_trace_collected", tracing::one_reservation_is_one_trace),
        shared!("events::preorder_events", topic::printed_by_preorder_events).not_on(&[Real], IS_KAFKA),
        shared!("events::kafka_console_consumer", topic::printed_by_kafka_console_consumer)
            .not_on(&[One, Five, Mixed], NO_KAFKA),
        shared!("wire::resources", wire::resources),
        shared!("wire::actuators", operating::actuators),
        own!("wire::ready_no_more_after_sigterm", operating::ready_no_more_after_sigterm)
            .not_on(&[One], ALL_IN_ONE),
        shared!("gateway::routes", front_door::routes),
        shared!("gateway::actuators_stay_inside", front_door::actuators_stay_inside),
        shared!("gateway::cross_origin", front_door::cross_origin),
        own!("gateway::cross_origin_refused", front_door::cross_origin_refused),
        shared!("gateway::limits", front_door::limits),
        shared!("gateway::request_ids", front_door::request_ids),
        shared!("gateway::links_lead_back", front_door::links_lead_back),
        shared!("hal::walked_by_a_client_of_others", walking::by_a_client_of_others)
            .not_on(without_hal_client, NO_HAL_CLIENT),
        own!("start::one_line_and_an_exit_code", starting::one_line_and_an_exit_code)
            .not_on(&[Five, Real, Mixed], ONCE),
        own!("start::help_says_everything", starting::help_says_everything)
            .not_on(&[Five, Real, Mixed], ONCE),
    ])
}
