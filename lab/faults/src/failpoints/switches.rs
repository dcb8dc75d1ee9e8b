//! A system with one promise broken, and what notices it: a step that fails, or a test of the crate where two replicas or
//! a late message can be had at will. What notices nothing on a broken system would prove nothing on a sound one.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use harness::reaper::Watched;

use crate::failpoints::case::Case;
use crate::failpoints::play::play;
use crate::failpoints::scene::Action;
use crate::failpoints::weave::{self, Woven};
use harness::{Error, Stage};

#[derive(Clone, Copy, Debug)]
enum Catcher {
    Step { step: &'static str, action: Action },
    Test { target: &'static str, name: &'static str },
}

const fn step(step: &'static str, action: Action) -> Catcher {
    Catcher::Step { step, action }
}

const fn test(target: &'static str, name: &'static str) -> Catcher {
    Catcher::Test { target, name }
}

const CATCHERS: [(&str, Catcher); 15] = [
    ("publish_before_commit", step("prereservation.save.before_commit", Action::Error)),
    ("acknowledge_before_commit", step("messaging.consumer.before_commit", Action::Kill)),
    ("remove_before_publish", step("messaging.relay.before_publish", Action::Kill)),
    ("relay_out_of_order", step("messaging.relay.before_publish", Action::Error)),
    ("no_take_over", step("prereservation.reserve.after_payment", Action::Kill)),
    ("forget_idempotency_key", step("prereservation.reserve.after_save", Action::Kill)),
    ("charge_with_a_new_key", step("payment.charge.before_save", Action::Error)),
    ("refund_as_often_as_asked", step("payment.refund.before_save", Action::Error)),
    ("no_tombstone_at_payment", test("suite", "a_cancellation_that_comes_first_refuses_the_charge")),
    ("skip_inbox_guard", test("delivery", "who_lost_the_partition_cannot_commit")),
    ("no_lease_check", test("delivery", "one_relay_at_a_time_publishes")),
    (
        "nobody_waits_behind_a_dead_letter",
        test("delivery", "later_records_of_the_key_wait_also_after_a_restart_and_others_pass"),
    ),
    ("late_charge_is_not_barred", test("suite", "after_a_refund_no_charge_stands_nor_ever_will")),
    (
        "no_tombstone_at_receipt",
        test("following", "a_cancellation_that_overtook_its_payment_leaves_a_tombstone"),
    ),
    ("view_takes_any_version", test("any_order", "through_the_sql")),
];

/// A switch, what was to notice it, and what it said.
#[derive(Clone, Debug)]
pub struct Caught {
    switch: String,
    by: String,
    said: Option<String>,
}

impl Caught {
    pub fn is_caught(&self) -> bool {
        self.said.is_some()
    }
}

/// # Errors
/// Something that is the runner's own; a switch without anybody who is to notice it; a test that fails on a sound system.
pub async fn run(stage: &Arc<Stage>, program: &Path, jobs: usize, seed: u64) -> Result<Vec<Caught>, Error> {
    let known: BTreeMap<&str, Catcher> = CATCHERS.into_iter().collect();
    let switches = Woven::read()?.mutations;
    if let Some(stranger) = switches.iter().find(|switch| !known.contains_key(switch.as_str())) {
        return Err(Error::unexpected(format!("nobody is to notice the switch {stranger}")));
    }
    let mut caught = by_steps(stage, program, jobs, seed).await?;
    caught.extend(by_tests()?);
    caught.sort_by(|a, b| a.switch.cmp(&b.switch));
    Ok(caught)
}

async fn by_steps(stage: &Arc<Stage>, program: &Path, jobs: usize, seed: u64) -> Result<Vec<Caught>, Error> {
    let mut cases = Vec::new();
    for (switch, catcher) in CATCHERS {
        if let Catcher::Step { step, action } = catcher {
            let (step, sabotage) = (step.to_owned(), Some(switch.to_owned()));
            cases.push(Case { step, action, restarts: 3, seed, sabotage });
        }
    }
    let mut caught = Vec::new();
    for outcome in play(cases, jobs, stage, program).await? {
        if let Some(kept) = &outcome.kept {
            // What was broken on purpose need not be looked into.
            let _ = std::fs::remove_dir_all(kept);
        }
        let count = outcome.violations.len();
        caught.push(Caught {
            switch: outcome.case.sabotage.clone().unwrap_or_default(),
            by: format!("step {} {}", outcome.case.step, outcome.case.action),
            said: outcome
                .violations
                .first()
                .map(|first| format!("{count} violations, {:?}: {}", first.kind, first.what)),
        });
    }
    Ok(caught)
}

fn by_tests() -> Result<Vec<Caught>, Error> {
    let tests = build_tests()?;
    let mut caught = Vec::new();
    for (switch, catcher) in CATCHERS {
        let Catcher::Test { target, name } = catcher else { continue };
        eprintln!("{switch}: {target} {name}");
        let by = format!("test {target} {name}");
        if !passes(&tests, target, name, None)? {
            return Err(Error::unexpected(format!("{by} fails without any switch")));
        }
        let noticed = !passes(&tests, target, name, Some(switch))?;
        let said = noticed.then(|| "fails; passes without the switch".to_owned());
        caught.push(Caught { switch: switch.to_owned(), by, said });
    }
    Ok(caught)
}

pub fn table(caught: &[Caught]) -> String {
    let mut text = "| switch | caught by | which says |\n|---|---|---|\n".to_owned();
    for Caught { switch, by, said } in caught {
        let said = said.as_deref().unwrap_or("NOTHING: not caught");
        let _ = writeln!(text, "| `{switch}` | {by} | {said} |");
    }
    let count = caught.iter().filter(|caught| caught.is_caught()).count();
    let _ = writeln!(text, "{count} of {} switches caught", caught.len());
    text
}

/// The tests' programs by their names, with the switches in them.
fn build_tests() -> Result<BTreeMap<String, PathBuf>, Error> {
    eprintln!("building the tests with their switches");
    let mut command = weave::cargo()?;
    command.args(["test", "--quiet", "--workspace", "--no-run"]);
    for (_, catcher) in CATCHERS {
        if let Catcher::Test { target, .. } = catcher {
            command.args(["--test", target]);
        }
    }
    command.args(["--message-format", "json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output().map_err(Error::io("starting cargo"))?;
    if !output.status.success() {
        return Err(Error::unexpected("the tests do not compile"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let said = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    Ok(said
        .filter_map(|said| {
            let executable = PathBuf::from(said["executable"].as_str()?);
            Some((said["target"]["name"].as_str()?.to_owned(), executable))
        })
        .collect())
}

fn passes(
    tests: &BTreeMap<String, PathBuf>,
    target: &str,
    name: &str,
    switch: Option<&str>,
) -> Result<bool, Error> {
    let program = tests.get(target).ok_or_else(|| Error::unexpected(format!("there is no test {target}")))?;
    let mut command = Command::new(program);
    // A test of random cases keeps what failed beside its source; this failure is none.
    command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
    command.arg(name).env_remove("SABOTAGE").stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(switch) = switch {
        command.env("SABOTAGE", switch);
    }
    let child = command.spawn().map_err(Error::io(format!("starting {}", program.display())))?;
    let _watched = Watched::new(child.id());
    let output = child.wait_with_output().map_err(Error::io(format!("waiting for {}", program.display())))?;
    let ran = !String::from_utf8_lossy(&output.stdout).contains("running 0 tests");
    if ran {
        Ok(output.status.success())
    } else {
        Err(Error::unexpected(format!("{target} has no test {name}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    /// A switch that nobody is to notice, or a catcher of a switch that is gone, is a mistake.
    #[test]
    fn every_switch_has_somebody_who_is_to_notice_it() {
        let known: BTreeSet<String> = CATCHERS.iter().map(|(switch, _)| (*switch).to_owned()).collect();
        assert_eq!(Woven::read().unwrap().mutations, known);
    }

    #[test]
    fn the_steps_are_there() {
        let steps: BTreeSet<String> =
            Woven::read().unwrap().steps.into_iter().map(|step| step.name).collect();
        for (switch, catcher) in CATCHERS {
            if let Catcher::Step { step, .. } = catcher {
                assert!(steps.contains(step), "{switch}: {step}");
            }
        }
    }
}
