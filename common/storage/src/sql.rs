//! Multi-row statements with a bounded number of distinct texts, so that each is prepared once.

use std::fmt::Write;

/// `($1, $2), ($3, $4)` for `rows` rows of `columns` columns.
pub fn values(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 1..=columns {
            if column > 1 {
                text.push_str(", ");
            }
            // Writing to a String cannot fail.
            let _ = write!(text, "${}", row * columns + column);
        }
        text.push(')');
    }
    text
}

/// `$1, $2, $3`
pub fn placeholders(count: usize) -> String {
    let row = values(1, count);
    row[1..row.len() - 1].to_owned()
}

/// Splits `items` into slices whose lengths are powers of two, none longer than `largest`: few distinct
/// statement texts, each prepared once per connection.
pub fn chunks<T>(items: &[T], largest: usize) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let length = (usize::BITS - 1 - rest.len().min(largest).leading_zeros()) as usize;
        let (head, tail) = rest.split_at(1 << length);
        rest = tail;
        Some(head)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_number_their_placeholders() {
        assert_eq!(values(2, 2), "($1, $2), ($3, $4)");
        assert_eq!(placeholders(3), "$1, $2, $3");
    }

    #[test]
    fn chunks_are_powers_of_two_and_lose_nothing() {
        let items: Vec<u32> = (0..23).collect();
        let lengths: Vec<_> = chunks(&items, 8).map(<[u32]>::len).collect();
        assert_eq!(lengths, [8, 8, 4, 2, 1]);
        assert_eq!(chunks(&items, 8).flatten().copied().collect::<Vec<_>>(), items);
        assert_eq!(chunks::<u32>(&[], 8).count(), 0);
    }
}
