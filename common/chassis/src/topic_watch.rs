//! Settings of the topic under which facts do not last: somebody else made the topic, or changed it later.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use messaging::EventLog;
use tokio_util::sync::CancellationToken;

const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The log is away, or the topic is not there yet.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What endangers the facts of the topic, as it was found last.
#[derive(Clone, Default)]
pub(crate) struct TopicWatch(Arc<Mutex<Vec<String>>>);

impl TopicWatch {
    pub(crate) fn dangers(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn run(self, log: Arc<dyn EventLog>, topic: String, stop: CancellationToken) {
        loop {
            let pause = match log.dangers(&topic).await {
                Ok(found) => {
                    self.found(&topic, found);
                    LOOK_EVERY
                }
                Err(error) => {
                    tracing::debug!(
                        error = crate::error_chain(&error),
                        topic,
                        "the topic's settings are not known"
                    );
                    AGAIN_AFTER
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn found(&self, topic: &str, found: Vec<String>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for danger in found.iter().filter(|danger| !known.contains(danger)) {
            tracing::warn!(topic, "facts of the topic do not last: {danger}");
        }
        *known = found;
    }
}
