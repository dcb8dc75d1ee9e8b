//! The system as processes: started on free ports, ready when they say so, stopped in order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Error;
use crate::cpu::{self, Group};
use crate::ground::{Ground, Stage};
use crate::http::Client;
use crate::plan::Plan;
use crate::process::Process;
use crate::service::Service;

const READY_WITHIN: Duration = Duration::from_secs(30);
const STOPPED_WITHIN: Duration = Duration::from_secs(20);

/// One process of a service; not running after [`System::kill`] or [`System::stop_one`].
struct Instance {
    service: Service,
    replica: usize,
    address: SocketAddr,
    process: Option<Process>,
}

/// The processes; killed when dropped.
pub struct System {
    plan: Plan,
    ground: Ground,
    instances: Vec<Instance>,
    /// From the first process's start to the last one's readiness.
    pub ready_after: Duration,
}

impl System {
    /// Starts everything that is planned at once and waits until all are ready.
    ///
    /// # Errors
    /// A process ends, or is not ready in time; the message has its last words.
    pub async fn start(plan: Plan, ground: Ground) -> Result<Self, Error> {
        let mut instances = Vec::new();
        for (service, addresses) in &plan.addresses {
            for (replica, address) in addresses.iter().enumerate() {
                instances.push(Instance { service: *service, replica, address: *address, process: None });
            }
        }
        let mut system = Self { plan, ground, instances, ready_after: Duration::ZERO };
        let start = Instant::now();
        for index in 0..system.instances.len() {
            system.spawn(index)?;
        }
        for index in 0..system.instances.len() {
            system.await_ready(index, start + READY_WITHIN).await?;
        }
        system.ready_after = start.elapsed();
        Ok(system)
    }

