use std::fmt;

/// A card's number. Its digits leave this type only through [`CardNumber::digits`], which the
/// payment client calls to write its request; everything else sees the masked form.
#[derive(Clone, PartialEq, Eq)]
pub struct CardNumber {
    digits: String,
}

/// Says what is wrong without repeating what was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardNumberError {
    #[error("must have 12 to 19 digits")]
    Length,
    #[error("may have digits, spaces and dashes only")]
    Character,
}

impl CardNumber {
    const LENGTHS: std::ops::RangeInclusive<usize> = 12..=19;

    /// 12 to 19 digits; spaces and dashes are skipped. The check digit is the bank's business:
    /// the customers' own sample, `1234-1234-1234-1234`, does not pass it and is taken.
    pub fn parse(text: &str) -> Result<Self, CardNumberError> {
        let mut digits = String::with_capacity(*Self::LENGTHS.end());
        for character in text.chars() {
            match character {
                '0'..='9' if digits.len() == *Self::LENGTHS.end() => {
                    return Err(CardNumberError::Length);
                }
                '0'..='9' => digits.push(character),
                ' ' | '-' => {}
                _ => return Err(CardNumberError::Character),
            }
        }
        if Self::LENGTHS.contains(&digits.len()) { Ok(Self { digits }) } else { Err(CardNumberError::Length) }
    }

    /// The only form that is stored, told or shown: `****-****-****-1234`, whatever the length.
    pub fn masked(&self) -> String {
        let last_four = &self.digits[self.digits.len() - 4..];
        format!("****-****-****-{last_four}")
    }

    /// The full number, for the request to payment and nothing else.
    pub(crate) fn digits(&self) -> &str {
        &self.digits
    }
}

impl fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spaces_and_dashes_are_skipped() {
        for text in ["1234-1234-1234-1234", "1234123412341234", " 1234 1234-1234 1234"] {
            let card = CardNumber::parse(text).unwrap();
            assert_eq!(card.digits(), "1234123412341234");
            assert_eq!(card.masked(), "****-****-****-1234");
        }
    }

    #[test]
    fn what_is_no_card_number_is_refused() {
        for text in ["", "----", "12345678901", "12345678901234567890"] {
            assert_eq!(CardNumber::parse(text), Err(CardNumberError::Length));
        }
        for text in ["1234-1234-1234-123a", "١٢٣٤١٢٣٤١٢٣٤", "123456789012\n"] {
            assert_eq!(CardNumber::parse(text), Err(CardNumberError::Character));
        }
    }

    proptest! {
        #[test]
        fn only_the_last_four_digits_are_seen(number in "[0-9]{12,19}") {
            let card = CardNumber::parse(&number).unwrap();
            let expected = format!("****-****-****-{}", &number[number.len() - 4..]);
            prop_assert_eq!(format!("{:?}", &card), &expected[..]);
            prop_assert_eq!(card.masked(), expected);
            prop_assert_eq!(card.digits(), number);
        }

        #[test]
        fn any_text_is_answered(text in any::<String>()) {
            let _ = CardNumber::parse(&text);
        }
    }
}
