//! `preorder events`: the embedded event log as `kafka-console-consumer` prints Kafka's.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use messaging::ReceivedRecord;
use messaging::local::LocalReader;

use crate::commands::Events;
use crate::system;

const BATCH: usize = 500;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(crate) async fn print(
    arguments: &Events,
    profile: Option<String>,
    data: Option<PathBuf>,
) -> Result<(), Box<dyn Error>> {
    let path = system::event_log_path(profile, data)?;
    if !path.exists() {
        return Err(format!("there is no event log at '{}' yet", path.display()).into());
    }
    let mut reader = LocalReader::open(&path).await?;
    let mut offset = 0;
    loop {
        let records = reader.read_from(&arguments.topic, offset, BATCH).await?;
        let mut out = io::stdout().lock();
        for record in &records {
            match line(&mut out, record, arguments.verbose) {
                Ok(()) => {}
                // `preorder events | head` has read enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            offset = record.offset + 1;
        }
        drop(out);
        if records.is_empty() {
            if !arguments.follow {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn line(out: &mut impl Write, received: &ReceivedRecord, verbose: bool) -> io::Result<()> {
    let record = &received.record;
    if verbose {
        let headers: Vec<String> = record
            .headers
            .iter()
            .map(|(name, value)| format!("{name}:{}", String::from_utf8_lossy(value)))
            .collect();
        write!(
            out,
            "Partition:{}\tOffset:{}\tKey:{}\t{}\t",
            received.partition,
            received.offset,
            record.key.as_deref().unwrap_or("null"),
            headers.join(",")
        )?;
    }
    out.write_all(&record.payload)?;
    out.write_all(b"\n")?;
    out.flush()
}
