//! What a core dump, or somebody who reads a process's memory, would find of the customers' cards.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};

use futures::future::join_all;
use harness::waiting::{PATIENCE, eventually, when};
use memchr::memmem;
use stories::customer::Customer;
use stories::process::Process;
use stories::setup::Setup;
use stories::system::{Plan, System};

/// Those that a card number goes through.
const THAT_SEE_CARDS: [&str; 4] = ["preorder", "gateway", "prereservation", "payment"];
/// What all cards of this story begin with, as it is sent and as it goes on.
const BEGINNINGS: [&[u8]; 2] = [b"4073-9165-", b"40739165"];
const CUSTOMERS: usize = 50;
/// What lay in a register while a text was searched may stay on a stack until the next search.
const ON_STACKS: usize = CUSTOMERS / 10;

fn that_see_cards(system: &System) -> impl Iterator<Item = &Process> {
    system.processes().iter().filter(|process| THAT_SEE_CARDS.contains(&process.name()))
}

/// Neither written by the kernel nor piped to a program, and no debugger of the same user.
pub(crate) async fn no_core_dumps(setup: Setup) {
    let system = System::start(setup).await;
    let mut seen = 0;
    for process in that_see_cards(&system) {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
        let limit = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let values: Vec<&str> = limit.split_whitespace().skip(4).take(2).collect();
        assert_eq!(values, ["0", "0"], "{}: {limit}", process.name());
        // The kernel gives what belongs to a process that is not dumpable to root, and lets nobody else read its memory.
        let memory = format!("/proc/{}/mem", process.id());
        assert_eq!(std::fs::metadata(&memory).unwrap().uid(), 0, "{}", process.name());
        if rustix::process::geteuid().is_root() {
            println!("{}: this test runs as root, whom nothing keeps from reading memory", process.name());
        } else {
            let refused = File::open(&memory).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{}", process.name());
        }
        seen += 1;
    }
    assert_eq!(seen, if setup == Setup::One { 1 } else { 3 });
}

/// As soon as the connections that brought them are gone.
pub(crate) async fn cards_leave(setup: Setup) {
    let system = Plan::of(setup).with_core_dumps().start().await;
    let customer = Customer::new();
    let gateway = system.gateway();
    join_all((0..CUSTOMERS).map(async |number| {
        // Written in dashes, in digits, as a number, and with an escape, which makes the reader copy the text.
        let (dashes, digits) = (format!("4073-9165-0000-{number:04}"), format!("407391650000{number:04}"));
        let order = match number % 4 {
            0 => customer.order_with("cardNo", dashes).to_string(),
            1 => customer.order_with("cardNo", digits).to_string(),
            2 => customer.order_with("cardNo", digits.parse::<i64>().unwrap()).to_string(),
            _ => customer.order_with("cardNo", dashes).to_string().replace("4073-", "\\u0034073-"),
        };
        let request = gateway.request("POST", "/preReservations").header("content-type", "application/json");
        let _ = stories::http::send(request.body(order)).await.expect(201);
    }))
    .await;
    for process in that_see_cards(&system) {
        eventually(
            PATIENCE,
            &format!("the cards are gone from the memory of {}", process.name()),
            async || {
                let found = cards_in(process).unwrap();
                when(found.len() <= ON_STACKS, format!("{}: {:?}", found.len(), found.first()))
            },
        )
        .await;
    }
}

/// The card numbers in what the process can write to, each with what stands around it.
fn cards_in(process: &Process) -> io::Result<Vec<String>> {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", process.id()))?;
    let memory = File::open(format!("/proc/{}/mem", process.id()))?;
    let mut found = Vec::new();
    let mut bytes = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else { continue };
        let Some((from, to)) = range.split_once('-') else { continue };
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        let (from, to) = (address(from), address(to));
        if !rights.starts_with("rw") {
            continue;
        }
        bytes.resize(usize::try_from(to - from).unwrap(), 0);
        // It may be gone by now.
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            found.extend(BEGINNINGS.iter().flat_map(|text| memmem::find_iter(&bytes, text)).map(|at| {
                let around = &bytes[at.saturating_sub(200)..bytes.len().min(at + 40)];
                format!("{} {}", words.next_back().unwrap_or_default(), around.escape_ascii())
            }));
        }
    }
    Ok(found)
}
