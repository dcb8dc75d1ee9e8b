//! What can happen next. What a service decides is decided by its domain; here is only who hears of it when.

use events::{Envelope, Fact, ReservationCancelled};
use payment::domain::{
    Change, ChargeAnswer, Decline, Payment, RefundAnswer, State, Status as PaymentStatus, Transition as Paid,
};
use prereservation::domain::{CancelReason, Status, Transition as Reserved};
use receipt::domain::{Transition as Receipted, issue, withdraw};
use receipt::use_cases::follow::Instruction;
use stateright::{Model, Property};

use crate::promises;
use crate::world::{Asking, Books, Broken, Charging, Consumer, ID, Life, NOW, Producer, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    CustomerCancels,
    /// prereservation asks payment, and payment writes its intent.
    Ask,
    /// The request did not reach payment, for certain.
    NotSent,
    /// The process that waits for payment is gone.
    PrereservationDies,
    /// prereservation hears what payment says, or hears nothing and gives up.
    PaymentAnswers,
    PaymentIsNotHeard,
    TakeOver,
    /// The card network does what it was asked.
    Charge,
    Decline,
    /// payment hears of it, or nobody is there to hear.
    NetworkAnswers,
    NetworkIsNotHeard,
    PaymentDies,
    Abandon,
    /// The card network undoes, and payment hears of it, or does not.
    Refund,
    RefundIsNotHeard,
    Publish(Producer),
    PublishAgain(Producer),
    Consume(Consumer),
    ConsumeAgain(Consumer),
}

impl Model for Life {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.bounds)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        self.of_the_request(world, steps);
        self.of_the_money(world, steps);
        for producer in [Producer::Prereservation, Producer::Payment, Producer::Receipt] {
            let outbox = &world.outboxes[producer as usize];
            if !outbox.is_empty() {
                steps.push(Step::Publish(producer));
                if world.repeats > 0 {
                    steps.push(Step::PublishAgain(producer));
                }
            }
        }
        for consumer in [Consumer::Payment, Consumer::Receipt, Consumer::View] {
            let position = world.positions[consumer as usize];
            if position < world.log.len() {
                steps.push(Step::Consume(consumer));
            }
            if position > 0 && world.repeats > 0 {
                steps.push(Step::ConsumeAgain(consumer));
            }
        }
    }

    fn next_state(&self, before: &World, step: Step) -> Option<World> {
        let mut world = before.clone();
        self.take(&mut world, step);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let always = promises::ALWAYS.iter().map(|(name, holds)| Property::<Self>::always(name, *holds));
        let sometimes =
            promises::SOMETIMES.iter().map(|(name, holds)| Property::<Self>::sometimes(name, *holds));
        match self.broken {
            None => always.chain(sometimes).collect(),
            Some(_) => always.collect(),
        }
    }
}

impl Life {
    fn of_the_request(&self, world: &World, steps: &mut Vec<Step>) {
        if world.cancels > 0 && world.reservation.status != Status::Cancelled {
            steps.push(Step::CustomerCancels);
        }
        match world.asking {
            Asking::NotYet => steps.extend([Step::Ask, Step::NotSent]),
            Asking::Waiting => {
                if matches!(world.charging, Charging::No) {
                    steps.push(Step::PaymentAnswers);
                }
                if world.lost_answers > 0 {
                    steps.push(Step::PaymentIsNotHeard);
                }
            }
            Asking::Over => {
                if world.reservation.status == Status::Pending && !self.is(Broken::NoTakeOver) {
                    steps.push(Step::TakeOver);
                }
            }
        }
        if world.asking != Asking::Over && world.crashes > 0 {
            steps.push(Step::PrereservationDies);
        }
    }

