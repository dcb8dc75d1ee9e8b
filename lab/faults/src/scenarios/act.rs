use serde_json::{Value, json};

use crate::outcome::Outcome;
use bench::report::Figure;

/// How it is played.
#[derive(Clone, Copy, Debug)]
pub struct Act {
    pub seed: u64,
    pub small: bool,
    pub replicas: usize,
}

impl Act {
    pub(super) fn size<T>(&self, full: T, small: T) -> T {
        if self.small { small } else { full }
    }
}

pub struct Played {
    pub figures: Vec<Figure>,
    /// Of the audit; none where no customer was asked.
    pub outcome: Option<Outcome>,
}

impl Played {
    pub fn failed(&self) -> bool {
        self.figures.iter().any(|figure| figure.met == Some(false))
            || self.outcome.as_ref().is_some_and(Outcome::failed)
    }

    pub fn json(&self, command: &str) -> Value {
        let mut json = json!({
            "command": command, "figures": self.figures, "passed": !self.failed(),
            "run": self.outcome.as_ref().map(Outcome::json),
        });
        if let (Some(object), Some(outcome)) = (json.as_object_mut(), &self.outcome) {
            object["run"]["command"] = json!(command);
            object.extend(outcome.totals().into_iter().map(|(name, count)| (name.to_owned(), json!(count))));
        }
        json
    }

    pub fn table(&self) -> String {
        let mut text = self.outcome.as_ref().map(Outcome::table).unwrap_or_default();
        for Figure { name, value, unit, goal, met, note, .. } in &self.figures {
            let value = value.map_or_else(|| "none".to_owned(), |value| format!("{value:.1} {unit}"));
            let goal = goal.map(|goal| format!("{goal} ")).unwrap_or_default();
            let verdict = match met {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "",
            };
            text.push_str(&format!("  {name:<28}{value:>16}  {goal}{verdict}  {note}\n"));
        }
        text
    }
}
