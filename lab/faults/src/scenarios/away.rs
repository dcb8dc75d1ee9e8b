//! Kafka or PostgreSQL away for long, under load: what goes on, and how soon all is as before.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::act::{Act, Played};
use crate::orders::{Habits, Post};
use crate::run::{Place, Show, plan};
use crate::settings::Settings;
use bench::report::Figure;
use bench::tally::Latencies;
use harness::Error;

/// What goes away, and for how long.
pub(super) struct Outage {
    part: &'static str,
    /// An option of infra/down.
    how: &'static str,
    seconds: u64,
    small: u64,
    /// Whether reserving needs it.
    stops_reserving: bool,
}

pub(super) const KAFKA: Outage =
    Outage { part: "kafka", how: "--kill", seconds: 600, small: 10, stops_reserving: false };
/// Longer than Kafka and its clients wait for each other.
pub(super) const FROZEN: Outage =
    Outage { part: "kafka", how: "--freeze", seconds: 20, small: 20, stops_reserving: false };
pub(super) const POSTGRES: Outage =
    Outage { part: "postgres", how: "--kill", seconds: 60, small: 5, stops_reserving: true };
pub(super) const IMMEDIATE: Outage =
    Outage { part: "postgres", how: "--immediate", seconds: 0, small: 0, stops_reserving: true };

const BACK_WITHIN_SECONDS: f64 = 30.0;
const WINDOW: Duration = Duration::from_secs(5);
/// On a machine that does other things too, p99 is as before when it is at most so much more.
const AS_BEFORE: f64 = 2.0;
const NOISE_MS: f64 = 50.0;

pub(super) async fn play(place: Place<'_>, act: Act, outage: &Outage) -> Result<Played, Error> {
    let infrastructure = place.infrastructure.ok_or_else(|| {
        Error::not_available(format!("{} is not there without --against real", outage.part))
    })?;
    let (seed, replicas, poison) = (act.seed, act.replicas, 0.0);
    let settings = Settings { seed, reservations: u64::MAX, kills: 0, replicas, customers: 8, poison };
    let pause = Duration::from_millis(300);
    let habits = Habits { declines: 2, cancels: 10, reads: 20, races: 0, pause, accounts: false };
    // The card network answers at once and always: what is slow or fails does so for the outage.
    let plan =
        plan(replicas)?.with(None, "PROVIDER_LATENCY_MAX_MS", "5").with(None, "PROVIDER_ERROR_RATE", "0");
    let mut show = Show::open(place, &settings, habits, plan).await?;
    show.shop.allowed.store(u64::MAX, Ordering::SeqCst);
    let calm = Duration::from_secs(act.size(60, 8));
    // What is fast only after some requests is not measured.
    tokio::time::sleep(calm / 2).await;
    let before_from = show.shop.book.now();
    tokio::time::sleep(calm).await;
    let down_at = show.shop.book.now();
    infrastructure.take_away(outage.how, outage.part).await?;
    eprintln!("{} is away; {} reserved", outage.part, show.shop.book.reserved());
    tokio::time::sleep(Duration::from_secs(act.size(outage.seconds, outage.small))).await;
    let still_down_at = show.shop.book.now();
    show.deeds.notes.extend(infrastructure.up(outage.part).await?);
    show.deeds.kills += 1;
    let up_at = show.shop.book.now();
    eprintln!("{} is back; {} reserved", outage.part, show.shop.book.reserved());
    tokio::time::sleep(Duration::from_secs(act.size(90, 35))).await;
    show.shop.closed.store(true, Ordering::SeqCst);
    let outcome = show.close(Vec::new()).await?;

    let posts = &outcome.pages.posts;
    let before = Span::of(posts, before_from, down_at);
    let away = Span::of(posts, down_at, still_down_at);
    let normal = (before.p99() * AS_BEFORE).max(before.p99() + NOISE_MS);
    let figures = figures(outage, posts, &before, &away, up_at, normal);
    Ok(Played { figures, outcome: Some(outcome) })
}

