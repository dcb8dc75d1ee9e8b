//! Breaks what the schedule says, and puts it together again.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use harness::chaos::Network;
use rustix::process::Signal;

use crate::customers::Shop;
use crate::infrastructure::Infrastructure;
use crate::links::{Link, Links};
use crate::schedule::{Step, Trouble, Victim};
use harness::{Error, Service, System};

/// With nothing answered for so long, the next fault comes all the same.
const STALLED: Duration = Duration::from_secs(20);
/// So many faults in a row after which nothing was answered: nothing will be.
const STALLED_FAULTS: u32 = 4;
const STARTS: u32 = 4;

pub struct Nemesis<'a> {
    pub system: &'a mut System,
    pub shop: &'a Shop,
    pub links: &'a Links,
    pub replicas: usize,
    pub infrastructure: Option<&'a Infrastructure>,
    pub deeds: &'a mut Deeds,
    /// How far the customers are: faults come by this.
    pub progress: fn(&Shop) -> u64,
}

#[derive(Default)]
pub struct Deeds {
    pub kills: u64,
    /// What happened that nobody had planned.
    pub notes: Vec<String>,
    /// Services that ended without being killed.
    pub ended: Vec<String>,
}

impl Nemesis<'_> {
    /// # Errors
    /// Something cannot be brought back.
    pub async fn carry_out(&mut self, schedule: &[Step]) -> Result<(), Error> {
        let kills = schedule.len() as u64;
        let start = Instant::now();
        self.allow(1, kills);
        let mut in_vain = 0;
        for (number, step) in (1_u64..).zip(schedule) {
            in_vain = if self.await_progress(step.at).await { 0 } else { in_vain + 1 };
            if in_vain == STALLED_FAULTS {
                self.shop.close("nothing was reserved between several faults");
                return Ok(());
            }
            // What is let in now is in flight when it breaks.
            self.allow(number + 1, kills);
            let (passed, reached) = (start.elapsed().as_secs_f64(), (self.progress)(self.shop));
            eprintln!("{passed:>7.1}s {number:>4}/{kills} {reached:>6} done; {step}");
            self.carry_out_one(step.clone()).await?;
        }
        Ok(())
    }

    fn allow(&self, windows: u64, kills: u64) {
        self.shop.allowed.store(
            self.shop.wanted / (kills + 1) * windows + self.shop.wanted % (kills + 1) * windows / (kills + 1),
            Ordering::SeqCst,
        );
    }

    /// Until so much is done or nothing is for a while; whether there was any progress.
    pub async fn await_progress(&self, at: u64) -> bool {
        let first = (self.progress)(self.shop);
        let (mut last, mut since) = (first, Instant::now());
        while last < at && since.elapsed() < STALLED {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let now = (self.progress)(self.shop);
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        last > first || last >= at
    }

    /// # Errors
    /// Something cannot be brought back.
    pub async fn carry_out_one(&mut self, step: Step) -> Result<(), Error> {
        self.trouble(step.trouble).await;
        tokio::time::sleep(Duration::from_millis(step.wait_ms)).await;
        self.deeds.kills += 1;
        let down = Duration::from_millis(step.down_ms);
        let link = match step.trouble {
            Trouble::Network(link, _) => link,
            _ => Link::Payment,
        };
        match step.victim {
            Victim::Service(service, replica) => {
                self.system.kill(service, replica);
                tokio::time::sleep(down).await;
                if link.is_needed_at_start() {
                    self.links.set(link, Network::Passes).await;
                }
                self.revive(service, replica).await?;
            }
            Victim::Kafka => self.outage("kafka", down, link).await?,
            Victim::Postgres => self.outage("postgres", down, link).await?,
        }
        self.links.set(link, Network::Passes).await;
        Ok(())
    }

    async fn trouble(&self, trouble: Trouble) {
        match trouble {
            Trouble::None => {}
            Trouble::Pause(service, replica, ms) => {
                self.system.signal(service, replica, Signal::STOP);
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.system.signal(service, replica, Signal::CONT);
            }
            Trouble::Network(link, network) => self.links.set(link, network).await,
        }
    }

    async fn outage(&mut self, part: &str, down: Duration, link: Link) -> Result<(), Error> {
        let Some(infrastructure) = self.infrastructure else { return Ok(()) };
        infrastructure.kill(part).await?;
        tokio::time::sleep(down).await;
        self.deeds.notes.extend(infrastructure.up(part).await?);
        self.links.set(link, Network::Passes).await;
        self.all_run().await
    }

    /// Every process is ready; one that ended by itself is noted, and started again as a cluster would.
    ///
    /// # Errors
    /// One cannot be started.
    pub async fn all_run(&mut self) -> Result<(), Error> {
        for service in Service::ALL {
            for replica in 0..self.replicas {
                if let Err(error) = self.system.start_one(service, replica).await {
                    self.deeds.ended.push(format!("{}-{replica}: {error}", service.name()));
                    self.system.kill(service, replica);
                    self.revive(service, replica).await?;
                }
            }
        }
        Ok(())
    }

    async fn revive(&mut self, service: Service, replica: usize) -> Result<(), Error> {
        let mut tries = 1;
        loop {
            match self.system.start_one(service, replica).await {
                Ok(()) => return Ok(()),
                Err(error) if tries < STARTS => {
                    self.deeds.notes.push(format!("start {tries} of {}-{replica}: {error}", service.name()));
                    self.system.kill(service, replica);
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
