//! A long run in pieces, each a whole run with a seed of its own, audited by itself. What is done stands in the report;
//! a campaign that was interrupted goes on from there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::outcome::Outcome;
use crate::rng::Rng;
use crate::settings::Settings;
use harness::Error;

/// What fits in ten minutes with room to spare, also on a small machine that is not idle.
const RESERVATIONS: u64 = 1000;
const KILLS: u64 = 20;
/// Where programs look first.
const FIRST: [&str; 8] =
    ["reservations", "kills", "lost", "doubled", "charged_and_cancelled", "open", "violations", "cancelled"];

pub struct Campaign {
    /// What repeats it.
    command: String,
    against: &'static str,
    seed: u64,
    plan: Vec<Settings>,
    /// What each piece that is done found, by its seed.
    done: BTreeMap<u64, Value>,
    report: Option<PathBuf>,
}

impl Campaign {
    /// `pieces`: as many as fit, unless somebody knows better.
    pub fn new(
        command: String,
        against: &'static str,
        whole: &Settings,
        pieces: Option<u64>,
        report: Option<PathBuf>,
    ) -> Self {
        let fitting = whole.reservations.div_ceil(RESERVATIONS).max(whole.kills.div_ceil(KILLS));
        let pieces = pieces.unwrap_or(fitting).max(1);
        let plan = plan(whole, pieces);
        Self { command, against, seed: whole.seed, plan, done: BTreeMap::new(), report }
    }

    /// Takes over what the report has of the same campaign.
    ///
    /// # Errors
    /// The report is one of another campaign, or none.
    pub fn resume(&mut self) -> Result<(), Error> {
        let Some(path) = self.report.as_deref().filter(|path| path.exists()) else { return Ok(()) };
        let text = std::fs::read_to_string(path).map_err(Error::io(format!("reading {}", path.display())))?;
        let other = || Error::unexpected(format!("{} is the report of something else", path.display()));
        let before: Value = serde_json::from_str(&text).map_err(|_| other())?;
        if before["command"] != self.command.as_str() {
            return Err(other());
        }
        for piece in before["pieces"].as_array().into_iter().flatten() {
            let seed = piece["seed"].as_u64().ok_or_else(other)?;
            self.done.insert(seed, piece.clone());
        }
        Ok(())
    }

    /// The next piece: its number, of how many, and what it does.
    pub fn next(&self) -> Option<(usize, usize, &Settings)> {
        let open = (1..).zip(&self.plan).find(|(_, piece)| !self.done.contains_key(&piece.seed));
        open.map(|(number, piece)| (number, self.plan.len(), piece))
    }

    /// # Errors
    /// The report cannot be written.
    pub fn finish(&mut self, outcome: &Outcome) -> Result<(), Error> {
        self.done.insert(outcome.settings.seed, outcome.json());
        match &self.report {
            Some(path) => write(path, &self.json()),
            None => Ok(()),
        }
    }

    pub fn failed(&self) -> bool {
        self.total("violations") > 0
    }

    fn total(&self, name: &str) -> u64 {
        self.done.values().filter_map(|piece| piece["totals"][name].as_u64()).sum()
    }

    pub fn totals(&self) -> BTreeMap<String, u64> {
        let of_pieces = self.done.values().filter_map(|piece| piece["totals"].as_object());
        let names = of_pieces.flat_map(|totals| totals.keys().cloned());
        names.map(|name| (name.clone(), self.total(&name))).collect()
    }

    pub fn json(&self) -> Value {
        let of_pieces = |name: &str| -> Vec<f64> {
            self.done.values().filter_map(|piece| piece[name].as_f64()).collect()
        };
        let quiet = of_pieces("quiet_after_seconds").into_iter().fold(0.0, f64::max);
        let took: f64 = of_pieces("took_seconds").iter().sum();
        let in_order: Vec<&Value> = self.plan.iter().filter_map(|piece| self.done.get(&piece.seed)).collect();
        let mut json = json!({
            "command": self.command, "seed": self.seed, "against": self.against,
            "pieces_planned": self.plan.len(), "pieces_done": self.done.len(),
            "took_seconds": took, "longest_quiet_after_seconds": quiet,
            "totals": self.totals(), "pieces": in_order,
        });
        if let Some(object) = json.as_object_mut() {
            for name in FIRST {
                object.insert(name.to_owned(), json!(self.total(name)));
            }
        }
        json
    }
}

