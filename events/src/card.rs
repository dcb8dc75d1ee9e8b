//! Card numbers: how they are read from what a customer types, and their mask, which is all that facts, tables and
//! answers have of them. In one place, so that no service takes or shows what another does not.

use std::fmt;

use zeroize::Zeroizing;

/// A full card number, 12 to 19 digits. It lives for the length of one request and is stored, logged, told and shown
/// nowhere: whoever prints it gets the mask. Its memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct CardNumber {
    digits: Zeroizing<String>,
}

/// What may be stored, told and shown of a card: `****-****-****-1234`, whatever its length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MaskedCard(String);

/// Says what is wrong without repeating what was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCard {
    #[error("must have 12 to 19 digits")]
    Length,
    #[error("may have digits, spaces and dashes only")]
    Character,
}

impl CardNumber {
    const LENGTHS: std::ops::RangeInclusive<usize> = 12..=19;

    /// Spaces and dashes are skipped, wherever they stand. The check digit is the bank's business: the customers' own
    /// sample, `1234-1234-1234-1234`, does not pass it and is taken.
    ///
    /// # Errors
    /// Another character, a line break included, or too few or too many digits.
    pub fn parse(text: &str) -> Result<Self, InvalidCard> {
        // Of the full size from the beginning: a text that grows leaves copies behind.
        let mut digits = Zeroizing::new(String::with_capacity(*Self::LENGTHS.end()));
        for character in text.chars() {
            match character {
                '0'..='9' if digits.len() == *Self::LENGTHS.end() => return Err(InvalidCard::Length),
                '0'..='9' => digits.push(character),
                ' ' | '-' => {}
                _ => return Err(InvalidCard::Character),
            }
        }
        if Self::LENGTHS.contains(&digits.len()) { Ok(Self { digits }) } else { Err(InvalidCard::Length) }
    }

    /// The full number. Only the code that charges the card may call this.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    pub fn masked(&self) -> MaskedCard {
        MaskedCard::of(&self.digits)
    }
}

impl fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.masked().as_str())
    }
}

impl MaskedCard {
    /// Masks any text, also one that is masked already: only the last four digits stay.
    pub fn of(text: &str) -> Self {
        let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
        let last: String = digits[digits.len().saturating_sub(4)..].iter().collect();
        Self(format!("****-****-****-{last:*>4}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<MaskedCard> for String {
    fn from(card: MaskedCard) -> Self {
        card.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spaces_and_dashes_are_skipped() {
        for text in
            ["1234123412341234", "1234-1234-1234-1234", " 1234 1234 1234 1234 ", "-1234 1234-12341234"]
        {
            let card = CardNumber::parse(text).unwrap();
            assert_eq!(card.digits(), "1234123412341234");
            assert_eq!(card.masked().as_str(), "****-****-****-1234");
        }
    }

    #[test]
    fn what_is_no_card_number_is_refused() {
        for text in ["", "    ", "----", "12345678901", "12345678901234567890"] {
            assert_eq!(CardNumber::parse(text), Err(InvalidCard::Length), "{text:?}");
        }
        for text in [
            "1234-1234-1234-123x",
            "1234_1234_1234_1234",
            "１２３４１２３４１２３４",
            "١٢٣٤١٢٣٤١٢٣٤",
            "123412341234\n",
            "\t123412341234",
            "1234\n12341234",
        ] {
            assert_eq!(CardNumber::parse(text), Err(InvalidCard::Character), "{text:?}");
        }
    }

    #[test]
    fn a_mask_hides_whatever_it_is_given() {
        for (text, mask) in [
            ("****-****-****-1234", "****-****-****-1234"),
            ("4000123412341234", "****-****-****-1234"),
            ("card 41111111111234", "****-****-****-1234"),
            ("1234", "****-****-****-1234"),
            ("12", "****-****-****-**12"),
            ("name of the holder", "****-****-****-****"),
            ("", "****-****-****-****"),
        ] {
            assert_eq!(MaskedCard::of(text).as_str(), mask, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn only_the_last_four_digits_are_seen(number in "[0-9]{12,19}") {
            let card = CardNumber::parse(&number).unwrap();
            let expected = format!("****-****-****-{}", &number[number.len() - 4..]);
            prop_assert_eq!(format!("{card:?}"), &expected[..]);
            prop_assert_eq!(String::from(card.masked()), &expected[..]);
            prop_assert_eq!(String::from(MaskedCard::of(&expected)), &expected[..]);
            prop_assert_eq!(card.digits(), number);
        }

        #[test]
        fn any_text_is_answered(text in any::<String>()) {
            let _ = CardNumber::parse(&text);
            prop_assert_eq!(MaskedCard::of(&text).as_str().len(), 19);
        }
    }
}
