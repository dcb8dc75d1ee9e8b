//! `/actuator/loggers`: levels, shown and changed while the process runs.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use telemetry::{LogLevel, log_control};

use super::endpoint::{ActuatorEndpoint, Json, object};
use crate::problem::{FieldError, Problem};

pub(super) struct Loggers;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    #[serde(default)]
    configured_level: Option<String>,
}

#[async_trait]
impl ActuatorEndpoint for Loggers {
    async fn get(&self, rest: &str) -> Option<Json> {
        // Tests run without a log; it has no loggers then.
        let levels = log_control().map(|log| log.levels()).unwrap_or_default();
        if rest.is_empty() {
            return Some(json!({"levels": LogLevel::ALL, "loggers": levels}));
        }
        match levels.get(rest) {
            Some(level) => Some(json!(level)),
            // As Spring does: a logger that has not logged yet has a level all the same.
            None => log_control().map(|log| json!(log.level(rest))),
        }
    }

    /// `{"configuredLevel": "DEBUG"}`; `null` goes back to what the parent has.
    async fn post(&self, rest: &str, body: &[u8]) -> Result<Option<Json>, Problem> {
        if rest.is_empty() {
            return Err(Problem::method_not_allowed("GET, HEAD, OPTIONS"));
        }
        let change: Change = object(body)
            .ok_or_else(|| Problem::bad_request(r#"The body has to be {"configuredLevel": "DEBUG"}."#))?;
        let level = match change.configured_level {
            None => None,
            Some(name) => Some(name.parse::<LogLevel>().map_err(|_| {
                Problem::validation(vec![FieldError::new(
                    "configuredLevel",
                    "must be OFF, ERROR, WARN, INFO, DEBUG or TRACE",
                )])
            })?),
        };
        let log = log_control().ok_or_else(|| {
            Problem::unavailable("This process has no log whose levels could be changed.", 60)
        })?;
        log.set(rest, level).map_err(|error| Problem::bad_request(error.to_string()))?;
        Ok(None)
    }
}
