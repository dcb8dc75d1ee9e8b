//! Every interleaving of one reservation's life, up to a bound: the domains of the four services as they are, and around
//! them what the network, the log and dying processes can do to messages. In every state that can be reached the
//! promises hold; and where a promise is broken on purpose, a state is found that shows it.
//!
//! `cargo test -p preorder --test interleavings -- --nocapture` prints how many states there are.
#![allow(clippy::unwrap_used)]

mod promises;
mod steps;
mod world;

use stateright::{Checker, Model};

use world::{Bounds, Broken, Life};

fn explore(life: Life) -> impl Checker<Life> {
    life.checker().threads(2).spawn_bfs().join()
}

#[test]
fn the_promises_hold_in_every_state() {
    let mut states = 0;
    for bounds in [
        // A request, its cancellation, and everything that can be lost on the way.
        Bounds { cancels: 1, crashes: 1, lost_answers: 1, repeats: 0, declines: true },
        // Records that are told, or delivered, twice.
        Bounds { cancels: 1, crashes: 0, lost_answers: 0, repeats: 1, declines: false },
        Bounds { cancels: 0, crashes: 1, lost_answers: 0, repeats: 1, declines: true },
    ] {
        let checked = explore(Life { bounds, broken: None });
        println!("{bounds:?}: {} states", checked.unique_state_count());
        states += checked.unique_state_count();
        checked.assert_properties();
    }
    println!("{states} states in all");
    assert!(states > 10_000, "{states}: the model does less than it did");
}

/// A model that cannot tell a broken system from a sound one proves nothing.
#[test]
fn every_broken_promise_is_seen() {
    let bounds = Bounds { cancels: 1, crashes: 1, lost_answers: 1, repeats: 0, declines: false };
    for broken in Broken::ALL {
        let checked = explore(Life { bounds, broken: Some(broken) });
        let seen: Vec<_> = promises::ALWAYS
            .iter()
            .filter_map(|(name, _)| Some((name, checked.discovery(name)?.into_actions().len())))
            .collect();
        println!("{broken:?}: {seen:?}");
        assert!(!seen.is_empty(), "{broken:?} was not noticed");
    }
}
