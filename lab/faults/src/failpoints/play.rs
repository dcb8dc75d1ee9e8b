//! All cases, some at a time.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use crate::failpoints::case::{Case, Outcome};
use harness::{Error, Stage};

/// # Errors
/// Something that is the runner's own.
pub async fn play(
    cases: Vec<Case>,
    jobs: usize,
    stage: &Arc<Stage>,
    program: &Path,
) -> Result<Vec<Outcome>, Error> {
    let total = cases.len();
    let queue = Arc::new(Mutex::new(cases));
    let mut players = JoinSet::new();
    for _ in 0..jobs.max(1) {
        let (queue, stage, program) = (Arc::clone(&queue), Arc::clone(stage), program.to_owned());
        players.spawn(async move {
            let mut outcomes = Vec::new();
            loop {
                let (case, left) = {
                    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                    (queue.pop(), queue.len())
                };
                let Some(case) = case else { return Ok(outcomes) };
                let outcome = case.run(&stage, &program).await?;
                tell(&outcome, total - left, total);
                outcomes.push(outcome);
            }
        });
    }
    let mut outcomes = Vec::new();
    while let Some(played) = players.join_next().await {
        let played: Result<Vec<Outcome>, Error> =
            played.map_err(|error| Error::unexpected(format!("a case panicked: {error}")))?;
        outcomes.extend(played?);
    }
    Ok(outcomes)
}

fn tell(outcome: &Outcome, number: usize, total: usize) {
    let Outcome { case, hits, ends, violations, quiet_after, histories, kept } = outcome;
    eprintln!(
        "{number:>4}/{total} {:<46} {:<6} hit {hits} of {}, gone {ends}, quiet after {:.1} s",
        case.step,
        case.action.to_string(),
        case.restarts,
        quiet_after.as_secs_f64()
    );
    for violation in violations {
        eprintln!("    {:?} {:?} {}", violation.kind, violation.reservation, violation.what);
    }
    for history in histories {
        eprintln!("    {history}");
    }
    if let Some(kept) = kept {
        eprintln!("    data and log stay in {}", kept.display());
    }
}
