//! What has to hold in every state, and what has to be reached at least once.

use std::collections::BTreeMap;

use events::{Fact, PaymentCreated, ReservationCancelled};
use myreservation::domain::Status as Told;
use payment::domain::Status as PaymentStatus;
use prereservation::domain::Status;
use receipt::domain::Status as ReceiptStatus;
use stateright::Model;

use crate::steps::Step;
use crate::world::{Asking, Charging, Life, World};

type Holds = fn(&Life, &World) -> bool;

pub(crate) const ALWAYS: [(&str, Holds); 8] = [
    ("nobody is charged twice", |_, world| world.taken <= 1),
    ("what payment calls paid is charged", |_, world| {
        !is_payment(world, PaymentStatus::Paid) || world.is_charged()
    }),
    ("what payment calls undone is not charged, and nothing is under way to charge it", is_undone_for_good),
    ("a reservation that stands was paid for", |_, world| {
        world.reservation.status != Status::Reservated || world.taken == 1
    }),
    ("of each producer the facts come in order, without a gap", in_order),
    ("nobody waits for something that never comes", |life, world| {
        let mut steps = Vec::new();
        life.actions(world, &mut steps);
        // A customer may always change his mind, and a record come again; nobody may have to wait for that.
        steps.retain(|step| !matches!(step, Step::CustomerCancels | Step::ConsumeAgain(_)));
        !steps.is_empty() || is_quiet(world)
    }),
    ("nothing is receipted whose cancellation was told before its payment", nothing_late_is_receipted),
    ("at rest, all of it stands or nothing does", |_, world| {
        !is_quiet(world) || stands(world) || is_taken_back(world)
    }),
];

/// Without these the others might hold because nothing happens.
pub(crate) const SOMETIMES: [(&str, Holds); 3] = [
    ("a reservation stands", |_, world| is_quiet(world) && stands(world)),
    ("a charge is given back", |_, world| is_quiet(world) && is_payment(world, PaymentStatus::Cancelled)),
    ("the cancellation comes before the charge", |_, world| {
        is_quiet(world) && is_payment(world, PaymentStatus::Void) && world.taken == 0
    }),
];

fn is_payment(world: &World, status: PaymentStatus) -> bool {
    world.payment.as_ref().is_some_and(|payment| payment.status() == status)
}

/// Nothing is left to do.
fn is_quiet(world: &World) -> bool {
    world.asking == Asking::Over
        && world.reservation.status != Status::Pending
        && world.charging == Charging::No
        && !is_payment(world, PaymentStatus::Charging)
        && !is_payment(world, PaymentStatus::Refunding)
        && world.outboxes.iter().all(Vec::is_empty)
        && world.positions.iter().all(|position| *position == world.log.len())
}

fn is_undone_for_good(_: &Life, world: &World) -> bool {
    let undone = is_payment(world, PaymentStatus::Void) || is_payment(world, PaymentStatus::Cancelled);
    !undone || !world.is_charged()
}

fn in_order(_: &Life, world: &World) -> bool {
    let mut versions: BTreeMap<&str, i64> = BTreeMap::new();
    world.log.iter().all(|fact| {
        let version = versions.entry(fact.producer).or_default();
        let is_new = fact.version == *version + 1;
        *version += i64::from(is_new);
        is_new || fact.version <= *version
    })
}

fn nothing_late_is_receipted(_: &Life, world: &World) -> bool {
    let first = |fact_type| world.log.iter().position(|fact| fact.fact_type == fact_type);
    let (cancelled, paid) = (first(ReservationCancelled::TYPE), first(PaymentCreated::TYPE));
    match (cancelled, paid) {
        (Some(cancelled), Some(paid)) if cancelled < paid => {
            world.receipt.as_ref().is_none_or(|receipt| receipt.status == ReceiptStatus::Void)
        }
        _ => true,
    }
}

/// Charged, receipted, and shown so.
fn stands(world: &World) -> bool {
    world.reservation.status == Status::Reservated
        && world.is_charged()
        && is_payment(world, PaymentStatus::Paid)
        && world.receipt.as_ref().is_some_and(|receipt| receipt.status == ReceiptStatus::Issued)
        && shown(world) == [Some(Told::Reservated), Some(Told::Paid), Some(Told::ReceiptIssued)]
}

/// No money, no receipt, and the view says so.
fn is_taken_back(world: &World) -> bool {
    let [reservation, payment, receipt] = shown(world);
    world.reservation.status == Status::Cancelled
        && !world.is_charged()
        && !is_payment(world, PaymentStatus::Paid)
        && world.receipt.as_ref().is_none_or(|receipt| receipt.status != ReceiptStatus::Issued)
        && reservation == Some(Told::ReservationCancelled)
        && payment != Some(Told::Paid)
        && receipt != Some(Told::ReceiptIssued)
}

fn shown(world: &World) -> [Option<Told>; 3] {
    [
        world.view.reservation.as_ref().map(|(facet, _)| facet.status),
        world.view.payment.as_ref().map(|(facet, _)| facet.status),
        world.view.receipt.as_ref().map(|(facet, _)| facet.status),
    ]
}
