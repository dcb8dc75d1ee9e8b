//! `--begin-anew`: the log that was read will not come back. Every topic that the service has read is looked at.

use std::error::Error;

use messaging::begin_anew::Partition;
use storage::Database;

use crate::settings::SharedSettings;

/// Has a service read the log that is there from its beginning, where it is not the one that was read, and prints what
/// was done.
///
/// # Errors
/// Database or log cannot be asked; nothing is changed then of that topic and of those that follow.
pub async fn begin_anew(
    name: &str,
    settings: &SharedSettings,
    all: bool,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let database = Database::open(&settings.database, &[]).await?;
    let log = messaging::open(&settings.event_log, &settings.kafka).await?;
    let topics = settings.event_log.topic_names();
    let mut done = Ok(());
    for topic in topics.named() {
        match messaging::begin_anew(&database, log.as_ref(), topic, all).await {
            Ok(partitions) => {
                for partition in &partitions {
                    println!("{name}: {topic}: {}", line(partition));
                }
            }
            Err(error) => {
                done = Err(error.into());
                break;
            }
        }
    }
    log.flush_and_close().await;
    database.close().await;
    done
}

fn line(done: &Partition) -> String {
    let Partition { partition, read_up_to, begins_at, because, gone } = done;
    let why = because.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
    match begins_at {
        Some(begin) => {
            format!("partition {partition}: was read up to {read_up_to}, begins anew at {begin}{why}")
        }
        None if *gone => format!("partition {partition}: the log has it no more; its position is forgotten"),
        None => format!("partition {partition}: is the log that was read, and is read on from {read_up_to}"),
    }
}
