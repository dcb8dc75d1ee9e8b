//! What is broken when: all of it from the seed, so that it can be broken again.

use std::fmt;
use std::time::Duration;

use harness::chaos::Network;

use crate::links::Link;
use crate::rng::Rng;
use harness::Service;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    Service(Service, usize),
    Kafka,
    Postgres,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// SIGSTOP, and SIGCONT after so many milliseconds: a process that slept and does not know it.
    Pause(Service, usize, u64),
    /// Between two of them, while something else is killed.
    Network(Link, Network),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Once so many reservations were answered.
    pub at: u64,
    pub trouble: Trouble,
    pub wait_ms: u64,
    pub victim: Victim,
    pub down_ms: u64,
}

/// What there is to break.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub reservations: u64,
    pub kills: u64,
    pub replicas: usize,
    pub real: bool,
}

const OUTAGE_EVERY: u64 = 16;

pub fn of(seed: u64, scene: Scene) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    // Outages begin at a place of the seed's own, and each kind comes in turn.
    let first_outage = rng.below(OUTAGE_EVERY);
    (0..scene.kills).map(|number| step(&mut rng, scene, number, first_outage)).collect()
}

fn step(rng: &mut Rng, scene: Scene, number: u64, first_outage: u64) -> Step {
    let window = |number: u64| scene.reservations * number / (scene.kills + 1);
    let (from, to) = (window(number), window(number + 1));
    let replica = usize::try_from(rng.below(scene.replicas as u64)).unwrap_or_default();
    let service = Service::ALL[usize::try_from(rng.below(Service::ALL.len() as u64)).unwrap_or_default()];
    let outage = scene.real && number % OUTAGE_EVERY == first_outage;
    let victim = match (outage, number / OUTAGE_EVERY % 2) {
        (true, 0) => Victim::Kafka,
        (true, _) => Victim::Postgres,
        _ => Victim::Service(service, replica),
    };
    let down_ms = if outage { rng.between(500, 4000) } else { rng.between(0, 600) };
    Step {
        at: rng.between(from, to.saturating_sub(1).max(from)),
        trouble: trouble(rng, scene),
        // Mostly in the middle of it; now and then after every time-out in the system.
        wait_ms: if rng.percent(10) { rng.between(2000, 7000) } else { rng.between(5, 250) },
        victim,
        down_ms,
    }
}

fn trouble(rng: &mut Rng, scene: Scene) -> Trouble {
    let service = Service::ALL[usize::try_from(rng.below(Service::ALL.len() as u64)).unwrap_or_default()];
    let replica = usize::try_from(rng.below(scene.replicas as u64)).unwrap_or_default();
    // Long enough, now and then, for another replica to take a lease over from the sleeper.
    let long = scene.replicas > 1 && rng.percent(30);
    let asleep = if long { rng.between(5000, 8000) } else { rng.between(50, 1200) };
    let network = network(rng);
    // The one where money is at stake, or any.
    let links = Link::all(scene.replicas, scene.real);
    let any = links[usize::try_from(rng.below(links.len() as u64)).unwrap_or_default()];
    let link = if rng.percent(40) { Link::Payment } else { any };
    match rng.below(10) {
        0..=2 => Trouble::Pause(service, replica, asleep),
        3..=7 => Trouble::Network(link, network),
        _ => Trouble::None,
    }
}

fn network(rng: &mut Rng) -> Network {
    let delay = rng.between(200, 2500);
    match rng.below(8) {
        0 | 1 => Network::DelaysAnswers(Duration::from_millis(delay)),
        2 | 3 => Network::CutsAnswers,
        4 => Network::Refuses,
        5 => Network::Swallows,
        6 => Network::Resets,
        _ => Network::Freezes,
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: ", self.at)?;
        match self.trouble {
            Trouble::None => {}
            Trouble::Pause(service, replica, ms) => {
                write!(f, "{}-{replica} stopped for {ms} ms, ", service.name())?;
            }
            Trouble::Network(link, network) => {
                let how = match network {
                    Network::Passes => "passes".to_owned(),
                    Network::DelaysAnswers(delay) => format!("answers {} ms late", delay.as_millis()),
                    Network::CutsAnswers => "answers cut".to_owned(),
                    Network::Refuses => "refused".to_owned(),
                    Network::Swallows => "requests vanish".to_owned(),
                    Network::Resets => "reset".to_owned(),
                    Network::Freezes => "frozen".to_owned(),
                };
                write!(f, "{link}: {how}, ")?;
            }
        }
        let (wait, down) = (self.wait_ms, self.down_ms);
        match self.victim {
            Victim::Service(service, replica) => {
                write!(f, "{wait} ms, kill {}-{replica}, back after {down} ms", service.name())
            }
            Victim::Kafka => write!(f, "{wait} ms, kill Kafka, back after {down} ms"),
            Victim::Postgres => write!(f, "{wait} ms, kill PostgreSQL, back after {down} ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_the_schedule() {
        let scene = Scene { reservations: 1000, kills: 40, replicas: 2, real: true };
        assert_eq!(of(7, scene), of(7, scene));
        assert_ne!(of(7, scene), of(8, scene));
        let steps = of(7, scene);
        assert_eq!(steps.len(), 40);
        assert!(steps.is_sorted_by_key(|step| step.at));
        assert!(steps.iter().any(|step| step.victim == Victim::Kafka));
        assert!(steps.iter().any(|step| step.victim == Victim::Postgres));
        let broken = |wanted: fn(Link) -> bool| {
            steps.iter().any(|step| matches!(step.trouble, Trouble::Network(link, _) if wanted(link)))
        };
        assert!(broken(|link| link == Link::Payment));
        assert!(broken(Link::is_needed_at_start));
    }
}
