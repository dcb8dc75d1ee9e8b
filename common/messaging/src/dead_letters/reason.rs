//! Why a record was set aside, in words.

/// A text for people, from whoever: without U+0000, and not so long that it would be a burden itself.
pub(crate) fn legible(text: &str) -> String {
    const LONGEST: usize = 2_000;
    text.chars().take(LONGEST).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}
