//! Keys of records as text that every database takes: PostgreSQL refuses U+0000, which a foreign record may contain.

/// Backslash and U+0000 as `\\` and `\0`; our own keys are numbers and stay as they are.
pub(crate) fn encode(key: &str) -> String {
    if !key.contains(['\\', '\0']) {
        return key.to_owned();
    }
    key.replace('\\', "\\\\").replace('\0', "\\0")
}

pub(crate) fn decode(text: String) -> String {
    if !text.contains('\\') {
        return text;
    }
    let mut key = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        key.push(match character {
            '\\' if characters.next() == Some('0') => '\0',
            other => other,
        });
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_comes_back_and_no_two_are_one() {
        let keys = ["", "17", "\0", "\\", "\\0", "\\\\0", "a\0b\\c", "é\0"];
        for key in keys {
            let text = encode(key);
            assert!(!text.contains('\0'));
            assert_eq!(decode(text), key);
        }
    }
}
