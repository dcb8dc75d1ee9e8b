//! Stories as tests, one for each set-up, and at the end a table of which story ran where.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::LocalBoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::sync::OnceCell;

use crate::setup::Setup;
use crate::system::{Plan, System};

/// Stories wait more than they compute.
const AT_ONCE: usize = 6;

pub struct Story {
    name: &'static str,
    run: Run,
    /// Why it cannot be told on a set-up.
    not_on: Vec<(Setup, &'static str)>,
}

#[derive(Clone, Copy)]
enum Run {
    /// In a system that others use at the same time.
    Shared(fn(Arc<System>) -> LocalBoxFuture<'static, ()>),
    /// In one that it starts itself, because it hurts it.
    Own(fn(Setup) -> LocalBoxFuture<'static, ()>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
}

static OUTCOMES: Mutex<BTreeMap<(&'static str, Setup), Outcome>> = Mutex::new(BTreeMap::new());

/// The system of each set-up that stories share.
static SHARED: [OnceCell<Arc<System>>; Setup::ALL.len()] =
    [const { OnceCell::const_new() }; Setup::ALL.len()];

impl Story {
    pub fn shared(name: &'static str, run: fn(Arc<System>) -> LocalBoxFuture<'static, ()>) -> Self {
        Self { name, run: Run::Shared(run), not_on: Vec::new() }
    }

    pub fn own(name: &'static str, run: fn(Setup) -> LocalBoxFuture<'static, ()>) -> Self {
        Self { name, run: Run::Own(run), not_on: Vec::new() }
    }

    #[must_use]
    pub fn not_on(mut self, setups: &[Setup], why: &'static str) -> Self {
        self.not_on.extend(setups.iter().map(|setup| (*setup, why)));
        self
    }

    fn obstacle(&self, setup: Setup) -> Option<&'static str> {
        self.not_on.iter().find(|(other, _)| *other == setup).map(|(_, why)| *why)
    }

    fn trial(&self, setup: Setup) -> Trial {
        let (name, run) = (self.name, self.run);
        let trial = Trial::test(format!("{name}::{setup}"), move || {
            let told = catch_unwind(AssertUnwindSafe(|| harness::runtime().block_on(tell(run, setup))));
            let outcome = if told.is_ok() { Outcome::Passed } else { Outcome::Failed };
            OUTCOMES.lock().unwrap_or_else(PoisonError::into_inner).insert((name, setup), outcome);
            told.map_err(|_| Failed::without_message())
        });
        trial.with_ignored_flag(self.obstacle(setup).is_some())
    }
}

async fn tell(run: Run, setup: Setup) {
    match run {
        Run::Own(story) => story(setup).await,
        Run::Shared(story) => {
            let index = Setup::ALL.iter().position(|other| *other == setup).expect("it is one of all");
            let system = SHARED[index]
                .get_or_init(|| async { Arc::new(Plan::of(setup).with_default_groups().start().await) })
                .await;
            let _words = LastWords(system.clone());
            story(system.clone()).await;
        }
    }
}

/// A shared system outlives the story that failed in it; what it said belongs to the failure all the same.
struct LastWords(Arc<System>);

impl Drop for LastWords {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0.last_words());
        }
    }
}

/// What `main` of the test binary does.
pub fn main(stories: Vec<Story>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let setups = Setup::chosen();
    let trials = stories.iter().flat_map(|story| setups.iter().map(|setup| story.trial(*setup))).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    end_shared_systems();
    if !arguments.list {
        print_coverage(&stories, &setups);
    }
    conclusion.exit_code()
}

fn end_shared_systems() {
    let systems: Vec<&Arc<System>> = SHARED.iter().filter_map(OnceCell::get).collect();
    harness::runtime().block_on(async {
        for system in systems {
            system.kill_all().await;
            // Statics are not dropped: its databases and its directory go here.
            system.clean_up();
        }
    });
}

fn print_coverage(stories: &[Story], setups: &[Setup]) {
    let outcomes = OUTCOMES.lock().unwrap_or_else(PoisonError::into_inner);
    let width = stories.iter().map(|story| story.name.len()).max().unwrap_or_default();
    println!("Covered:");
    for setup in Setup::ALL {
        let chosen = if setups.contains(&setup) { "" } else { "  (not chosen; E2E_SETUPS)" };
        println!("  {setup:<6} {}{chosen}", setup.describe());
    }
    print!("\n{:width$}", "story");
    setups.iter().for_each(|setup| print!("  {:<6}", setup.name()));
    println!();
    let mut reasons = Vec::new();
    for story in stories {
        let cells: Vec<String> = setups
            .iter()
            .map(|setup| match (outcomes.get(&(story.name, *setup)), story.obstacle(*setup)) {
                (Some(Outcome::Passed), _) => "ok".to_owned(),
                (Some(Outcome::Failed), _) => "FAILED".to_owned(),
                (None, Some(why)) => {
                    let number = reasons.iter().position(|known| *known == why).unwrap_or_else(|| {
                        reasons.push(why);
                        reasons.len() - 1
                    });
                    format!("- ({})", number + 1)
                }
                (None, None) => "not run".to_owned(),
            })
            .collect();
        if cells.iter().all(|cell| cell == "not run") {
            continue;
        }
        print!("{:width$}", story.name);
        cells.iter().for_each(|cell| print!("  {cell:<6}"));
        println!();
    }
    for (number, why) in reasons.iter().enumerate() {
        println!("({}) {why}", number + 1);
    }
    println!();
}
