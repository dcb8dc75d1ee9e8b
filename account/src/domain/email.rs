use std::fmt;

use email_address::{EmailAddress, Options};
use unicode_normalization::UnicodeNormalization;

/// RFC 5321, section 4.5.3.1.3: the longest path, without its brackets.
const LONGEST: usize = 254;

/// An address in its one spelling: without white space around it, in the Unicode form NFKC, in lower case, its domain in the
/// form that people read (`bücher.example`, whatever of `xn--bcher-kva.example` was sent). Two addresses of this type are the same
/// user exactly if they are equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address of at most {LONGEST} bytes")]
pub struct InvalidEmail;

impl Email {
    /// # Errors
    /// It is no address to which mail can go.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        // What is far too long is not worth the work.
        if text.len() > 4 * LONGEST {
            return Err(InvalidEmail);
        }
        let spelling = spelled(text.trim())?;
        let options = Options::default().without_display_text().without_domain_literal();
        // A quoted local part (`"a b"@c.example`) is allowed and used by nobody but attackers.
        let plain =
            !spelling.chars().any(|c| c.is_control() || c.is_whitespace() || c == '"' || is_unseen(c));
        let valid = plain
            && spelling.len() <= LONGEST
            && spelled(&spelling).as_ref() == Ok(&spelling)
            && EmailAddress::parse_with_options(&spelling, options).is_ok();
        if valid { Ok(Self(spelling)) } else { Err(InvalidEmail) }
    }

    /// As the store has it.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For logs: `a***@shop.example`.
    #[must_use]
    pub fn masked(&self) -> String {
        let (local, domain) = self.0.rsplit_once('@').unwrap_or((&self.0, ""));
        let first: String = local.chars().take(1).collect();
        format!("{first}***@{domain}")
    }
}

fn spelled(text: &str) -> Result<String, InvalidEmail> {
    let text = normalised(text);
    let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
    // As mail goes by it: one domain is one name, also where its dots are ideographic.
    let (domain, Ok(())) = idna::domain_to_unicode(domain) else { return Err(InvalidEmail) };
    Ok(format!("{local}@{domain}"))
}

/// Characters that nobody sees, or that turn the others around: with one of them somebody else's address could be shown to an
/// administrator. Unicode calls them default ignorable, and format.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Lower case may leave the form, for instance `İ` becomes `i` and a combining dot.
fn normalised(text: &str) -> String {
    text.nfkc().collect::<String>().to_lowercase().nfkc().collect()
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_address_has_one_spelling() {
        for (spellings, wanted) in [
            (&["kim@shop.example", " Kim@Shop.Example\n", "KIM@SHOP.EXAMPLE"][..], "kim@shop.example"),
            // Composed, decomposed, upper case of either.
            (
                &["jos\u{e9}@a.example", "jose\u{301}@a.example", "JOSE\u{301}@A.EXAMPLE"],
                "jos\u{e9}@a.example",
            ),
            // Full width letters and the ligature fi.
            (&["\u{ff4b}im@a.example", "kim@a.example"], "kim@a.example"),
            (&["\u{fb01}n@a.example", "fin@a.example"], "fin@a.example"),
            (&["김@가게.한국", "\u{1100}\u{1175}\u{11b7}@가게.한국"], "김@가게.한국"),
            // A domain has two forms, and more than one kind of dot.
            (
                &["kim@b\u{fc}cher.example", "kim@xn--bcher-kva.example", "Kim@XN--BCHER-KVA.example"],
                "kim@b\u{fc}cher.example",
            ),
            (&["kim@a\u{3002}example", "kim@a\u{ff61}example", "kim@a.example"], "kim@a.example"),
            (&["admin@localhost"], "admin@localhost"),
            (&["a+b@c.example"], "a+b@c.example"),
        ] {
            for spelling in spellings {
                assert_eq!(Email::parse(spelling).unwrap().as_str(), wanted, "{spelling:?}");
            }
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@a.example", "x".repeat(LONGEST));
        for wrong in [
            "",
            " ",
            "kim",
            "@a.example",
            "kim@",
            "kim@@a.example",
            "kim @a.example",
            "kim@a.example, lee@a.example",
            "Kim <kim@a.example>",
            "\"a b\"@a.example",
            "kim@[127.0.0.1]",
            "kim@a.example\0",
            "kim@a\r\nBcc: x@a.example",
            ".kim@a.example",
            // Seen as another one's address.
            "\u{200b}kim@a.example",
            "ki\u{ad}m@a.example",
            "kim\u{202e}@a.example",
            "kim\u{fe0f}@a.example",
            "kim\u{e0041}@a.example",
            "kim@xn--.example",
            long.as_str(),
        ] {
            assert_eq!(Email::parse(wrong), Err(InvalidEmail), "{wrong:?}");
        }
    }

    #[test]
    fn logs_see_the_first_letter_and_the_domain() {
        let email = Email::parse("kim@shop.example").unwrap();
        assert_eq!(format!("{email:?}"), "k***@shop.example");
    }

    proptest! {
        #[test]
        fn an_address_is_its_own_spelling(text in "\\PC{1,20}@[a-zA-Z]{1,10}\\.example") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email));
            }
        }
    }
}
