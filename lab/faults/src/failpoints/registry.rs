//! The list of steps, read from the sources that have them, so that none has to be listed anywhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use harness::Error;
use harness::binaries::workspace;

const SOURCES: [&str; 5] =
    ["prereservation/src", "payment/src", "receipt/src", "myreservation/src", "common/messaging/src"];
const MARK: &str = "step!(\"";
const SWITCH: &str = "sabotaged!(\"";

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    pub name: String,
    pub file: PathBuf,
    pub line: usize,
}

/// Every step of the services and of messaging, by name.
///
/// # Errors
/// A source that cannot be read; a name that is there twice.
pub fn steps() -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    for file in sources()? {
        let text = read(&file)?;
        for (index, line) in text.lines().enumerate() {
            let Some((_, rest)) = line.split_once(MARK) else { continue };
            let name = rest.split('"').next().unwrap_or_default().to_owned();
            steps.push(Step { name, file: file.clone(), line: index + 1 });
        }
    }
    steps.sort();
    match steps.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(Error::unexpected(format!("two steps are named {}", pair[0].name))),
        None => Ok(steps),
    }
}

/// Every switch that breaks a promise in a test build, by name.
///
/// # Errors
/// A source that cannot be read.
pub fn switches() -> Result<BTreeSet<String>, Error> {
    let mut switches = BTreeSet::new();
    for file in sources()? {
        let text = read(&file)?;
        let names = text.split(SWITCH).skip(1).filter_map(|rest| rest.split('"').next());
        switches.extend(names.map(str::to_owned));
    }
    Ok(switches)
}

fn sources() -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for directory in SOURCES {
        collect(&workspace().join(directory), &mut found)?;
    }
    Ok(found)
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = || Error::io(format!("reading {}", directory.display()));
    for entry in fs::read_dir(directory).map_err(failed())? {
        let path = entry.map_err(failed())?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<String, Error> {
    fs::read_to_string(file).map_err(Error::io(format!("reading {}", file.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What leaves the process: the ports of the use cases, and in messaging the transaction, the log and the tables.
    const EFFECTS: [(&str, &[&str]); 4] = [
        (
            "use_cases/",
            &[".store.", ".provider.", ".payments.", "payments.save(", "payments.put_", "payments.of_"],
        ),
        ("inbound/events/", &[".projection.", ".follow."]),
        (
            "messaging/src/relay.rs",
            &[".publish(", ".outbox.oldest(", ".outbox.remove(", ".lease.hold().await?"],
        ),
        (
            "messaging/src/consumer/batch.rs",
            &[".outbox.commit(", "dead_letters::set_aside(", "dead_letters::wait_behind("],
        ),
    ];
    /// They change nothing and acknowledge nothing: what asks, what measures, what an operator rebuilds beside the live
    /// view; and calls that only look like one.
    const WITHOUT: [&str; 5] =
        ["find.rs", "read_your_writes.rs", "watch_sagas.rs", "use_cases/rebuild/", "use_cases/ports.rs"];

    /// Between one effect and the next, in the same function, there is a step: a new one without it is noticed here.
    #[test]
    fn every_effect_has_a_step_before_it() {
        let mut missing = Vec::new();
        for file in sources().unwrap() {
            let path = file.display().to_string();
            let Some((_, calls)) = EFFECTS.iter().find(|(place, _)| path.contains(place)) else { continue };
            if WITHOUT.iter().any(|known| path.contains(known)) {
                continue;
            }
            let text = read(&file).unwrap();
            let (mut stepped, mut is_sabotage) = (false, false);
            for (index, line) in text.lines().enumerate() {
                let line = line.trim();
                if line.contains("fn ") {
                    stepped = false;
                }
                if line.contains(MARK) {
                    stepped = true;
                } else if !line.starts_with("//")
                    && !is_sabotage
                    && line.contains(".await")
                    && calls.iter().any(|call| line.contains(call))
                    && !std::mem::replace(&mut stepped, false)
                {
                    missing.push(format!("{path}:{}: {line}", index + 1));
                }
                // What a switch does is no part of any other build.
                is_sabotage = line.contains(SWITCH);
            }
        }
        assert!(missing.is_empty(), "no step before\n{}", missing.join("\n"));
    }

    #[test]
    fn a_step_is_named_after_its_crate() {
        let steps = steps().unwrap();
        assert!(steps.len() > 50, "{}", steps.len());
        for step in steps {
            let crate_name = step.name.split('.').next().unwrap();
            assert!(step.file.display().to_string().contains(&format!("{crate_name}/src/")), "{step:?}");
        }
    }
}
