//! What a part of the process adds below `/actuator`.

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// What an endpoint answers with. Nobody asks for it often enough to write it into a buffer by hand.
pub type Json = serde_json::Value;

/// An endpoint that a part of the process adds below `/actuator/{name}`.
#[async_trait]
pub trait ActuatorEndpoint: Send + Sync {
    /// `rest` is what follows the name, without slashes at its ends. `None` is 404.
    async fn get(&self, rest: &str) -> Option<Json>;

    /// `Ok(None)` is 204.
    ///
    /// # Errors
    /// A problem is sent as it is. Unless overridden, 405.
    async fn post(&self, _rest: &str, _body: &[u8]) -> Result<Option<Json>, Problem> {
        Err(Problem::method_not_allowed("GET, HEAD, OPTIONS"))
    }
}

/// Reads the JSON object of a write. serde would fill a struct from an array as well, by position.
#[must_use]
pub fn object<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let object: serde_json::Map<String, Json> = serde_json::from_slice(body).ok()?;
    serde_json::from_value(Json::Object(object)).ok()
}
