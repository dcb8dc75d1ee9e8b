//! What every [`PaymentGateway`] owes its caller, whatever payment and the network do.
//!
//! An adapter joins by implementing [`World`]; [`obligations`] is the whole suite.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prereservation::domain::CardNumber;
use prereservation::use_cases::ports::{
    Declined, NotSent, NotSentWhy, Paid, PaymentGateway, PaymentOrder, PaymentOutcome, Refused, RefusedWhy,
    Unknown, UnknownWhy,
};

/// The timeout that a [`World`] gives its gateways.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(400);
/// On top of it, for a machine that is busy with other things.
const SLACK: Duration = Duration::from_secs(3);

pub(crate) const CARD: &str = "4000-1234-5678-9012";
pub(crate) const PAYMENT_ID: i64 = 5;
pub(crate) const DETAIL: &str = "The bank refuses the card.";

/// How payment, or what lies between, behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Behaviour {
    Charges,
    /// As a repetition is answered: 200.
    HasCharged,
    DeclinesCard,
    /// Without a problem document that could be read.
    DeclinesWordlessly,
    /// A status, with a problem document.
    Answers(u16),
    /// 307 to a place that would charge.
    Redirects,
    /// 201, and a body that is no payment.
    AnswersGarbage,
    /// 201, and the payment of another reservation.
    PaysAnother,
    /// 201, and another price.
    PaysAnotherPrice,
    /// 200, and a payment that was refunded.
    HasRefunded,
    /// 201, and a body without end.
    NeverEnds,
    /// Nobody listens.
    Refuses,
    UnknownHost,
    /// Listens, and lets no connection come about.
    IsUnreachable,
    /// Takes the request and is silent.
    IsSilent,
    /// Takes the request, sends the head of an answer and half its body, and is silent.
    FallsSilent,
    /// Takes the request and closes the connection in order, the first time; charges the second time.
    HangsUpOnce,
    /// The same, and answers with this status the second time.
    HangsUpThenAnswers(u16),
    /// Takes the request, closes the connection in order, and listens no more.
    HangsUpForGood,
    /// Takes the request and resets the connection.
    Resets,
    /// Takes the request and closes the connection in order.
    HangsUp,
    /// Resets in the middle of the answer.
    BreaksOff,
    /// Answers what is no HTTP.
    SpeaksAnotherLanguage,
}

/// An adapter and a payment that behaves.
pub(crate) trait World {
    type Subject: Subject;
    async fn gateway(&self, behaviour: Behaviour) -> Self::Subject;
}

pub(crate) trait Subject {
    fn gateway(&self) -> Arc<dyn PaymentGateway>;
    /// How many requests have reached payment.
    async fn asked(&self) -> usize;
}

pub(crate) fn order() -> PaymentOrder {
    PaymentOrder {
        reservation_id: 7,
        user_id: 1,
        product_id: 2,
        product_name: "fold".to_owned(),
        price: 1_300_000,
        card: CardNumber::parse(CARD).unwrap(),
    }
}

