use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use async_trait::async_trait;

use super::bench::{Bench, Measure, progress};
use crate::closed_loop::{ClosedLoop, Until};
use crate::open_loop::OpenLoop;
use crate::report::Figure;
use crate::reservations;
use crate::servers::{Server, await_listening};
use crate::tally::median;
use harness::cpu::{Group, Sample};
use harness::ground::Ground;
use harness::ports::free_address;
use harness::process::Process;
use harness::{Error, System};
use harness::{Plan, Service};

const CONNECTIONS: usize = 16;
/// One core for the proxy, one for what is before and behind it.
const PROXY_CPU: &str = "0";
const REST_CPU: &str = "1";
/// Both proxies route it to the same upstream.
const PATH: &str = "/myReservations/1";
/// Share of the slower proxy's best rate at which latencies are compared.
const CALM: f64 = 0.5;

/// CPU and latency of the gateway beside nginx: same upstream, same requests, in turn.
pub(super) struct Gateway;

#[async_trait]
impl Measure for Gateway {
    fn name(&self) -> &'static str {
        "gateway"
    }

    fn about(&self) -> &'static str {
        "CPU and p99 of a proxied request (1 kB, keep-alive, one core) against nginx in the same run"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let set = Set::start(bench).await?;
        let proxies = [&set.gateway, &set.nginx, &set.actix];
        let mut costs = [const { Vec::new() }; 3];
        let mut rates = [const { Vec::new() }; 3];
        // One round to warm up, not counted.
        for round in 0..=bench.sizes.rounds {
            for (index, proxy) in proxies.iter().enumerate() {
                let (cost, rate) = proxy.saturate(bench).await?;
                if round > 0 {
                    costs[index].push(cost);
                    rates[index].push(rate);
                }
            }
            progress(format!(
                "CPU in us: gateway {:.1?}, nginx {:.1?}, bare actix {:.1?}",
                costs[0], costs[1], costs[2]
            ));
        }
        let rate = CALM * median(&rates[0]).min(median(&rates[1]));
        let mut p99 = [const { Vec::new() }; 2];
        for _ in 0..bench.sizes.rounds {
            for (index, proxy) in proxies.iter().take(2).enumerate() {
                p99[index].push(proxy.p99(bench, rate).await?);
            }
            progress(format!("p99 in ms at {rate:.0}/s: gateway {:.2?}, nginx {:.2?}", p99[0], p99[1]));
        }
        set.end(bench).await?;
        let [gateway, nginx, actix] = [0, 1, 2].map(|index| median(&costs[index]));
        let note = |index: usize| format!("{:.0}/s on one core", median(&rates[index]));
        Ok(vec![
            Figure::new("gateway_cpu", gateway, "us").note(note(0)),
            Figure::new("nginx_cpu", nginx, "us").note(note(1)),
            Figure::new("bare_actix_cpu", actix, "us").note(format!("no proxy, one handler; {}", note(2))),
            Figure::new("gateway_cpu_against_nginx", gateway / nginx, "x").at_most(1.3),
            Figure::new("gateway_p99_against_nginx", median(&p99[0]) / median(&p99[1]), "x")
                .at_most(1.0)
                .note(format!(
                    "{:.2} and {:.2} ms, open loop at {rate:.0}/s",
                    median(&p99[0]),
                    median(&p99[1])
                )),
        ])
    }
}

/// Something that answers, with the processes that are charged for it.
struct Target {
    address: SocketAddr,
    group: Group,
}

impl Target {
    /// CPU of a request in microseconds, and requests a second.
    async fn saturate(&self, bench: &Bench) -> Result<(f64, f64), Error> {
        let groups = [self.group.clone()];
        let requests = reservations::get(PATH);
        let until = Until::Elapsed(bench.sizes.run);
        let load =
            ClosedLoop { address: self.address, connections: CONNECTIONS, until, requests, watch: None };
        let before = Sample::take(&groups);
        let run = load.run().await?;
        let used = Sample::take(&groups).since(&before);
        let good = run.tally.good.count();
        if run.tally.failed() > 0 || good == 0 {
            return Err(Error::unexpected(format!("{}: {}", self.group.name, run.tally.line())));
        }
        Ok((used.total().as_secs_f64() * 1e6 / good as f64, run.rate()))
    }

    async fn p99(&self, bench: &Bench, rate: f64) -> Result<f64, Error> {
        let load = OpenLoop {
            address: self.address,
            rate,
            length: bench.sizes.run,
            connections: 4 * CONNECTIONS,
            requests: reservations::get(PATH),
            watch: None,
        };
        Ok(load.run().await?.run.tally.good.quantile_ms(0.99))
    }
}

struct Set {
    system: System,
    gateway: Target,
    nginx: Target,
    actix: Target,
    _processes: [Process; 3],
}

impl Set {
    async fn start(bench: &Bench) -> Result<Self, Error> {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        if cpus < 2 {
            return Err(Error::not_available("needs two CPUs, one for the proxy alone"));
        }
        let ground = Ground::new(&bench.stage).await?;
        let directory = ground.directory().to_owned();
        let (upstream, behind) = Server::Upstream.start(REST_CPU, &directory).await?;
        let (actix, actix_address) = Server::Actix.start(PROXY_CPU, &directory).await?;
        let (nginx, nginx_address) = start_nginx(&directory, behind).await?;
        let plan = Plan::new(&[Service::Gateway])?
            .on_cpus(Service::Gateway, PROXY_CPU)
            .with(None, "SERVER_WORKERS", "1")
            .with(None, "URL_MYRESERVATION", &format!("http://{behind}"));
        let system = System::start(plan, ground).await?;
        let pid = system.pid(Service::Gateway, 0).unwrap_or_default();
        Ok(Self {
            gateway: Target { address: system.address(Service::Gateway)?, group: Group::one("gateway", pid) },
            nginx: Target { address: nginx_address, group: Group::tree("nginx", nginx.pid()) },
            actix: Target { address: actix_address, group: Group::one("actix", actix.pid()) },
            system,
            _processes: [upstream, actix, nginx],
        })
    }

    async fn end(self, bench: &Bench) -> Result<(), Error> {
        bench.end(self.system).await
    }
}

/// nginx as a proxy that does what the gateway does: headers forwarded, connections kept on both sides, no access log.
pub(super) async fn start_nginx(
    directory: &Path,
    upstream: SocketAddr,
) -> Result<(Process, SocketAddr), Error> {
    let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/opt/homebrew/bin/nginx"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .ok_or_else(|| Error::not_available("nginx is not installed (apt-get install nginx-light)"))?;
    let address = free_address()?;
    let configuration = include_str!("../../nginx.conf")
        .replace("${DIRECTORY}", &directory.display().to_string())
        .replace("${LISTEN}", &address.to_string())
        .replace("${UPSTREAM}", &upstream.to_string());
    let path = directory.join("nginx.conf");
    std::fs::write(&path, configuration).map_err(Error::io(format!("writing {}", path.display())))?;
    let mut command = Command::new("taskset");
    command.args(["-c", PROXY_CPU, program, "-c"]).arg(&path).args(["-e", "stderr"]);
    let mut process = Process::start("nginx", &mut command, &directory.join("nginx.log"))?;
    await_listening(&mut process, address).await?;
    Ok((process, address))
}
