//! Settings of topics under which facts do not last: somebody else made the topic, or changed it later.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use messaging::EventLog;
use tokio_util::sync::CancellationToken;

const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The log is away, or a topic is not there yet.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What endangers the facts of each topic, as it was found last.
#[derive(Clone, Default)]
pub(crate) struct TopicWatch(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl TopicWatch {
    pub(crate) fn dangers(&self) -> Vec<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = known
            .iter()
            .flat_map(|(topic, found)| found.iter().map(move |danger| format!("{topic}: {danger}")));
        lines.collect()
    }

    pub(crate) async fn run(self, log: Arc<dyn EventLog>, topics: Vec<String>, stop: CancellationToken) {
        loop {
            let mut pause = LOOK_EVERY;
            for topic in &topics {
                let Some(asked) = stop.run_until_cancelled(log.dangers(topic)).await else { return };
                match asked {
                    Ok(found) => self.found(topic, found),
                    Err(error) => {
                        tracing::debug!(
                            error = crate::error_chain(&error),
                            topic,
                            "the topic's settings are not known"
                        );
                        pause = AGAIN_AFTER;
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn found(&self, topic: &str, found: Vec<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(topic.to_owned()).or_default();
        for danger in found.iter().filter(|danger| !known.contains(danger)) {
            tracing::warn!(topic, "facts of the topic do not last: {danger}");
        }
        *known = found;
    }
}
