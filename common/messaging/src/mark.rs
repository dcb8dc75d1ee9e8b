//! Which log was read: records of it, remembered with the position.
//!
//! A position is a number, and any log that is long enough has a record of that number. So the inbox keeps the digests
//! of two records: the one read last (`mark`) and the one read first (`anchor`). A topic that was deleted and created
//! again, a log restored from an older backup that has grown since, another cluster: each has other records there.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::log::{PartitionView, ReceivedRecord};

/// A record, recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub offset: i64,
    digest: String,
}

impl Mark {
    pub fn of(received: &ReceivedRecord) -> Self {
        let record = &received.record;
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(record.key.as_deref().unwrap_or_default().as_bytes());
        add(&record.payload);
        for (name, value) in &record.headers {
            add(name.as_bytes());
            add(value);
        }
        add(&record.timestamp_ms.to_le_bytes());
        let digest = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { offset: received.offset, digest }
    }

    /// Whether this record is the one. `None`: it has another offset, so it says nothing.
    pub fn recognises(&self, received: &ReceivedRecord) -> Option<bool> {
        (received.offset == self.offset).then(|| Self::of(received) == *self)
    }

    fn found_in(&self, records: &[ReceivedRecord]) -> Option<bool> {
        records.iter().find_map(|record| self.recognises(record))
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.offset, self.digest)
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (offset, digest) = text.split_once(':').ok_or(())?;
        Ok(Self { offset: offset.parse().map_err(|_| ())?, digest: digest.to_owned() })
    }
}

/// How far a partition was read, and in which log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub next_offset: i64,
    pub mark: Option<Mark>,
    pub anchor: Option<Mark>,
}

/// Why nothing may be read from a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOurLog {
    #[error(
        "partition {partition} of the log ends at {end}, and was read up to {read_up_to}: the log was lost or replaced"
    )]
    EndsBefore { partition: i32, end: i64, read_up_to: i64 },
    #[error("record {offset} of partition {partition} is not the one that was read: the log was replaced")]
    OtherRecord { partition: i32, offset: i64 },
    #[error("partition {partition} of the log begins at {begin}, and was read up to {read_up_to}: {} records were deleted before they were read", begin - read_up_to)]
    BeginsBehind { partition: i32, begin: i64, read_up_to: i64 },
}

impl NotOurLog {
    /// Records that are known to be lost.
    pub fn deleted_unread(&self) -> i64 {
        match self {
            Self::BeginsBehind { begin, read_up_to, .. } => begin - read_up_to,
            Self::EndsBefore { .. } | Self::OtherRecord { .. } => 0,
        }
    }
}

/// What a look at the log says about a place in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the log that was read, as far as it can be told.
    Same {
        /// A record that is there now was recognised, or nothing was read yet.
        proven: bool,
        /// The anchor is no longer in the log.
        anchor_gone: bool,
    },
    Other(NotOurLog),
}

impl Place {
    /// The records to look for.
    pub(crate) fn offsets(&self) -> Vec<i64> {
        let mut offsets: Vec<i64> =
            [&self.anchor, &self.mark].into_iter().flatten().map(|mark| mark.offset).collect();
        if self.mark.is_none() && self.next_offset > 0 {
            offsets.push(self.next_offset - 1);
        }
        offsets.dedup();
        offsets
    }

    pub(crate) fn judge(&self, view: &PartitionView) -> Verdict {
        let (partition, read_up_to) = (view.partition, self.next_offset);
        if view.end < read_up_to {
            return Verdict::Other(NotOurLog::EndsBefore { partition, end: view.end, read_up_to });
        }
        let mut proven = read_up_to == 0;
        for mark in [&self.anchor, &self.mark].into_iter().flatten() {
            match mark.found_in(&view.records) {
                Some(true) => proven = true,
                Some(false) => {
                    return Verdict::Other(NotOurLog::OtherRecord { partition, offset: mark.offset });
                }
                None => {}
            }
        }
        if view.begin > read_up_to {
            return Verdict::Other(NotOurLog::BeginsBehind { partition, begin: view.begin, read_up_to });
        }
        let gone = |mark: &Mark| mark.found_in(&view.records).is_none();
        Verdict::Same { proven, anchor_gone: self.anchor.as_ref().is_some_and(gone) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::log::Record;

    fn record(offset: i64, payload: &str) -> ReceivedRecord {
        let record = Record {
            topic: "facts".into(),
            key: Some("1".into()),
            payload: payload.into(),
            headers: vec![("type".into(), b"PaymentCreated".to_vec())],
            timestamp_ms: 7,
        };
        ReceivedRecord { partition: 0, offset, record }
    }

    fn view(begin: i64, end: i64, records: Vec<ReceivedRecord>) -> PartitionView {
        PartitionView { partition: 0, begin, end, records }
    }

    fn place() -> Place {
        Place {
            next_offset: 10,
            mark: Some(Mark::of(&record(9, "last"))),
            anchor: Some(Mark::of(&record(0, "first"))),
        }
    }

    fn same(proven: bool, anchor_gone: bool) -> Verdict {
        Verdict::Same { proven, anchor_gone }
    }

    #[test]
    fn a_mark_is_written_and_read() {
        let mark = Mark::of(&record(41, "x"));
        assert_eq!(mark.to_string().parse(), Ok(mark.clone()));
        assert_eq!(mark.recognises(&record(41, "x")), Some(true));
        assert_eq!(mark.recognises(&record(41, "y")), Some(false));
        assert_eq!(mark.recognises(&record(42, "x")), None);
        for damaged in ["", "41", "x:y"] {
            assert!(damaged.parse::<Mark>().is_err(), "{damaged}");
        }
    }

    #[test]
    fn the_log_that_was_read_is_recognised() {
        let place = place();
        assert_eq!(place.offsets(), [0, 9]);
        let whole = view(0, 12, vec![record(0, "first"), record(9, "last")]);
        assert_eq!(place.judge(&whole), same(true, false));
        // What was read is deleted, what was not is there.
        assert_eq!(place.judge(&view(4, 12, vec![record(9, "last")])), same(true, true));
        assert_eq!(place.judge(&view(10, 12, vec![])), same(false, true));
        assert_eq!(Place::default().judge(&view(0, 0, vec![])), same(true, false));
    }

    #[test]
    fn another_log_is_not_read() {
        let place = place();
        let said = |view| match place.judge(&view) {
            Verdict::Other(why) => why.to_string(),
            same @ Verdict::Same { .. } => format!("{same:?}"),
        };
        assert!(said(view(0, 3, vec![record(0, "first")])).contains("ends at 3, and was read up to 10"));
        for records in [
            vec![record(0, "first"), record(9, "another")],
            vec![record(0, "another"), record(9, "last")],
            vec![record(9, "another")],
        ] {
            assert!(said(view(0, 99, records)).contains("is not the one that was read"));
        }
        assert!(said(view(13, 20, vec![])).contains("3 records were deleted before they were read"));
        // A service that never read anything missed what is deleted as well.
        assert!(matches!(Place::default().judge(&view(1, 1, vec![])), Verdict::Other(_)));
    }

    #[test]
    fn a_position_of_before_there_were_marks_is_taken_on() {
        let old = Place { next_offset: 10, ..Place::default() };
        assert_eq!(old.offsets(), [9]);
        assert_eq!(old.judge(&view(0, 12, vec![record(9, "whatever")])), same(false, false));
    }
}
