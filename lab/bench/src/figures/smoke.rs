use std::sync::Arc;

use async_trait::async_trait;

use super::all::ALL;
use super::bench::{Bench, Measure, Sizes, progress};
use crate::report::{Figure, Goal};
use harness::Error;

/// Everything once, as small as can be: that the program works, and that the counts stay within their limits.
pub(super) struct Smoke;

/// What takes long however small it is made.
const LEFT_OUT: [&str; 3] = ["smoke", "memory-million", "rows"];
const GUARD: &str = "counts";

#[async_trait]
impl Measure for Smoke {
    fn name(&self) -> &'static str {
        "smoke"
    }

    fn about(&self) -> &'static str {
        "for CI: every figure in miniature, no verdict on anything timed; the counts hold or it fails"
    }

    fn in_all(&self) -> bool {
        false
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let small = Bench::new(Arc::clone(&bench.stage), Sizes::SMOKE, bench.plots.as_deref());
        let mut figures = Vec::new();
        for measure in ALL.iter().filter(|measure| !LEFT_OUT.contains(&measure.name())) {
            progress(measure.name());
            match measure.measure(&small).await {
                Ok(measured) => {
                    figures.extend(measured.into_iter().map(|f| judged(f, measure.name() == GUARD)))
                }
                Err(error) => figures.push(Figure::missing(measure.name(), &error)),
            }
        }
        Ok(figures)
    }
}

/// Keeps the verdict on counts only, and fails on it.
fn judged(mut figure: Figure, counted: bool) -> Figure {
    if counted {
        figure.failed = figure.met == Some(false);
    } else {
        figure.goal = None::<Goal>;
        figure.met = None;
    }
    figure
}
