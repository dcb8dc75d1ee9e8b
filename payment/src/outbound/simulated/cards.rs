use crate::domain::{CardNumber, Decline};

/// Stripe's published test numbers that decline; every other card is good.
///
/// Source: <https://docs.stripe.com/testing#declined-payments>
const DECLINING: [(&str, &str, &str); 10] = [
    ("4000000000000002", "generic_decline", "The card was declined."),
    ("4000000000009995", "insufficient_funds", "The card has insufficient funds."),
    ("4000000000009987", "lost_card", "The card was declined."),
    ("4000000000009979", "stolen_card", "The card was declined."),
    ("4000000000000069", "expired_card", "The card has expired."),
    ("4000000000000127", "incorrect_cvc", "The card's security code is incorrect."),
    ("4000000000000119", "processing_error", "The bank could not process the card. Try again later."),
    ("4242424242424241", "incorrect_number", "The card number is incorrect."),
    ("4000000000006975", "card_velocity_exceeded", "The card was used too often in a short time."),
    ("4100000000000019", "fraudulent", "The card was declined."),
];

/// What the card's bank objects, if it does.
pub fn decline(card: &CardNumber) -> Option<Decline> {
    DECLINING
        .iter()
        .find(|(number, ..)| *number == card.digits())
        .map(|(_, code, message)| Decline { code: (*code).to_owned(), message: (*message).to_owned() })
}