/// What is known after each behaviour, no more and no less.
fn cases() -> Vec<(Behaviour, PaymentOutcome)> {
    let paid = PaymentOutcome::Paid(Paid { payment_id: PAYMENT_ID });
    let declined =
        |detail: Option<&str>| PaymentOutcome::Declined(Declined { detail: detail.map(str::to_owned) });
    let refused = |why| PaymentOutcome::Refused(Refused { why });
    let not_sent = |why| PaymentOutcome::NotSent(NotSent { why, retry_after: Duration::from_secs(1) });
    let not_connected = not_sent(NotSentWhy::ConnectionRefused);
    let unknown = |why| PaymentOutcome::Unknown(Unknown { why });
    let mut cases = vec![
        (Behaviour::Charges, paid.clone()),
        (Behaviour::HasCharged, paid.clone()),
        (Behaviour::DeclinesCard, declined(Some(DETAIL))),
        (Behaviour::DeclinesWordlessly, declined(None)),
        (Behaviour::Answers(409), refused(RefusedWhy::ReservationCancelled)),
        (Behaviour::Answers(422), refused(RefusedWhy::AnotherPayment)),
        (Behaviour::Answers(429), not_sent(NotSentWhy::Overloaded)),
        (Behaviour::HangsUpThenAnswers(409), refused(RefusedWhy::ReservationCancelled)),
        (Behaviour::HangsUpThenAnswers(422), refused(RefusedWhy::AnotherPayment)),
        // About the second try only: the first one may have charged.
        (Behaviour::HangsUpThenAnswers(403), unknown(UnknownWhy::UnexpectedStatus(403))),
        (Behaviour::HangsUpThenAnswers(429), unknown(UnknownWhy::UnexpectedStatus(429))),
        (Behaviour::Redirects, unknown(UnknownWhy::UnexpectedStatus(307))),
        (Behaviour::AnswersGarbage, unknown(UnknownWhy::Garbled)),
        (Behaviour::PaysAnother, unknown(UnknownWhy::Garbled)),
        (Behaviour::PaysAnotherPrice, unknown(UnknownWhy::Garbled)),
        (Behaviour::HasRefunded, unknown(UnknownWhy::Garbled)),
        (Behaviour::NeverEnds, unknown(UnknownWhy::Garbled)),
        (Behaviour::Refuses, not_connected.clone()),
        (Behaviour::UnknownHost, not_connected.clone()),
        (Behaviour::IsUnreachable, not_connected),
        (Behaviour::IsSilent, unknown(UnknownWhy::Timeout)),
        (Behaviour::FallsSilent, unknown(UnknownWhy::Timeout)),
        (Behaviour::HangsUpOnce, paid),
        (Behaviour::HangsUpForGood, unknown(UnknownWhy::ConnectionReset)),
        (Behaviour::Resets, unknown(UnknownWhy::ConnectionReset)),
        (Behaviour::HangsUp, unknown(UnknownWhy::ConnectionReset)),
        (Behaviour::BreaksOff, unknown(UnknownWhy::ConnectionReset)),
        (Behaviour::SpeaksAnotherLanguage, unknown(UnknownWhy::ConnectionReset)),
    ];
    for status in [401, 403] {
        cases.push((Behaviour::Answers(status), not_sent(NotSentWhy::NotTrusted(status))));
    }
    for status in [400, 404, 405, 413, 415] {
        cases.push((Behaviour::Answers(status), not_sent(NotSentWhy::NotUnderstood(status))));
    }
    for status in [406, 408, 410, 421, 425, 431, 451, 202, 204] {
        cases.push((Behaviour::Answers(status), unknown(UnknownWhy::UnexpectedStatus(status))));
    }
    for status in [500, 501, 502, 503, 504] {
        cases.push((Behaviour::Answers(status), unknown(UnknownWhy::ServerError(status))));
    }
    cases
}

pub(crate) async fn obligations(world: &impl World) {
    for (behaviour, expected) in cases() {
        answers_truly_and_in_time(world, behaviour, expected).await;
    }
    may_be_dropped(world).await;
}

async fn answers_truly_and_in_time(world: &impl World, behaviour: Behaviour, expected: PaymentOutcome) {
    let subject = world.gateway(behaviour).await;
    let started = Instant::now();
    let outcome = subject.gateway().pay(&order()).await;
    let elapsed = started.elapsed();
    assert_eq!(outcome, expected, "{behaviour:?}");
    assert!(elapsed < TIMEOUT + SLACK, "{behaviour:?} took {elapsed:?}");
    assert!(!format!("{outcome:?}").contains("4000"), "{behaviour:?} shows the card");
    let asked = subject.asked().await;
    let times = match (behaviour, expected) {
        (Behaviour::Answers(_), _) => 1,
        (_, PaymentOutcome::NotSent(_)) => 0,
        // No answer began.
        (
            Behaviour::HangsUpOnce
            | Behaviour::HangsUpThenAnswers(_)
            | Behaviour::HangsUp
            | Behaviour::Resets
            | Behaviour::SpeaksAnotherLanguage,
            _,
        ) => 2,
        _ => 1,
    };
    assert_eq!(asked, times, "{behaviour:?}");
}

/// A caller that goes away leaves nothing behind that a later call would feel.
async fn may_be_dropped(world: &impl World) {
    let subject = world.gateway(Behaviour::IsSilent).await;
    for calls in 1..=3 {
        let gateway = subject.gateway();
        let call = tokio::spawn(async move { gateway.pay(&order()).await });
        let deadline = Instant::now() + SLACK;
        while subject.asked().await < calls {
            assert!(Instant::now() < deadline, "payment was never asked");
            tokio::task::yield_now().await;
        }
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
    let outcome = subject.gateway().pay(&order()).await;
    assert_eq!(outcome, PaymentOutcome::Unknown(Unknown { why: UnknownWhy::Timeout }));
}