    fn of_the_money(&self, world: &World, steps: &mut Vec<Step>) {
        match world.charging {
            Charging::Asked { awaited } => {
                steps.push(Step::Charge);
                if self.bounds.declines {
                    steps.push(Step::Decline);
                }
                if awaited && world.crashes > 0 {
                    steps.push(Step::PaymentDies);
                }
            }
            Charging::Answered(_) => {
                steps.push(Step::NetworkAnswers);
                if world.lost_answers > 0 {
                    steps.push(Step::NetworkIsNotHeard);
                }
                if world.crashes > 0 {
                    steps.push(Step::PaymentDies);
                }
            }
            Charging::No => {}
        }
        match world.payment.as_ref().map(Payment::status) {
            // However long it takes: somebody slow may still be at it.
            Some(PaymentStatus::Charging) => steps.push(Step::Abandon),
            Some(PaymentStatus::Refunding) => {
                steps.push(Step::Refund);
                if world.lost_answers > 0 {
                    steps.push(Step::RefundIsNotHeard);
                }
            }
            _ => {}
        }
    }

    fn take(&self, world: &mut World, step: Step) {
        match step {
            Step::CustomerCancels => {
                world.cancels -= 1;
                cancel(world, CancelReason::ByCustomer);
            }
            Step::Ask => {
                world.asking = Asking::Waiting;
                if world.payment.is_none() {
                    world.payment = Some(Payment::charging(1, world.order(), NOW));
                    world.charging = Charging::Asked { awaited: true };
                }
            }
            Step::NotSent => {
                world.asking = Asking::Over;
                cancel(world, CancelReason::NotSent);
            }
            Step::PrereservationDies => {
                world.crashes -= 1;
                world.asking = Asking::Over;
            }
            Step::PaymentAnswers => answer(world),
            Step::PaymentIsNotHeard => {
                world.lost_answers -= 1;
                world.asking = Asking::Over;
                cancel(world, CancelReason::Unknown);
            }
            Step::TakeOver => cancel(world, CancelReason::Abandoned),
            Step::Charge => self.charge(world, true),
            Step::Decline => self.charge(world, false),
            Step::NetworkAnswers => {
                let Charging::Answered(answer) = std::mem::replace(&mut world.charging, Charging::No) else {
                    return;
                };
                change(world, |payment| payment.charge_answered(&answer, NOW));
            }
            Step::NetworkIsNotHeard => {
                world.lost_answers -= 1;
                world.charging = Charging::No;
            }
            Step::PaymentDies => {
                world.crashes -= 1;
                world.charging = match world.charging {
                    // The request is on its way all the same.
                    Charging::Asked { .. } => Charging::Asked { awaited: false },
                    _ => Charging::No,
                };
                lose_answer(world);
            }
            Step::Abandon => change(world, |payment| payment.cancel(NOW)),
            Step::Refund => {
                let answer = self.refund(world);
                change(world, |payment| payment.refund_answered(answer, NOW));
            }
            Step::RefundIsNotHeard => {
                world.lost_answers -= 1;
                self.refund(world);
            }
            Step::Publish(producer) => {
                let outbox = &mut world.outboxes[producer as usize];
                let fact = if self.is(Broken::OutOfOrder) { outbox.pop() } else { Some(outbox.remove(0)) };
                // The process may die between removing and publishing.
                let dies = self.is(Broken::RemovedBeforePublished) && world.crashes > 0;
                world.log.extend(fact.filter(|_| !dies));
            }
            Step::PublishAgain(producer) => {
                world.repeats -= 1;
                world.log.push(world.outboxes[producer as usize][0].clone());
            }
            Step::Consume(consumer) => {
                let fact = world.log[world.positions[consumer as usize]].clone();
                world.positions[consumer as usize] += 1;
                self.consume(world, consumer, &fact);
            }
            Step::ConsumeAgain(consumer) => {
                world.repeats -= 1;
                let fact = world.log[world.positions[consumer as usize] - 1].clone();
                self.consume(world, consumer, &fact);
            }
        }
    }

    fn charge(&self, world: &mut World, accepted: bool) {
        let barred = world.books == Books::Barred && !self.is(Broken::LateChargeIsNotBarred);
        let answer = match world.books {
            Books::Nothing | Books::Barred if !barred => {
                world.books = if accepted { Books::Charged } else { Books::Declined };
                world.taken += u8::from(accepted);
                if accepted { ChargeAnswer::Charged } else { declined() }
            }
            Books::Charged => ChargeAnswer::Charged,
            Books::Declined => declined(),
            _ => ChargeAnswer::Undone,
        };
        world.charging = match world.charging {
            Charging::Asked { awaited: true } => Charging::Answered(answer),
            _ => Charging::No,
        };
    }

