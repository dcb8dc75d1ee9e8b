//! What is held against the steps: between one effect and the next, there is one.
#![allow(clippy::unwrap_used)]

use super::*;

/// What leaves the process: the ports of the use cases, and in messaging the transaction, the log and the tables.
const EFFECTS: [(&str, &[&str]); 5] = [
    (
        "use_cases/",
        &[".store.", ".provider.", ".payments.", "payments.save(", "payments.put_", "payments.of_"],
    ),
    ("inbound/events/", &[".projection.", ".follow."]),
    ("messaging/src/consumer/aside.rs", &["dead_letters::set_aside("]),
    ("messaging/src/relay/turn.rs", &[".publish(", ".outbox.remove(", ".lease.hold().await"]),
    ("messaging/src/consumer/batch.rs", &["tx.commit("]),
];
/// They change nothing and acknowledge nothing: what asks, what measures, what an operator rebuilds beside the live
/// view, what has been of no use for a day; calls that only look like one; and account, whose use cases are one transaction each, with
/// counts of failures beside them. The scenario `accounts` kills it.
const WITHOUT: [&str; 7] = [
    "account/src/use_cases/",
    "find.rs",
    "read_your_writes.rs",
    "watch_sagas.rs",
    "use_cases/rebuild/",
    "use_cases/ports.rs",
    "purge_keys.rs",
];

/// Between one effect and the next, in the same function, there is a step: a new one without it is noticed here.
#[test]
fn every_effect_has_a_step_before_it() {
    let mut missing = Vec::new();
    let woven = Woven::of(false).unwrap();
    for file in listed().unwrap() {
        let path = file.display().to_string();
        let Some((_, calls)) = EFFECTS.iter().find(|(place, _)| path.contains(place)) else { continue };
        if WITHOUT.iter().any(|known| path.contains(known)) {
            continue;
        }
        let text = match woven.files.get(&file) {
            Some(text) => text.clone(),
            None => read(&workspace().join(&file)).unwrap(),
        };
        let mut stepped = false;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.contains("fn ") {
                stepped = false;
            }
            if step_in(line).is_some() {
                stepped = true;
            } else if !line.starts_with("//")
                && line.contains(".await")
                && calls.iter().any(|call| line.contains(call))
                && !std::mem::replace(&mut stepped, false)
            {
                missing.push(format!("{path}:{}: {line}", index + 1));
            }
        }
    }
    assert!(missing.is_empty(), "no step before\n{}", missing.join("\n"));
}

#[test]
fn a_step_is_named_after_its_crate() {
    for step in Woven::read().unwrap().steps {
        let crate_name = step.name.split('.').next().unwrap();
        assert!(step.file.display().to_string().contains(&format!("{crate_name}/src/")), "{step:?}");
    }
}
