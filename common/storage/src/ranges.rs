//! Where in the order of ids a position lies, without walking there: the rows of each range of ids are counted.
//!
//! Ranges are of two widths, each with its counters in `row_count`. Among a million rows 16 wide and 64 narrow ones are read, and
//! fewer rows passed than a narrow one has.

use std::ops::RangeInclusive;

use crate::database::Database;
use crate::dialect::Dialect;

/// A range has 2^16 ids, or 2^10.
const WIDE: u32 = 16;
const NARROW: u32 = 10;
/// Negative ids come before positive ones.
const SIGN: u64 = 1 << 63;

/// The counters, besides `counter` itself, that count the row with this id.
pub fn range_counters(counter: &str, id: i64) -> [String; 2] {
    [WIDE, NARROW].map(|width| name(counter, width, key(id) >> width))
}

fn key(id: i64) -> u64 {
    id.cast_unsigned() ^ SIGN
}

/// The same number of digits each time, so that names are ordered as their numbers are.
fn name(counter: &str, width: u32, number: u64) -> String {
    format!("{counter}#{width}#{number:016x}")
}

/// `None`: a counter that is none of a range.
fn number(name: &str) -> Option<u64> {
    u64::from_str_radix(name.rsplit_once('#')?.1, 16).ok()
}

/// From this id on, so many rows further.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) id: i64,
    pub(crate) skip: i64,
}

/// Counts a table anew: the statement that writes `counter` and those of its ranges, none of which may be there.
pub fn recount(dialect: Dialect, counter: &str, table: &str) -> String {
    let name = |width: u32, range: &str| {
        let number = format!("{range} + {}", SIGN >> width);
        match dialect {
            Dialect::Sqlite => format!("'{counter}#{width}#' || printf('%016x', {number})"),
            Dialect::Postgres => format!("'{counter}#{width}#' || lpad(to_hex({number}), 16, '0')"),
        }
    };
    let wide = format!("(range >> {})", WIDE - NARROW);
    format!(
        "INSERT INTO row_count (name, slot, n) \
         WITH narrow AS (SELECT id >> {NARROW} AS range, COUNT(*) AS n FROM {table} GROUP BY id >> {NARROW}) \
         SELECT {}, 0, n FROM narrow \
         UNION ALL SELECT {}, 0, CAST(SUM(n) AS BIGINT) FROM narrow GROUP BY {wide} \
         UNION ALL SELECT '{counter}', 0, CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM narrow",
        name(NARROW, "range"),
        name(WIDE, &wide),
    )
}

/// Where the row at `position`, counted from 0, is found. `None`: the counters do not know. They do not where a program that
/// counts no ranges has written as well.
///
/// # Errors
/// The database's.
pub(crate) async fn seek(
    database: &Database,
    counter: &str,
    position: i64,
) -> Result<Option<Start>, sqlx::Error> {
    // One statement for the total and what it is the sum of: of one moment.
    let rows = counted(database, counter, WIDE, 0..=u64::MAX).await?;
    let (total, wide): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(name, _)| name == counter);
    let wide = numbered(wide);
    if wide.iter().map(|(_, n)| n).sum::<i64>() != total.first().map_or(0, |(_, n)| *n) {
        return Ok(None);
    }
    let mut skip = position;
    let Some(found) = find(&wide, &mut skip) else { return Ok(None) };
    let first = found << WIDE;
    let keys = first..=first | ((1 << WIDE) - 1);
    let narrow = numbered(counted(database, counter, NARROW, keys).await?);
    let Some(found) = find(&narrow, &mut skip) else { return Ok(None) };
    Ok(Some(Start { id: ((found << NARROW) ^ SIGN).cast_signed(), skip }))
}

/// `counter`, and how many rows the ranges of these keys have.
async fn counted(
    database: &Database,
    counter: &str,
    width: u32,
    keys: RangeInclusive<u64>,
) -> Result<Vec<(String, i64)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT name, CAST(SUM(n) AS BIGINT) FROM row_count WHERE name = $1 OR name BETWEEN $2 AND $3 GROUP BY name",
    )
    .bind(counter)
    .bind(name(counter, width, keys.start() >> width))
    .bind(name(counter, width, keys.end() >> width))
    .fetch_all(database.reader())
    .await
}

/// The ranges among the counters, in their order.
fn numbered(counted: Vec<(String, i64)>) -> Vec<(u64, i64)> {
    let mut ranges: Vec<(u64, i64)> =
        counted.into_iter().filter_map(|(name, n)| Some((number(&name)?, n))).collect();
    ranges.sort_unstable();
    ranges
}

/// The range in which the row is that lies `skip` rows behind the first range's first one. `skip` is then what is left.
fn find(counted: &[(u64, i64)], skip: &mut i64) -> Option<u64> {
    for (number, n) in counted {
        if *skip < *n {
            return Some(*number);
        }
        *skip -= n;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_ordered_as_ids_are() {
        let ids = [i64::MIN, -70_000, -1, 0, 1_023, 1_024, 70_000, i64::MAX];
        for pair in ids.windows(2) {
            let [before, after] = [range_counters("a", pair[0]), range_counters("a", pair[1])];
            assert!(before[0] <= after[0] && before[1] <= after[1], "{before:?} {after:?}");
        }
        assert_eq!(range_counters("a", 1)[1], range_counters("a", 1_023)[1]);
        assert_ne!(range_counters("a", 1_023)[1], range_counters("a", 1_024)[1]);
        assert_eq!(number(&range_counters("a", 1_024)[1]).unwrap() << 10 ^ SIGN, 1_024);
    }

    #[test]
    fn a_position_is_in_the_range_that_has_it() {
        let counted = [(7, 2), (9, 0), (12, 3)];
        let at = |mut skip| find(&counted, &mut skip).map(|number| (number, skip));
        let found: Vec<_> = (0..6).map(at).collect();
        let expected = [Some((7, 0)), Some((7, 1)), Some((12, 0)), Some((12, 1)), Some((12, 2)), None];
        assert_eq!(found, expected);
    }
}
