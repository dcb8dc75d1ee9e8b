//! Multi-row statements with a bounded number of distinct texts, so that each is prepared once.

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::Hash;

use crate::dialect::Dialect;

/// `($1, $2), ($3, $4)` for `rows` rows of `columns` columns; `(?, ?), (?, ?)` for SQLite, which looks a numbered one up in
/// a list of all of them, when it parses the statement and whenever a value is bound.
pub fn values(dialect: Dialect, rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 1..=columns {
            if column > 1 {
                text.push_str(", ");
            }
            // Writing to a String cannot fail.
            let _ = match dialect {
                Dialect::Sqlite => text.write_char('?'),
                Dialect::Postgres => write!(text, "${}", row * columns + column),
            };
        }
        text.push(')');
    }
    text
}

/// `$1, $2, $3`, or `?, ?, ?`
pub fn placeholders(dialect: Dialect, count: usize) -> String {
    let row = values(dialect, 1, count);
    row[1..row.len() - 1].to_owned()
}

/// Up to here every length has a statement of its own.
const SHORT: usize = 8;

/// Splits `items` into slices of at most [`SHORT`] or of a power of two, none longer than `largest`: few distinct
/// statement texts, each prepared once per connection.
pub fn chunks<T>(items: &[T], largest: usize) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let fitting = rest.len().min(largest);
        let length =
            if fitting <= SHORT { fitting } else { 1 << (usize::BITS - 1 - fitting.leading_zeros()) };
        let (head, tail) = rest.split_at(length);
        rest = tail;
        Some(head)
    })
}

/// The indices of `items`, in rounds: no key occurs twice in a round, and a key's items are in the rounds in their order.
/// A statement that joins its rows with a table has no defined result where two of them meet the same one.
pub fn rounds<T, K: Eq + Hash>(items: &[T], key: impl Fn(&T) -> K) -> Vec<Vec<usize>> {
    let mut seen: HashMap<K, usize> = HashMap::with_capacity(items.len());
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let round = seen.entry(key(item)).and_modify(|n| *n += 1).or_default();
        if rounds.len() == *round {
            rounds.push(Vec::new());
        }
        rounds[*round].push(index);
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_postgres_has_its_placeholders_numbered() {
        assert_eq!(values(Dialect::Postgres, 2, 2), "($1, $2), ($3, $4)");
        assert_eq!(placeholders(Dialect::Postgres, 3), "$1, $2, $3");
        assert_eq!(values(Dialect::Sqlite, 2, 2), "(?, ?), (?, ?)");
        assert_eq!(placeholders(Dialect::Sqlite, 3), "?, ?, ?");
    }

    #[test]
    fn chunks_have_few_lengths_and_lose_nothing() {
        let items: Vec<u32> = (0..61).collect();
        let lengths: Vec<_> = chunks(&items, 32).map(<[u32]>::len).collect();
        assert_eq!(lengths, [32, 16, 8, 5]);
        assert_eq!(chunks(&items, 32).flatten().copied().collect::<Vec<_>>(), items);
        assert_eq!(chunks::<u32>(&[], 8).count(), 0);
        assert!(chunks(&items, 6).all(|chunk| chunk.len() <= 6));
    }

    #[test]
    fn a_round_has_each_key_once_and_keeps_its_order() {
        assert_eq!(rounds(&["a", "b", "a", "c", "a", "b"], |key| *key), [vec![0, 1, 3], vec![2, 5], vec![4]]);
        assert!(rounds(&[0_u8; 0], |key| *key).is_empty());
    }
}
