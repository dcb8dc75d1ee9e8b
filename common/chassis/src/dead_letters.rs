//! `/actuator/deadletters`: what was set aside, and what to do with it.

use std::error::Error;
use std::fmt::Display;

use async_trait::async_trait;
use http_common::{ActuatorEndpoint, Json, Problem, actuator::object};
use messaging::{Asked, DeadLetters, Request, Selection};
use serde::Deserialize;
use serde_json::json;

type BoxError = Box<dyn Error + Send + Sync>;

const PAGE: i64 = 100;
/// Before the id behind which a page begins.
const AFTER: &str = "after/";

pub(crate) struct DeadLettersEndpoint(DeadLetters);

/// Of one letter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    action: Request,
    #[serde(default)]
    force: bool,
}

/// Of many.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BulkAction {
    action: Request,
    #[serde(default)]
    all: bool,
    reason: Option<String>,
    key: Option<String>,
    from: Option<i64>,
    until: Option<i64>,
}

impl DeadLettersEndpoint {
    pub(crate) fn new(letters: DeadLetters) -> Self {
        Self(letters)
    }

    async fn page(&self, after: i64) -> Result<Json, BoxError> {
        let (dead, waiting) = self.0.count().await?;
        let letters = self.0.list(after, PAGE).await?;
        // A page that is not full is the last one.
        let last = letters.last().filter(|_| letters.len() as i64 == PAGE);
        let next = last.map(|last| format!("/actuator/deadletters/{AFTER}{}", last.id));
        Ok(json!({ "dead": dead, "waiting": waiting, "deadLetters": letters, "next": next }))
    }

    async fn request_many(&self, body: &[u8]) -> Result<Json, Problem> {
        let expected = || {
            Problem::bad_request(
                "Expected {\"action\": \"replay\"} or {\"action\": \"discard\"} with \"all\": true, or with one or more of \
                 reason, key, from, until.",
            )
        };
        let BulkAction { action, all, reason, key, from, until } = object(body).ok_or_else(expected)?;
        let selection = Selection { reason, key, from_ms: from, until_ms: until };
        // Everything has to be meant: a misspelt body must not discard all there is.
        if all != (selection == Selection::default()) {
            return Err(expected());
        }
        let requested = self.0.request_all(action, &selection).await.map_err(unavailable)?;
        Ok(json!({ "requested": requested }))
    }
}

fn unavailable(error: impl Display) -> Problem {
    tracing::error!(%error, "request for dead letters not written");
    Problem::unavailable("The database is not available.", 1)
}

#[async_trait]
impl ActuatorEndpoint for DeadLettersEndpoint {
    /// The oldest, `/after/{id}`, or `/{id}` whole.
    async fn get(&self, rest: &str) -> Option<Json> {
        let answer = match rest.strip_prefix(AFTER) {
            None if rest.is_empty() => self.page(0).await.map(Some),
            Some(after) => self.page(after.parse().ok()?).await.map(Some),
            None => match self.0.show(rest.parse().ok()?).await {
                Ok(letter) => Ok(letter.map(|letter| json!(letter))),
                Err(error) => Err(error.into()),
            },
        };
        match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "dead letters not read");
                Some(json!({ "error": "the database is not available" }))
            }
        }
    }

    /// `{"action": "replay"}` or `{"action": "discard"}`, to `/{id}` or with a selection; done within a second or two.
    async fn post(&self, rest: &str, body: &[u8]) -> Result<Option<Json>, Problem> {
        if rest.is_empty() {
            return self.request_many(body).await.map(Some);
        }
        let id = rest.parse().map_err(|_| Problem::not_found())?;
        let Action { action, force } = object(body).ok_or_else(|| {
            Problem::bad_request("Expected {\"action\": \"replay\"} or {\"action\": \"discard\"}.")
        })?;
        match self.0.request(id, action, force).await.map_err(unavailable)? {
            Asked::Noted => Ok(None),
            Asked::NotThere => Err(Problem::not_found()),
            Asked::OnlyWaiting => Err(Problem::conflict(
                "Nothing is wrong with this record: it waits behind a dead one of its key. To discard it loses its effect, a \
                 refund for instance. Discard the dead one, or add \"force\": true.",
            )),
        }
    }
}