fn figures(
    outage: &Outage,
    posts: &[Post],
    before: &Span,
    away: &Span,
    up_at: Duration,
    normal: f64,
) -> Vec<Figure> {
    let mut failed = Figure::new("failed_while_away", away.failed as f64, "");
    let mut rate = Figure::new("reserved_while_away", away.per_second(), "/s").note(format!(
        "{} in {:.0} s; {:.1}/s before",
        away.reserved,
        away.length.as_secs_f64(),
        before.per_second()
    ));
    if !outage.stops_reserving {
        failed = failed.at_most(0.0);
        rate = rate.at_least(0.8 * before.per_second());
    }
    let last = posts.iter().map(|post| post.sent_at).max().unwrap_or_default();
    let (back, unlike) = back_after(posts, up_at, last, normal);
    let back = back.map_or(f64::NAN, |back| back.as_secs_f64());
    let mut back = Figure::new("p99_back_after", back, "s").below(BACK_WITHIN_SECONDS);
    // None: not while anybody looked.
    back.met = back.met.or(Some(false));
    vec![
        Figure::new("p99_before", before.p99(), "ms").note(before.answered.line()),
        Figure::new("p99_while_away", away.p99(), "ms").note(away.answered.line()),
        rate,
        failed,
        back.note(format!(
            "each 5 s from then on with a p99 of at most {normal:.0} ms; not so: {}",
            unlike.join(", ")
        )),
    ]
}

/// What happened to the requests of some time.
struct Span {
    length: Duration,
    reserved: u64,
    failed: u64,
    answered: Latencies,
}

impl Span {
    fn of(posts: &[Post], from: Duration, to: Duration) -> Self {
        let length = to.saturating_sub(from);
        let mut span = Self { length, reserved: 0, failed: 0, answered: Latencies::default() };
        for post in posts.iter().filter(|post| post.sent_at >= from && post.sent_at < to) {
            match post.status {
                201 | 402 => span.answered.record(post.took),
                _ => span.failed += 1,
            }
            span.reserved += u64::from(post.status == 201);
        }
        span
    }

    fn p99(&self) -> f64 {
        self.answered.quantile_ms(0.99)
    }

    fn per_second(&self) -> f64 {
        self.reserved as f64 / self.length.as_secs_f64()
    }
}

/// From when on every window is as before and nothing fails; none: not until the end. And the windows that are not.
fn back_after(
    posts: &[Post],
    up_at: Duration,
    end: Duration,
    normal: f64,
) -> (Option<Duration>, Vec<String>) {
    let mut back_at = up_at;
    let mut unlike = Vec::new();
    let mut from = up_at;
    while from + WINDOW <= end {
        let span = Span::of(posts, from, from + WINDOW);
        // No number where nothing was answered.
        if span.failed > 0 || span.p99().is_nan() || span.p99() > normal {
            back_at = from + WINDOW;
            let after = (from - up_at).as_secs();
            unlike.push(format!("{after} s ({} failed, p99 {:.0} ms)", span.failed, span.p99()));
        }
        from += WINDOW;
    }
    ((back_at < from).then(|| back_at - up_at), unlike)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(number: u64, took_ms: u64, status: u16) -> Post {
        Post { sent_at: Duration::from_secs(number), took: Duration::from_millis(took_ms), status }
    }

    #[test]
    fn it_is_back_when_every_window_is_good() {
        let up = Duration::from_secs(10);
        let posts = |bad: &[u64]| -> Vec<Post> {
            (0..40).map(|n| if bad.contains(&n) { second(n, 500, 201) } else { second(n, 5, 201) }).collect()
        };
        let back = |posts: &[Post]| {
            let (back, unlike) = back_after(posts, up, Duration::from_secs(40), 20.0);
            (back.map(|back| back.as_secs()), unlike.len())
        };
        assert_eq!(back(&posts(&[])), (Some(0), 0));
        assert_eq!(back(&posts(&[3])), (Some(0), 0));
        assert_eq!(back(&posts(&[12])), (Some(5), 1));
        assert_eq!(back(&posts(&[12, 23])), (Some(15), 2));
        assert_eq!(back(&posts(&[12, 38])), (None, 2));
        let mut failing = posts(&[]);
        failing[17].status = 503;
        assert_eq!(back(&failing), (Some(10), 1));
        assert_eq!(back(&[]), (None, 6));
    }
}
