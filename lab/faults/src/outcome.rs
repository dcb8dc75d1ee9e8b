//! What is told at the end: a table for people, JSON for programs, and the whole history of what went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

#[cfg(test)]
use std::time::Duration;

use serde_json::{Value, json};

use crate::audit::{Kind, Violation, ledger_key};
use crate::orders::{Pages, Told};
use crate::quiet::Verdict;
use crate::schedule::Step;
use crate::settings::Settings;
#[cfg(test)]
use crate::snapshot::Snapshot;

const HISTORIES: usize = 20;

pub struct Outcome {
    /// Repeat the run.
    pub settings: Settings,
    pub against: &'static str,
    pub schedule: Vec<Step>,
    pub kills: u64,
    pub took_seconds: f64,
    pub notes: Vec<String>,
    pub ended: Vec<String>,
    pub verdict: Verdict,
    /// The customers' log.
    pub pages: Pages,
}

impl Outcome {
    pub fn failed(&self) -> bool {
        !self.verdict.violations.is_empty()
    }

    /// Repeats it, where it was not part of a scenario.
    pub fn command(&self) -> String {
        let Settings { seed, reservations, kills, replicas, customers, poison } = self.settings;
        format!(
            "cargo run --release -p faults -- --against {} --reservations {reservations} --kills {kills} \
             --seed {seed} --replicas {replicas} --customers {customers} --poison {poison} --pieces 1",
            self.against
        )
    }

    fn count(&self, kind: Kind) -> usize {
        // Of one reservation, all that is wrong in one way is one.
        let of_kind = self.verdict.violations.iter().filter(|violation| violation.kind == kind);
        let mut reservations = BTreeSet::new();
        let mut nameless = 0;
        for violation in of_kind {
            match (violation.reservation, violation.order) {
                (None, None) => nameless += 1,
                whose => drop(reservations.insert(whose)),
            }
        }
        reservations.len() + nameless
    }

    pub fn totals(&self) -> Vec<(&'static str, u64)> {
        let pages = &self.pages;
        let told = |told| pages.orders.values().filter(|entry| entry.told == told).count() as u64;
        let confirmed = pages.cancels.values().filter(|cancels| cancels.confirmed).count() as u64;
        vec![
            ("orders", pages.orders.len() as u64),
            ("reservations", told(Told::Reserved)),
            ("refused", told(Told::Refused)),
            ("cancelled", confirmed),
            ("kills", self.kills),
            ("poisoned", pages.poisoned.len() as u64),
            ("lost", self.count(Kind::Lost) as u64),
            ("doubled", self.count(Kind::Doubled) as u64),
            ("charged_and_cancelled", self.count(Kind::ChargedAndCancelled) as u64),
            ("open", self.count(Kind::Open) as u64),
            ("stalled", self.count(Kind::Stalled) as u64),
            ("violations", self.verdict.violations.len() as u64),
        ]
    }

    pub fn json(&self) -> Value {
        let totals: BTreeMap<&str, u64> = self.totals().into_iter().collect();
        let snapshot = &self.verdict.snapshot;
        let refunds = snapshot.ledger.values().flatten().filter(|entry| entry.kind == "refund").count();
        let answers = &self.pages.answers;
        json!({
            "seed": self.settings.seed, "replicas": self.settings.replicas, "command": self.command(),
            "took_seconds": self.took_seconds, "quiet_after_seconds": self.verdict.quiet_after.as_secs_f64(),
            "totals": totals, "answers": answers, "ended_by_themselves": self.ended, "notes": self.notes,
            "facts": snapshot.facts.len(), "refunds": refunds,
            "schedule": self.schedule.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "violations": self.verdict.violations, "histories": self.histories(),
        })
    }

    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "\nseed {} against {}, {} replicas",
            self.settings.seed, self.against, self.settings.replicas
        );
        for (name, count) in self.totals() {
            let _ = writeln!(text, "  {name:<24}{count:>8}");
        }
        let quiet = self.verdict.quiet_after.as_secs_f64();
        let _ = writeln!(text, "  {:<24}{quiet:>8.1} s after everything ran again", "quiet");
        for line in self.ended.iter().map(|line| format!("ended by itself: {line}")).chain(self.notes.clone())
        {
            let _ = writeln!(text, "  note: {line}");
        }
        if self.failed() {
            let _ = writeln!(text, "\nthe schedule:");
            for step in &self.schedule {
                let _ = writeln!(text, "  {step}");
            }
            for Violation { kind, reservation, order, what } in &self.verdict.violations {
                let _ = writeln!(text, "{kind:?}: reservation {reservation:?}, order {order:?}: {what}");
            }
            for (name, lines) in self.histories() {
                let _ = writeln!(text, "\n{name}");
                for line in lines {
                    let _ = writeln!(text, "  {line}");
                }
            }
        }
        text
    }

    /// All that is known of the violators.
    fn histories(&self) -> BTreeMap<String, Vec<String>> {
        let whose: BTreeSet<_> = self.verdict.violations.iter().map(|v| (v.reservation, v.order)).collect();
        let known = whose.into_iter().filter(|whose| *whose != (None, None)).take(HISTORIES);
        known
            .map(|(id, order)| (format!("reservation {id:?}, order {order:?}"), self.history(id, order)))
            .collect()
    }

    fn history(&self, id: Option<i64>, order: Option<u64>) -> Vec<String> {
        let (pages, snapshot) = (&self.pages, &self.verdict.snapshot);
        let mut lines = Vec::new();
        if let Some(entry) = order.and_then(|order| pages.orders.get(&order)) {
            lines.push(format!("{:?}", entry.order));
            lines.extend(entry.history.iter().cloned());
        }
        let Some(id) = id else { return lines };
        lines.extend(pages.cancel_history.get(&id).into_iter().flatten().cloned());
        lines.push(format!("prereservation: {:?}", snapshot.reservations.get(&id)));
        lines.push(format!("payment: {:?}", snapshot.payments.get(&id)));
        lines.push(format!("ledger: {:?}", snapshot.ledger.get(&ledger_key(id))));
        lines.push(format!("receipt: {:?}", snapshot.receipts.get(&id)));
        lines.push(format!("view: {:?}", snapshot.view.get(&id)));
        lines.extend(
            snapshot.facts.iter().filter(|fact| fact.reservation == id).map(|fact| format!("topic: {fact}")),
        );
        lines
    }

    /// Of a run in which nothing happened.
    #[cfg(test)]
    pub fn empty(settings: Settings) -> Self {
        let verdict =
            Verdict { violations: Vec::new(), snapshot: Snapshot::default(), quiet_after: Duration::ZERO };
        Self {
            settings,
            against: "embedded",
            schedule: Vec::new(),
            kills: 0,
            took_seconds: 0.0,
            notes: Vec::new(),
            ended: Vec::new(),
            verdict,
            pages: Pages::default(),
        }
    }
}