    /// All six on empty ground.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_all(stage: &Arc<Stage>) -> Result<Self, Error> {
        Self::start(Plan::all()?, Ground::new(stage).await?).await
    }

    fn spawn(&mut self, index: usize) -> Result<(), Error> {
        let Instance { service, replica, .. } = self.instances[index];
        let binary = self.ground.stage().binaries.of(service);
        let mut command = match (self.plan.cpus.get(&service), self.plan.doors.get(&service)) {
            (None, None) => Command::new(&binary),
            (Some(cpus), _) => {
                let mut command = Command::new("taskset");
                command.args(["-c", cpus]).arg(&binary);
                command
            }
            (None, Some(door)) => {
                let mut command = Command::new("sh");
                command.args(["-c", "echo $$ > \"$1\" && exec \"$2\"", "sh"]).arg(door).arg(&binary);
                command
            }
        };
        command
            .env_clear()
            .envs(
                std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME" || name == "TMPDIR"),
            )
            .envs(self.plan.environment_of(service, replica, &self.ground))
            .current_dir(self.ground.directory());
        let log = self.log(service, replica);
        let process = Process::start(service.name(), &mut command, &log)?;
        self.instances[index].process = Some(process);
        Ok(())
    }

    async fn await_ready(&mut self, index: usize, deadline: Instant) -> Result<(), Error> {
        let instance = &mut self.instances[index];
        let mut client = Client::new(instance.address, Duration::from_secs(5));
        let Some(process) = &mut instance.process else { return Ok(()) };
        loop {
            process.must_run()?;
            if client.get("/actuator/health/readiness").await.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let name = instance.service.name();
                return Err(Error::unexpected(format!(
                    "{name} is not ready after {READY_WITHIN:?}: {}",
                    process.last_words()
                )));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The address of a service's first process.
    ///
    /// # Errors
    /// It is not part of this system.
    pub fn address(&self, service: Service) -> Result<SocketAddr, Error> {
        let first = self.plan.addresses(service).first().copied();
        first.ok_or_else(|| Error::unexpected(format!("{} was not started", service.name())))
    }

    pub fn log(&self, service: Service, replica: usize) -> PathBuf {
        self.ground.directory().join(format!("{}-{replica}.log", service.name()))
    }

    pub fn pid(&self, service: Service, replica: usize) -> Option<u32> {
        self.find(service, replica)?.process.as_ref().map(Process::pid)
    }

    /// Every process of ours, one group a service, and PostgreSQL where it is used.
    ///
    /// # Errors
    /// PostgreSQL is not found.
    pub fn groups(&self) -> Result<Vec<Group>, Error> {
        let mut groups = self.services();
        if let Some(infra) = &self.ground.stage().infra {
            groups.push(infra.postgres()?);
        }
        Ok(groups)
    }

    fn services(&self) -> Vec<Group> {
        let running =
            self.instances.iter().filter_map(|instance| Some((instance, instance.process.as_ref()?)));
        running.map(|(instance, process)| Group::one(instance.service.name(), process.pid())).collect()
    }

    /// Resident bytes of each service's processes.
    pub fn resident(&self) -> BTreeMap<String, u64> {
        let mut resident = BTreeMap::new();
        for group in self.services() {
            let bytes: u64 = group.pids.iter().map(|pid| cpu::resident_bytes(*pid)).sum();
            *resident.entry(group.name).or_default() += bytes;
        }
        resident
    }

    /// Sends a signal, for instance STOP and CONT.
    pub fn signal(&self, service: Service, replica: usize, signal: Signal) {
        if let Some(process) = self.find(service, replica).and_then(|instance| instance.process.as_ref()) {
            process.signal(signal);
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self, service: Service, replica: usize) {
        if let Some(process) = self.find_mut(service, replica).and_then(|instance| instance.process.take()) {
            process.kill();
        }
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// It did not end in time, or not with success.
    pub async fn stop_one(&mut self, service: Service, replica: usize) -> Result<(), Error> {
        let Some(process) = self.find_mut(service, replica).and_then(|instance| instance.process.take())
        else {
            return Ok(());
        };
        end(service, process).await
    }

    /// Starts a process again that was stopped or killed, and waits until it is ready.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_one(&mut self, service: Service, replica: usize) -> Result<(), Error> {
        let found = self.instances.iter().position(|i| i.service == service && i.replica == replica);
        let index = found.ok_or_else(|| Error::unexpected(format!("no {} {replica}", service.name())))?;
        if self.instances[index].process.is_none() {
            self.spawn(index)?;
        }
        self.await_ready(index, Instant::now() + READY_WITHIN).await
    }

    /// # Errors
    /// A process has ended by itself.
    pub fn must_run(&mut self) -> Result<(), Error> {
        self.instances.iter_mut().filter_map(|i| i.process.as_mut()).try_for_each(Process::must_run)
    }

    /// SIGTERM to all at once; gives back the ground for the next system on the same data.
    ///
    /// # Errors
    /// A process did not end in time, or not with success.
    pub async fn stop(mut self) -> Result<Ground, Error> {
        for instance in &self.instances {
            if let Some(process) = &instance.process {
                process.signal(Signal::TERM);
            }
        }
        for instance in &mut self.instances {
            if let Some(process) = instance.process.take() {
                end(instance.service, process).await?;
            }
        }
        Ok(self.ground)
    }

    fn find(&self, service: Service, replica: usize) -> Option<&Instance> {
        self.instances.iter().find(|i| i.service == service && i.replica == replica)
    }

    fn find_mut(&mut self, service: Service, replica: usize) -> Option<&mut Instance> {
        self.instances.iter_mut().find(|i| i.service == service && i.replica == replica)
    }
}

async fn end(service: Service, process: Process) -> Result<(), Error> {
    let log = process.log().to_owned();
    let status = process.stop(STOPPED_WITHIN).await?;
    if status.success() {
        return Ok(());
    }
    let words = std::fs::read_to_string(log).unwrap_or_default();
    let last = words.lines().last().unwrap_or_default();
    Err(Error::unexpected(format!("{} ended with {status}: {last}", service.name())))
}
