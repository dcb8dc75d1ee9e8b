use async_trait::async_trait;

use super::bench::{Bench, Measure, progress};
use crate::report::Figure;
use crate::tally::median;
use harness::Error;

/// From the first process's start until all six say that they are ready, on empty databases and on existing ones.
pub(super) struct Startup;

#[async_trait]
impl Measure for Startup {
    fn name(&self) -> &'static str {
        "startup"
    }

    fn about(&self) -> &'static str {
        "all six processes from start to ready, on new and on existing data"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let (mut new, mut existing) = (Vec::new(), Vec::new());
        for _ in 0..bench.sizes.rounds {
            let system = bench.system().await?;
            new.push(system.ready_after.as_secs_f64());
            let plan = system.plan().clone();
            let again = harness::System::start(plan, system.stop().await?).await?;
            existing.push(again.ready_after.as_secs_f64());
            bench.end(again).await?;
            progress(format!(
                "new {:.3} s, existing {:.3} s",
                new[new.len() - 1],
                existing[existing.len() - 1]
            ));
        }
        Ok(vec![
            Figure::new("startup", median(&new), "s").below(0.5).note("creating all tables; median"),
            Figure::new("startup_again", median(&existing), "s").below(0.5).note("on existing data; median"),
        ])
    }
}
