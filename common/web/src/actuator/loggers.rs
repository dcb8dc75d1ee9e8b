//! `/actuator/loggers`: levels, shown and changed while the process runs.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, json};

use super::{ActuatorEndpoint, Json};
use crate::{
    bridge,
    problem::{FieldError, Problem},
};

const LEVELS: [&str; 6] = ["OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

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
        let levels = bridge::log_levels();
        if rest.is_empty() {
            let loggers: Map<String, Json> =
                levels.into_iter().map(|level| (level.logger.clone(), render(&level))).collect();
            return Some(json!({"levels": LEVELS, "loggers": loggers}));
        }
        levels.iter().find(|level| level.logger == rest).map(render)
    }

    /// `{"configuredLevel": "DEBUG"}`; `null` goes back to what the parent has.
    async fn post(&self, rest: &str, body: &[u8]) -> Result<Option<Json>, Problem> {
        if rest.is_empty() {
            return Err(Problem::method_not_allowed("GET, HEAD, OPTIONS"));
        }
        let change: Change = serde_json::from_slice(body)
            .map_err(|_| Problem::bad_request(r#"The body has to be {"configuredLevel": "DEBUG"}."#))?;
        let level = change.configured_level.map(|level| level.to_ascii_uppercase());
        if level.as_deref().is_some_and(|level| !LEVELS.contains(&level)) {
            return Err(Problem::validation(vec![FieldError::new(
                "configuredLevel",
                "must be OFF, ERROR, WARN, INFO, DEBUG or TRACE",
            )]));
        }
        bridge::set_log_level(rest, level.as_deref())?;
        Ok(None)
    }
}

fn render(level: &bridge::LoggerLevel) -> Json {
    let mut json = Map::new();
    if let Some(configured) = &level.configured {
        json.insert("configuredLevel".to_owned(), configured.as_str().into());
    }
    json.insert("effectiveLevel".to_owned(), level.effective.as_str().into());
    json.into()
}