    fn refund(&self, world: &mut World) -> RefundAnswer {
        if self.is(Broken::NoRefund) {
            return RefundAnswer::Refunded;
        }
        let (books, answer) = match world.books {
            Books::Nothing | Books::Barred => (Books::Barred, RefundAnswer::NothingCharged),
            Books::Declined => (Books::Declined, RefundAnswer::NothingCharged),
            Books::Charged | Books::Refunded => (Books::Refunded, RefundAnswer::Refunded),
        };
        world.books = books;
        answer
    }

    fn consume(&self, world: &mut World, consumer: Consumer, fact: &Envelope) {
        match consumer {
            Consumer::Payment => {
                if fact.fact_type == ReservationCancelled::TYPE {
                    self.cancel_payment(world);
                }
            }
            Consumer::Receipt => {
                let forgets = world.receipt.is_none() && self.is(Broken::NoTombstoneAtReceipt);
                let transition =
                    match receipt::inbound::events::instruction(&fact.arrived()).expect("a fact of ours") {
                        Some(Instruction::Issue(payment)) => issue(&mut world.receipt, &payment, NOW),
                        Some(Instruction::Withdraw { reservation_id }) if !forgets => {
                            withdraw(&mut world.receipt, reservation_id, NOW)
                        }
                        _ => return,
                    };
                if let (Receipted::Applied, Some(receipt)) = (transition, &mut world.receipt) {
                    receipt.id = 1;
                    world.outboxes[Producer::Receipt as usize].extend(receipt.fact());
                }
            }
            Consumer::View => {
                let told = myreservation::inbound::events::telling(&fact.arrived()).expect("a fact of ours");
                if let Some((telling, _)) = told {
                    world.view.tell(telling);
                }
            }
        }
    }

    fn cancel_payment(&self, world: &mut World) {
        if world.payment.is_some() {
            change(world, |payment| payment.cancel(NOW));
        } else if !self.is(Broken::NoTombstoneAtPayment) {
            let order = world.order();
            world.payment = Some(Payment { state: State::Void, ..Payment::charging(1, order, NOW) });
        }
    }
}

fn declined() -> ChargeAnswer {
    ChargeAnswer::Declined(Decline { code: "card_declined".into(), message: "no".into() })
}

/// What prereservation hears when payment has settled it, or has given up on the card network.
fn answer(world: &mut World) {
    world.asking = Asking::Over;
    match world.payment.as_ref().map(Payment::status) {
        Some(PaymentStatus::Paid) => {
            let transition = world.reservation.confirm(NOW);
            tell(world, transition);
        }
        Some(PaymentStatus::Declined) => cancel(world, CancelReason::Declined),
        // 5xx.
        Some(PaymentStatus::Charging) | None => cancel(world, CancelReason::Unknown),
        // 409: a cancellation reached payment first; whoever cancelled has written so, or the take-over will.
        Some(PaymentStatus::Refunding | PaymentStatus::Cancelled | PaymentStatus::Void) => {}
    }
}

/// payment is gone, and with it the answer to whoever asked it.
fn lose_answer(world: &mut World) {
    if world.asking == Asking::Waiting {
        world.asking = Asking::Over;
        cancel(world, CancelReason::Unknown);
    }
}

fn cancel(world: &mut World, why: CancelReason) {
    let transition = world.reservation.cancel(why, None, NOW);
    tell(world, transition);
}

fn tell(world: &mut World, transition: Reserved) {
    if let Reserved::Applied(fact) = transition {
        world.outboxes[Producer::Prereservation as usize].push(fact);
    }
}

fn change(world: &mut World, transition: impl FnOnce(&Payment) -> Paid) {
    let Some(payment) = &world.payment else { return };
    if let Paid::Applied(change) = transition(payment) {
        world.outboxes[Producer::Payment as usize].extend(change.facts().iter().cloned());
        world.payment = Some(Change::into_after(change));
    }
    debug_assert_eq!(world.reservation.id, ID);
}
