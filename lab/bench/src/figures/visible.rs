use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::bench::{Bench, Measure, SETTLED_WITHIN, progress};
use super::saturation;
use crate::open_loop::OpenLoop;
use crate::report::Figure;
use crate::reservations::{self, Ids, id_of};
use crate::settle::await_settled;
use crate::tally::{Latencies, median};
use harness::Error;
use harness::Service;
use harness::http::{self, Client};

const OPEN_CONNECTIONS: usize = 200;
/// At most about so many reservations a second are looked for.
const LOOKED_FOR: f64 = 100.0;
const LOOKERS: usize = 256;
const GIVE_UP: Duration = Duration::from_secs(10);

/// From a customer's 201 until the view shows the reservation, at half the saturating rate.
pub(super) struct Visible;

#[async_trait]
impl Measure for Visible {
    fn name(&self) -> &'static str {
        "visible"
    }

    fn about(&self) -> &'static str {
        "from the 201 until the view shows the reservation, at half the saturating rate"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let rate = saturation::rate(bench).await? / 2.0;
        let mut system = bench.system().await?;
        let (mut p50, mut p99, mut seen) = (Vec::new(), Vec::new(), 0);
        for _ in 0..bench.sizes.rounds {
            let ids = Ids::default();
            let (answers, answered) = mpsc::unbounded_channel();
            let remember = ids.watch();
            let every = (rate / LOOKED_FOR).ceil() as u64;
            let load = OpenLoop {
                address: system.address(Service::Gateway)?,
                rate,
                length: bench.sizes.run,
                connections: OPEN_CONNECTIONS,
                requests: reservations::reserve(),
                watch: Some(Arc::new(move |answer| {
                    remember(answer);
                    if let (201, Some(id)) = (answer.status, id_of(&answer.body))
                        && (id as u64).is_multiple_of(every)
                    {
                        // Nobody looks any more once the run is over.
                        let _ = answers.send((id, Instant::now()));
                    }
                })),
            };
            let looking = tokio::spawn(look(system.address(Service::Myreservation)?, answered));
            load.run().await?;
            drop(load);
            // The channel ends with the last one who could send.
            let latencies = looking.await.map_err(|e| Error::unexpected(e.to_string()))??;
            progress(latencies.line());
            p50.push(latencies.quantile_ms(0.5));
            p99.push(latencies.quantile_ms(0.99));
            seen += latencies.count();
            await_settled(&mut system, &ids, SETTLED_WITHIN).await?;
        }
        bench.end(system).await?;
        let note = format!("at {rate:.0}/s; {seen} waited for with X-Min-Version");
        Ok(vec![
            Figure::new("visible_p50", median(&p50), "ms").below(5.0).note(&note),
            Figure::new("visible_p99", median(&p99), "ms").below(25.0).note(note),
        ])
    }
}

async fn look(
    view: SocketAddr,
    mut answered: mpsc::UnboundedReceiver<(i64, Instant)>,
) -> Result<Latencies, Error> {
    let mut latencies = Latencies::default();
    let mut looking = tokio::task::JoinSet::new();
    let mut free: Vec<Client> = (0..LOOKERS).map(|_| Client::new(view, GIVE_UP)).collect();
    loop {
        tokio::select! {
            answer = answered.recv(), if !free.is_empty() => {
                let Some((id, since)) = answer else { break };
                if let Some(client) = free.pop() {
                    looking.spawn(until_seen(client, id, since));
                }
            }
            Some(found) = looking.join_next() => {
                let (client, latency) = found.map_err(|e| Error::unexpected(e.to_string()))??;
                latencies.record(latency);
                free.push(client);
            }
        }
    }
    while let Some(found) = looking.join_next().await {
        latencies.record(found.map_err(|e| Error::unexpected(e.to_string()))??.1);
    }
    Ok(latencies)
}

/// Asks once, with the version that the 201 promised: the view answers when it has it. Looking again and again would
/// keep the view from what it is asked for.
async fn until_seen(mut client: Client, id: i64, since: Instant) -> Result<(Client, Duration), Error> {
    let mut request = Vec::with_capacity(160);
    http::get_with(&mut request, &format!("/myReservations/{id}"), &format!("X-Min-Version: {id}.1\r\n"));
    loop {
        let answer =
            client.send(&request).await.map_err(Error::io(format!("waiting for reservation {id}")))?;
        if answer.status == 200 {
            return Ok((client, since.elapsed()));
        }
        if since.elapsed() > GIVE_UP {
            return Err(Error::unexpected(format!("reservation {id} is not in the view after {GIVE_UP:?}")));
        }
    }
}
