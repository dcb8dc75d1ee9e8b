//! From settings to the log they name.

use std::sync::Arc;

use crate::kafka::KafkaLog;
use crate::local::LocalLog;
use crate::log::{EventLog, EventLogError};
use settings::Invalid;

use crate::settings::{EventLogSettings, KafkaSettings, Location};

/// The log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Setting(#[from] Invalid),
    #[error("cannot open the event log {location}")]
    Log {
        location: String,
        #[source]
        source: EventLogError,
    },
}

/// Opens the log that the settings name. A Kafka that is away is no error: it is waited for.
///
/// # Errors
/// A wrong setting, or a file that cannot be opened.
pub async fn open(
    event_log: &EventLogSettings,
    kafka: &KafkaSettings,
) -> Result<Arc<dyn EventLog>, OpenError> {
    let location = event_log.location(kafka)?;
    let failed = |location: String| move |source| OpenError::Log { location, source };
    Ok(match location {
        Location::Local(path) => {
            Arc::new(LocalLog::open(&path).await.map_err(failed(path.display().to_string()))?)
        }
        Location::Kafka(brokers) => {
            Arc::new(KafkaLog::new(&brokers, event_log, kafka).map_err(failed(brokers))?)
        }
    })
}
