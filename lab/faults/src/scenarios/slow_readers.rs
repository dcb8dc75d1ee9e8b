//! Many clients that read long lists slowly, through the gateway: each gets all of its answer, and nobody else waits for them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::act::{Act, Played};
use crate::rng::Rng;
use crate::run::Place;
use bench::loader;
use bench::report::Figure;
use bench::tally::Latencies;
use harness::http::Client;
use harness::{Error, Ground, Plan, Service, System};

/// As many as a page may have.
const ROWS: u64 = 1000;
const PATH: &str = "/preReservations?size=1000";
/// What the kernel keeps for the reader: as little as it allows, so that it is the gateway that waits.
const RECEIVE_BUFFER: u32 = 4096;
/// As on Ethernet. The loopback's segments are so long that the kernel's buffers would take the whole answer at once.
const SEGMENT: u32 = 1448;
const PIECE: usize = 8 * 1024;
const QUICK_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn play(place: Place<'_>, act: Act) -> Result<Played, Error> {
    let readers = act.size(200, 24);
    let pace = Duration::from_millis(act.size(1000, 100));
    let system = System::start(Plan::all()?, Ground::new(place.stage).await?).await?;
    loader::insert(system.ground(), ROWS).await?;
    let address = system.address(Service::Gateway)?;
    let mut quick = Client::new(address, QUICK_WITHIN);
    let whole = quick.get(PATH).await.map_err(Error::io("reading the list"))?.body.len();
    let mut rng = Rng::fork(act.seed, 3);
    let mut slow = JoinSet::new();
    for _ in 0..readers {
        // Now and then a reader stands still for some time, as on a train.
        let pause = (rng.below(3) == 0).then(|| Duration::from_millis(rng.between(1500, 5000)));
        slow.spawn(read_slowly(address, pace, pause));
    }
    let (mut ends, mut cut, mut beside, mut longest) = (Vec::new(), 0, Latencies::default(), 0.0_f64);
    while !slow.is_empty() {
        let start = Instant::now();
        let answer = quick.get("/preReservations?size=20").await;
        let answered = answer.is_ok_and(|answer| answer.status == 200);
        beside.record(if answered { start.elapsed() } else { Duration::MAX });
        while let Some(end) = slow.try_join_next() {
            let (body, took) = end.map_err(|error| Error::unexpected(error.to_string()))?;
            longest = longest.max(took.as_secs_f64());
            match body {
                Ok(body) if body.len() == whole && is_a_list(&body) => {}
                Ok(body) => {
                    cut += 1;
                    ends.push(format!("{} of {whole} bytes after {:.1} s", body.len(), took.as_secs_f64()));
                }
                Err(error) => {
                    cut += 1;
                    ends.push(format!("{error} after {:.1} s", took.as_secs_f64()));
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ground = system.stop().await?;
    if place.keep || cut > 0 {
        eprintln!("data and logs stay in {}", ground.keep().display());
    } else {
        ground.remove().await?;
    }
    ends.truncate(3);
    let figures = vec![
        Figure::new("slow_readers", f64::from(readers), "").note(format!(
            "{whole} bytes each, {PIECE} bytes every {pace:?}; the longest read for {longest:.1} s"
        )),
        Figure::new("answers_cut", f64::from(cut), "").at_most(0.0).note(ends.join("; ")),
        Figure::new("longest_beside", beside.longest_ms(), "ms")
            .below(QUICK_WITHIN.as_secs_f64() * 1e3)
            .note(format!("a page of 20 meanwhile: {}", beside.line())),
    ];
    Ok(Played { figures, outcome: None })
}

/// The body, and how long it took.
async fn read_slowly(
    address: SocketAddr,
    pace: Duration,
    pause: Option<Duration>,
) -> (std::io::Result<Vec<u8>>, Duration) {
    let start = Instant::now();
    let read = async {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        SockRef::from(&socket).set_tcp_mss(SEGMENT)?;
        let mut stream = socket.connect(address).await?;
        let request = format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let (mut answer, mut piece, mut pause) = (Vec::new(), vec![0; PIECE], pause);
        loop {
            match stream.read(&mut piece).await? {
                0 => break,
                count => answer.extend_from_slice(&piece[..count]),
            }
            tokio::time::sleep(pace).await;
            if let Some(pause) = pause.take_if(|_| answer.len() > 4 * PIECE) {
                tokio::time::sleep(pause).await;
            }
        }
        let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        Ok(answer.split_off(head))
    };
    (read.await, start.elapsed())
}

fn is_a_list(body: &[u8]) -> bool {
    let list = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    list["_embedded"]["preReservations"].as_array().is_some_and(|rows| rows.len() as u64 == ROWS)
}
