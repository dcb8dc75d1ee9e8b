//! When everything that a reservation sets off is done: paid, receipt issued, all of it in the view.

use std::time::{Duration, Instant};

use crate::reservations::Ids;
use harness::Service;
use harness::http::Client;
use harness::{Error, System};

const PATIENCE: Duration = Duration::from_secs(10);
/// Not often: what asks is charged to those who answer.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// More than any load here has in flight in one partition at its end.
const LAST: usize = 64;

/// `page.totalElements` of a collection.
///
/// # Errors
/// The service does not answer as it should.
pub async fn total(system: &System, service: Service, collection: &str) -> Result<u64, Error> {
    let mut client = Client::new(system.address(service)?, PATIENCE);
    let path = format!("/{collection}?size=1");
    let answer = client.get(&path).await.map_err(Error::io(format!("GET {path}")))?;
    let json = answer.json().unwrap_or_default();
    json["page"]["totalElements"]
        .as_u64()
        .ok_or_else(|| Error::unexpected(format!("GET {path} answered {} without a total", answer.status)))
}

/// Waits until a collection has so many elements.
///
/// # Errors
/// It has not within the limit.
pub async fn await_total(
    system: &mut System,
    service: Service,
    collection: &str,
    wanted: u64,
    within: Duration,
) -> Result<Duration, Error> {
    let start = Instant::now();
    loop {
        let total = total(system, service, collection).await?;
        if total >= wanted {
            return Ok(start.elapsed());
        }
        if start.elapsed() > within {
            return Err(Error::unexpected(format!("{collection}: {total} of {wanted} after {within:?}")));
        }
        system.must_run()?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until the last reservations are settled; those before them are earlier in the same logs.
///
/// # Errors
/// They are not within the limit.
pub async fn await_settled(system: &mut System, ids: &Ids, within: Duration) -> Result<Duration, Error> {
    let start = Instant::now();
    let mut view = Client::new(system.address(Service::Myreservation)?, PATIENCE);
    for id in ids.last(LAST).into_iter().rev() {
        let path = format!("/myReservations/{id}");
        loop {
            let answer = view.get(&path).await.map_err(Error::io(format!("GET {path}")))?;
            if answer.status == 200 && is_settled(&answer.body) {
                break;
            }
            if start.elapsed() > within {
                let found = String::from_utf8_lossy(&answer.body).into_owned();
                return Err(Error::unexpected(format!(
                    "reservation {id} is not settled after {within:?}: {found}"
                )));
            }
            system.must_run()?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    Ok(start.elapsed())
}

/// Issued means that the payment's fact was there before; the view has it when it has all three.
fn is_settled(item: &[u8]) -> bool {
    let text = String::from_utf8_lossy(item);
    ["\"reservated\"", "\"paid\"", "\"receipt_issued\""].iter().all(|status| text.contains(status))
}
