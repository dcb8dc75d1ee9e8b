//! `/actuator/circuitbreakers`, in Resilience4j's words.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, json};

use super::endpoint::{ActuatorEndpoint, Json, object};
use crate::problem::{FieldError, Problem};

/// What a circuit breaker looks like at this moment. Rates are percentages of the buffered calls.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerSnapshot {
    /// `CLOSED`, `OPEN`, `HALF_OPEN`, `FORCED_OPEN` or `DISABLED`.
    pub state: &'static str,
    pub failure_rate: f64,
    pub slow_call_rate: f64,
    pub failure_rate_threshold: f64,
    pub slow_call_rate_threshold: f64,
    pub buffered_calls: u64,
    pub failed_calls: u64,
    pub slow_calls: u64,
    pub slow_failed_calls: u64,
    pub not_permitted_calls: u64,
}

/// What an operator can do to a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BreakerUpdate {
    /// Normal operation, starting with no calls remembered.
    Close,
    /// Permits nothing until told otherwise.
    ForceOpen,
    /// Permits everything and counts nothing.
    Disable,
}

/// A circuit breaker, as the actuator sees it.
pub trait Breaker: Send + Sync {
    fn name(&self) -> &str;
    fn snapshot(&self) -> BreakerSnapshot;
    fn update(&self, update: BreakerUpdate);
}

pub(super) struct Breakers<'a>(pub(super) &'a [Arc<dyn Breaker>]);

impl Breakers<'_> {
    fn find(&self, name: &str) -> Option<&dyn Breaker> {
        self.0.iter().find(|breaker| breaker.name() == name).map(AsRef::as_ref)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    update_state: String,
}

#[async_trait]
impl ActuatorEndpoint for Breakers<'_> {
    async fn get(&self, rest: &str) -> Option<Json> {
        if !rest.is_empty() {
            return self.find(rest).map(|breaker| render(&breaker.snapshot()));
        }
        let all: Map<String, Json> =
            self.0.iter().map(|breaker| (breaker.name().to_owned(), render(&breaker.snapshot()))).collect();
        Some(json!({"circuitBreakers": all}))
    }

    async fn post(&self, rest: &str, body: &[u8]) -> Result<Option<Json>, Problem> {
        if rest.is_empty() {
            return Err(Problem::method_not_allowed("GET, HEAD, OPTIONS"));
        }
        let breaker = self.find(rest).ok_or_else(Problem::not_found)?;
        let change: Change = object(body)
            .ok_or_else(|| Problem::bad_request(r#"The body has to be {"updateState": "CLOSE"}."#))?;
        let update = match change.update_state.as_str() {
            "CLOSE" => BreakerUpdate::Close,
            "FORCE_OPEN" => BreakerUpdate::ForceOpen,
            "DISABLE" => BreakerUpdate::Disable,
            _ => {
                return Err(Problem::validation(vec![FieldError::new(
                    "updateState",
                    "must be CLOSE, FORCE_OPEN or DISABLE",
                )]));
            }
        };
        breaker.update(update);
        Ok(Some(json!({
            "circuitBreakerName": breaker.name(),
            "currentState": breaker.snapshot().state,
            "message": format!("{} state has been changed successfully", breaker.name()),
        })))
    }
}

fn render(snapshot: &BreakerSnapshot) -> Json {
    json!({
        "state": snapshot.state,
        "failureRate": percent(snapshot.failure_rate),
        "slowCallRate": percent(snapshot.slow_call_rate),
        "failureRateThreshold": percent(snapshot.failure_rate_threshold),
        "slowCallRateThreshold": percent(snapshot.slow_call_rate_threshold),
        "bufferedCalls": snapshot.buffered_calls,
        "failedCalls": snapshot.failed_calls,
        "slowCalls": snapshot.slow_calls,
        "slowFailedCalls": snapshot.slow_failed_calls,
        "notPermittedCalls": snapshot.not_permitted_calls,
    })
}

fn percent(rate: f64) -> String {
    format!("{rate:.1}%")
}
