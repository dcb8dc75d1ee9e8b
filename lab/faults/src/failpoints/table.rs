//! What came of it, a step a line.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::failpoints::case::Outcome;
use crate::failpoints::scene::Action;

/// Cells are `hits/starts`, with the number of times that the process was gone behind a `+` and of violations behind a `!`.
pub fn table(outcomes: &[Outcome], actions: &[Action]) -> String {
    let mut rows: BTreeMap<&str, BTreeMap<Action, &Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        rows.entry(&outcome.case.step).or_default().insert(outcome.case.action, outcome);
    }
    let mut text = format!("| {:<44} |", "step");
    for action in actions {
        let _ = write!(text, " {:<8} |", action.to_string());
    }
    let _ = write!(text, "\n|{}|{}", "-".repeat(46), "----------|".repeat(actions.len()));
    for (step, row) in rows {
        let _ = write!(text, "\n| {step:<44} |");
        for action in actions {
            let cell = row.get(action).map(|outcome| cell(outcome)).unwrap_or_default();
            let _ = write!(text, " {cell:<8} |");
        }
    }
    text.push('\n');
    text
}

fn cell(outcome: &Outcome) -> String {
    let mut cell = format!("{}/{}", outcome.hits, outcome.case.restarts);
    if outcome.ends > 0 {
        let _ = write!(cell, " +{}", outcome.ends);
    }
    if !outcome.violations.is_empty() {
        let _ = write!(cell, " !{}", outcome.violations.len());
    }
    cell
}

/// One line, for scripts.
pub fn totals(outcomes: &[Outcome]) -> serde_json::Value {
    let sum = |of: fn(&Outcome) -> usize| outcomes.iter().map(of).sum::<usize>();
    serde_json::json!({
        "steps": outcomes.iter().map(|o| &o.case.step).collect::<std::collections::BTreeSet<_>>().len(),
        "cases": outcomes.len(),
        "starts": sum(|o| o.case.restarts),
        "hits": sum(|o| o.hits),
        "ends": sum(|o| o.ends),
        "never_reached": sum(|o| usize::from(o.hits == 0)),
        "violations": sum(|o| o.violations.len()),
    })
}