/// Evenly, to the last reservation and kill. A single piece has the seed itself.
fn plan(whole: &Settings, pieces: u64) -> Vec<Settings> {
    let share = |of: u64, number: u64| of * (number + 1) / pieces - of * number / pieces;
    let piece = |number: u64| Settings {
        seed: if pieces == 1 { whole.seed } else { seed_of(whole.seed, number) },
        reservations: share(whole.reservations, number),
        kills: share(whole.kills, number),
        ..whole.clone()
    };
    (0..pieces).map(piece).collect()
}

fn seed_of(seed: u64, number: u64) -> u64 {
    Rng::fork(seed, number).between(1_000_000_000, 9_999_999_999)
}

/// Whole or not at all: an interruption must not cost what was done.
fn write(path: &Path, json: &Value) -> Result<(), Error> {
    let new = path.with_extension("new");
    std::fs::write(&new, format!("{json:#}\n")).map_err(Error::io(format!("writing {}", new.display())))?;
    std::fs::rename(&new, path).map_err(Error::io(format!("writing {}", path.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::audit::{Kind, Violation};

    fn whole() -> Settings {
        Settings { seed: 7, reservations: 2500, kills: 41, replicas: 2, customers: 8, poison: 1.0 }
    }

    fn done(settings: &Settings, violations: usize) -> Outcome {
        let violation = Violation { kind: Kind::Lost, reservation: None, order: None, what: "x".into() };
        let mut outcome = Outcome::empty(settings.clone());
        outcome.kills = settings.kills;
        outcome.verdict.violations = vec![violation; violations];
        outcome
    }

    #[test]
    fn pieces_are_the_whole_and_each_has_a_seed_of_its_own() {
        let campaign = Campaign::new("x".into(), "embedded", &whole(), None, None);
        assert_eq!(campaign.plan.len(), 3);
        assert_eq!(campaign.plan.iter().map(|piece| piece.reservations).sum::<u64>(), 2500);
        assert_eq!(campaign.plan.iter().map(|piece| piece.kills).sum::<u64>(), 41);
        assert!(campaign.plan.iter().all(|piece| piece.reservations <= 1000 && piece.kills <= 20));
        let mut seeds: Vec<u64> = campaign.plan.iter().map(|piece| piece.seed).collect();
        seeds.dedup();
        assert_eq!(seeds.len(), 3);
        let small = Settings { reservations: 60, kills: 3, ..whole() };
        assert_eq!(Campaign::new("x".into(), "embedded", &small, None, None).plan, [small]);
    }

    #[test]
    fn what_was_interrupted_goes_on_where_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.json");
        let campaign =
            |command: &str| Campaign::new(command.into(), "embedded", &whole(), None, Some(path.clone()));
        let mut first = campaign("x");
        first.resume().unwrap();
        let piece = first.next().unwrap().2.clone();
        first.finish(&done(&piece, 2)).unwrap();

        let mut second = campaign("x");
        second.resume().unwrap();
        assert_eq!(second.next().unwrap().0, 2);
        for _ in 0..2 {
            let piece = second.next().unwrap().2.clone();
            second.finish(&done(&piece, 0)).unwrap();
        }
        assert!(second.next().is_none() && second.failed());
        let report: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for (name, wanted) in [("kills", 41), ("violations", 2), ("lost", 2), ("pieces_done", 3)] {
            assert_eq!(report[name], wanted, "{name}");
        }
        assert!(campaign("another command").resume().is_err());
    }
}
