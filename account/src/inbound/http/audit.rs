//! What operators see of who signs in: a metric by outcome, and lines in the log under the target `audit`. No line has a
//! password, a token, or an address in full.

use metrics::{counter, describe_counter};

use crate::domain::Email;
use crate::use_cases::throttle::Client;

/// For who reads `/actuator/prometheus`.
pub fn describe() {
    describe_counter!("account_sign_ups_total", "Sign-ups, by outcome");
    describe_counter!("account_sign_ins_total", "Sign-ins, by outcome");
    describe_counter!("account_refreshes_total", "Refreshes of sessions, by outcome");
    describe_counter!(
        "account_administration_total",
        "What administrators did with users, by what and outcome"
    );
}

pub(super) fn sign_up(email: &Email, client: Client, outcome: &'static str, user_id: Option<i64>) {
    counter!("account_sign_ups_total", "outcome" => outcome).increment(1);
    line("sign-up", email, client, outcome, user_id);
}

pub(super) fn sign_in(email: &Email, client: Client, outcome: &'static str, user_id: Option<i64>) {
    counter!("account_sign_ins_total", "outcome" => outcome).increment(1);
    line("sign-in", email, client, outcome, user_id);
}

fn line(what: &'static str, email: &Email, Client(client): Client, outcome: &str, user_id: Option<i64>) {
    let client = client.map(tracing::field::display);
    tracing::info!(target: "audit", what, outcome, user_id, address = email.masked(), client);
}

pub(super) fn refresh(outcome: &'static str, user_id: Option<i64>) {
    counter!("account_refreshes_total", "outcome" => outcome).increment(1);
    if outcome == "reused" {
        tracing::warn!(target: "audit", what = "refresh", outcome, user_id, "a replaced refresh token was used again: its session is ended");
    }
}

pub(super) fn sign_out(user_id: Option<i64>) {
    tracing::info!(target: "audit", what = "sign-out", user_id);
}

pub(super) fn administration(what: &'static str, outcome: &'static str, by: Option<i64>, user_id: i64) {
    counter!("account_administration_total", "what" => what, "outcome" => outcome).increment(1);
    tracing::info!(target: "audit", what, outcome, by, user_id);
}
