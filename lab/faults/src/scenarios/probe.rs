//! One customer who reserves, sees all of it in the view, cancels, and sees the refund: how long each takes.

use std::time::{Duration, Instant};

use crate::snapshot::Reader;
use bench::reservations::id_of;
use harness::http::{self, Client};
use harness::{Error, Service, System};

const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) struct Probe {
    client: Client,
    within: Duration,
    number: i64,
}

/// Since the answer; none: not in time.
pub(super) struct Seen {
    pub(super) whole: Option<Duration>,
    pub(super) refunded: Option<Duration>,
}

impl Probe {
    pub(super) fn new(system: &System, within: Duration) -> Result<Self, Error> {
        Ok(Self {
            client: Client::new(system.address(Service::Gateway)?, ANSWERED_WITHIN),
            within,
            number: 0,
        })
    }

    /// # Errors
    /// The order is not taken, or a process has ended.
    pub(super) async fn goes_through(&mut self, system: &mut System) -> Result<Seen, Error> {
        self.number += 1;
        let body = format!(
            "{{\"userId\":1,\"userAddress\":\"seoul\",\"productId\":1,\"productName\":\"fold\",\"price\":{},\
             \"cardNo\":\"4539148803436467\"}}",
            2_000_000 + self.number
        );
        let mut request = Vec::new();
        http::with_body(&mut request, "POST", "/preReservations", "", body.as_bytes());
        let answer = self.client.send(&request).await.map_err(Error::io("reserving"))?;
        let id = id_of(&answer.body)
            .filter(|_| answer.status == 201)
            .ok_or_else(|| Error::unexpected(format!("the probe's order was answered {}", answer.status)))?;
        let of = |column: &str, status: &str| {
            format!("SELECT id FROM my_reservation WHERE id = {id} AND {column} = '{status}'")
        };
        let whole = self.shows(system, &of("receipt_status", "receipt_issued")).await?;
        request.clear();
        http::with_body(&mut request, "DELETE", &format!("/preReservations/{id}"), "", b"");
        let answer = self.client.send(&request).await.map_err(Error::io("cancelling"))?;
        if answer.status != 204 {
            return Err(Error::unexpected(format!(
                "the probe's cancellation was answered {}",
                answer.status
            )));
        }
        let refunded = self.shows(system, &of("payment_status", "payment_cancelled")).await?;
        Ok(Seen { whole, refunded })
    }

    async fn shows(&self, system: &mut System, text: &str) -> Result<Option<Duration>, Error> {
        let start = Instant::now();
        while start.elapsed() < self.within {
            system.must_run()?;
            if !Reader::open(system.ground(), "myreservation").await?.ids(text).await?.is_empty() {
                return Ok(Some(start.elapsed()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(None)
    }
}
