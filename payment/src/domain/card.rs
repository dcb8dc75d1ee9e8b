use std::fmt;

/// A full card number. It lives for the length of one charge and is stored, logged and shown nowhere:
/// whoever prints it gets the mask.
#[derive(Clone, PartialEq, Eq)]
pub struct CardNumber(String);

/// What may be stored and shown of a card: `****-****-****-1234`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MaskedCard(String);

/// Says nothing of the number itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a card number of 12 to 19 digits; spaces and dashes are allowed")]
pub struct InvalidCard;

impl CardNumber {
    /// Reads 12 to 19 digits, with spaces and dashes between them. The check digit is not looked at: telling a
    /// mistyped number is the card network's business.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidCard> {
        let mut digits = String::with_capacity(19);
        for character in text.trim().chars() {
            match character {
                '0'..='9' if digits.len() < 19 => digits.push(character),
                ' ' | '-' => {}
                _ => return Err(InvalidCard),
            }
        }
        if digits.len() < 12 { Err(InvalidCard) } else { Ok(Self(digits)) }
    }

    /// The digits, for the card network alone.
    pub fn digits(&self) -> &str {
        &self.0
    }

    pub fn masked(&self) -> MaskedCard {
        MaskedCard::of(&self.0)
    }
}

impl fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.masked().as_str())
    }
}

impl MaskedCard {
    /// Masks whatever it is given, masked or not: only the last four digits stay.
    pub fn of(text: &str) -> Self {
        let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
        let last: String = digits[digits.len().saturating_sub(4)..].iter().collect();
        Self(format!("****-****-****-{last:*>4}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn separators_are_allowed_and_forgotten() {
        for text in ["1234123412341234", "1234-1234-1234-1234", " 1234 1234 1234 1234 "] {
            let card = CardNumber::parse(text).unwrap();
            assert_eq!(card.digits(), "1234123412341234");
            assert_eq!(card.masked().as_str(), "****-****-****-1234");
        }
    }

    #[test]
    fn what_is_no_card_number_is_refused() {
        let table = [
            "",
            "    ",
            "12345678901",
            "12345678901234567890",
            "1234-1234-1234-123x",
            "１２３４１２３４１２３４",
            "1234\n123412341234",
        ];
        for text in table {
            assert_eq!(CardNumber::parse(text), Err(InvalidCard), "{text:?}");
        }
    }

    #[test]
    fn a_mask_is_masked_again_to_itself() {
        for text in ["****-****-****-1234", "4000123412341234", "1234"] {
            assert_eq!(MaskedCard::of(text).as_str(), "****-****-****-1234");
        }
        assert_eq!(MaskedCard::of("").as_str(), "****-****-****-****");
    }

    proptest! {
        #[test]
        fn nobody_who_prints_a_card_sees_its_number(digits in "[0-9]{12,19}") {
            let card = CardNumber::parse(&digits).unwrap();
            let shown = format!("{card:?} {}", card.masked().as_str());
            prop_assert!(!shown.contains(&digits[..digits.len() - 4]));
        }

        #[test]
        fn reading_never_panics(text in any::<String>()) {
            let _ = CardNumber::parse(&text);
            let _ = MaskedCard::of(&text);
        }
    }
}
