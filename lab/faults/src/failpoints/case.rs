//! One step, one action: three starts with the step armed for its first hit, then one without, quiet, and the audit.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audit::{Kind, Violation};
use crate::customers;
use crate::failpoints::preorder::Preorder;
use crate::failpoints::scene::{self, Action};
use crate::failpoints::stories::Customers;
use crate::quiet::{self, Verdict};
use harness::{Error, Ground, Stage};

/// What leads to a step may take until somebody has waited long enough to take over.
const HIT_WITHIN: Duration = Duration::from_millis(3500);
/// A panic in a background task ends the process in order.
const ENDS_WITHIN: Duration = Duration::from_millis(1200);
const QUIET_WITHIN: Duration = Duration::from_secs(30);
const OPERATED: usize = 4;

#[derive(Clone, Debug)]
pub struct Case {
    pub step: String,
    pub action: Action,
    pub restarts: usize,
    pub seed: u64,
    /// A promise that is broken on purpose.
    pub sabotage: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Outcome {
    pub case: Case,
    /// In how many of the starts the step was reached.
    pub hits: usize,
    /// How often the process was gone afterwards.
    pub ends: usize,
    pub violations: Vec<Violation>,
    pub quiet_after: Duration,
    pub histories: Vec<String>,
    /// Where data and log are, if something was found.
    pub kept: Option<PathBuf>,
}

impl Outcome {
    pub fn failed(&self) -> bool {
        !self.violations.is_empty() || self.hits == 0
    }
}

impl Case {
    /// # Errors
    /// Something that is the runner's own.
    pub async fn run(self, stage: &Arc<Stage>, program: &Path) -> Result<Outcome, Error> {
        let ground = Ground::new(stage).await?;
        let mut preorder = Preorder::new(program, &ground, self.sabotage.clone())?;
        let customers = Customers::new(self.seed, preorder.plan());
        let (mut hits, mut ends) = (0, 0);
        let (violations, quiet_after) =
            match self.judge(&mut preorder, &ground, &customers, (&mut hits, &mut ends)).await {
                Ok(verdict) => (verdict.violations, verdict.quiet_after),
                // A process that does not start, or does not end, is one that lost everything.
                Err(error) => {
                    let what = error.to_string();
                    (vec![Violation { kind: Kind::Open, reservation: None, order: None, what }], QUIET_WITHIN)
                }
            };
        let mut histories = histories(&customers, &violations);
        if preorder.has_ended() {
            histories.push("the process ended by itself".to_owned());
        }
        let failed = !violations.is_empty();
        if failed {
            histories.push(preorder.last_words());
        }
        preorder.kill();
        let kept = failed.then(|| ground.keep());
        Ok(Outcome { case: self, hits, ends, violations, quiet_after, histories, kept })
    }

    async fn judge(
        &self,
        preorder: &mut Preorder,
        ground: &Ground,
        customers: &Customers,
        (hits, ends): (&mut usize, &mut usize),
    ) -> Result<Verdict, Error> {
        for round in 0..self.restarts {
            let armed = scene::failpoints(&self.step, self.action, round);
            preorder.start(ground, &armed).await?;
            self.play(customers, ground, round).await?;
            let hit = self.is_hit(preorder).await;
            *hits += usize::from(hit);
            if hit && self.ends(preorder).await? {
                *ends += 1;
            } else if round + 1 < self.restarts {
                preorder.kill();
            }
            // The last time a process that lives has to come to rest by itself.
        }
        if preorder.has_ended() {
            preorder.start(ground, "").await?;
        }
        let running_since = Instant::now();
        let deadline = running_since + QUIET_WITHIN;
        customers::ask_again(&customers.shop, deadline).await;
        if scene::is_poisoned(&self.step) {
            customers.operate(OPERATED).await;
        }
        quiet::verdict(ground, &customers.shop, running_since, deadline).await
    }

    async fn play(&self, customers: &Customers, ground: &Ground, round: usize) -> Result<(), Error> {
        if scene::is_poisoned(&self.step) {
            let ((), poisoned) = tokio::join!(customers.round(round), customers.poison(ground));
            return poisoned;
        }
        customers.round(round).await;
        Ok(())
    }

    async fn is_hit(&self, preorder: &Preorder) -> bool {
        let start = Instant::now();
        while start.elapsed() < HIT_WITHIN {
            if preorder.was_hit(&self.step) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    /// Whether the process is gone. After a kill it has to be.
    async fn ends(&self, preorder: &mut Preorder) -> Result<bool, Error> {
        match self.action {
            Action::Kill => preorder.ends().await.map(|()| true),
            Action::Error => Ok(preorder.has_ended()),
            Action::Panic => {
                let start = Instant::now();
                while start.elapsed() < ENDS_WITHIN && !preorder.has_ended() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Ok(preorder.has_ended())
            }
        }
    }
}

fn histories(customers: &Customers, violations: &[Violation]) -> Vec<String> {
    let pages = customers.shop.book.pages();
    let mut orders: Vec<u64> = violations.iter().filter_map(|violation| violation.order).collect();
    orders.sort_unstable();
    orders.dedup();
    let of = |number: &u64| {
        let entry = pages.orders.get(number)?;
        Some(format!("order {number}: {}", entry.history.join("; ")))
    };
    orders.iter().filter_map(of).collect()
}
