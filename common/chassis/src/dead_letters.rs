//! `/actuator/deadletters`: what was set aside, and what to do with it.

use async_trait::async_trait;
use messaging::{DeadLetters, Request};
use serde::Deserialize;
use serde_json::json;
use web::{ActuatorEndpoint, Json, Problem, actuator::object};

const SHOWN: i64 = 1_000;

pub(crate) struct DeadLettersEndpoint(DeadLetters);

#[derive(Deserialize)]
struct Action {
    action: Request,
}

impl DeadLettersEndpoint {
    pub(crate) fn new(letters: DeadLetters) -> Self {
        Self(letters)
    }
}

#[async_trait]
impl ActuatorEndpoint for DeadLettersEndpoint {
    /// All of them, or `/{id}`.
    async fn get(&self, rest: &str) -> Option<Json> {
        let answer = if rest.is_empty() {
            self.0.list(SHOWN).await.map(|letters| Some(json!({ "deadLetters": letters })))
        } else {
            let id = rest.parse().ok()?;
            self.0.show(id).await.map(|letter| letter.map(|letter| json!(letter)))
        };
        match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "dead letters not read");
                Some(json!({ "error": "the database is not available" }))
            }
        }
    }

    /// `{"action": "replay"}` or `{"action": "discard"}` to `/{id}`; done within a second or two.
    async fn post(&self, rest: &str, body: &[u8]) -> Result<Option<Json>, Problem> {
        let id = rest.parse().map_err(|_| Problem::not_found())?;
        let Action { action } = object(body).ok_or_else(|| {
            Problem::bad_request("Expected {\"action\": \"replay\"} or {\"action\": \"discard\"}.")
        })?;
        let known = self.0.request(id, action).await.map_err(|error| {
            tracing::error!(%error, "request for a dead letter not written");
            Problem::unavailable("The database is not available.", 1)
        })?;
        if known { Ok(None) } else { Err(Problem::not_found()) }
    }
}
