//! What a batch of messages changes: loaded together, changed in memory, saved together.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;

use crate::store_error::StoreError;
use crate::transaction::Tx;

/// Retry limit of the optimistic lock. A thing changes fewer times than this in its life, so more conflicts are a bug.
const MOST_ROUNDS: usize = 16;

/// A store whose things change by batches, inside the transaction that also holds the position read.
///
/// # Obligations
/// - What is saved, and the facts that tell of it, commit together with the transaction, or not at all.
/// - Nothing is saved over what another transaction changed since it was loaded.
#[async_trait]
pub trait Folded: Send + Sync {
    type State: Clone + PartialEq + Send + Sync;
    type Fact: Send;

    /// What there is under these keys, each with its key.
    ///
    /// # Errors
    /// The database's.
    async fn load(&self, tx: &mut Tx, keys: &[i64]) -> Result<Vec<(i64, Self::State)>, StoreError>;

    /// Saves the changes with their facts. Returns the keys of those that another transaction has changed since they were
    /// loaded; nothing of these is saved.
    ///
    /// # Errors
    /// The database's.
    async fn save(
        &self,
        tx: &mut Tx,
        changes: Vec<Changed<Self::State, Self::Fact>>,
    ) -> Result<HashSet<i64>, StoreError>;
}

/// What the messages of a batch made of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed<S, F> {
    pub key: i64,
    /// `None`: there was nothing.
    pub before: Option<S>,
    pub after: S,
    pub facts: Vec<F>,
}

#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// In every round other transactions changed what these instructions, by their index, apply to.
    #[error("another transaction changed it each time before it could be saved")]
    Unsettled(Vec<usize>),
}

/// Applies the instructions in their order, with few statements whatever their number. `apply` gets what there is under
/// the instruction's key, and returns the facts that tell of the change.
///
/// What another transaction changed between loading and saving is loaded and applied anew.
///
/// # Errors
/// Nothing may be committed then.
pub async fn fold<S, I, F>(
    tx: &mut Tx,
    store: &S,
    instructions: &[I],
    key: impl Fn(&I) -> i64 + Send + Sync,
    apply: impl Fn(&mut Option<S::State>, &I) -> F + Send + Sync,
) -> Result<(), FoldError>
where
    S: Folded + ?Sized,
    I: Sync,
    F: IntoIterator<Item = S::Fact>,
{
    let mut open: Vec<usize> = (0..instructions.len()).collect();
    for _ in 0..MOST_ROUNDS {
        if open.is_empty() {
            return Ok(());
        }
        let keys: Vec<i64> = open.iter().map(|index| key(&instructions[*index])).collect();
        let mut distinct = keys.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let loaded: HashMap<i64, S::State> = store.load(tx, &distinct).await?.into_iter().collect();
        let changes = changes(&loaded, open.iter().map(|index| &instructions[*index]).zip(keys), &apply);
        if changes.is_empty() {
            return Ok(());
        }
        let overtaken = store.save(tx, changes).await?;
        open.retain(|index| overtaken.contains(&key(&instructions[*index])));
    }
    Err(FoldError::Unsettled(open))
}

/// Without a transaction and a store: what is left of the messages, in the order of the keys.
fn changes<'a, S, F, I: 'a, R: IntoIterator<Item = F>>(
    loaded: &HashMap<i64, S>,
    instructions: impl Iterator<Item = (&'a I, i64)>,
    apply: impl Fn(&mut Option<S>, &I) -> R,
) -> Vec<Changed<S, F>>
where
    S: Clone + PartialEq,
{
    let mut slots: BTreeMap<i64, (Option<S>, Vec<F>)> = BTreeMap::new();
    for (instruction, key) in instructions {
        let (state, facts) = slots.entry(key).or_insert_with(|| (loaded.get(&key).cloned(), Vec::new()));
        facts.extend(apply(state, instruction));
    }
    let changed = slots.into_iter().filter_map(|(key, (after, facts))| {
        let (before, after) = (loaded.get(&key), after?);
        (before != Some(&after)).then(|| Changed { key, before: before.cloned(), after, facts })
    });
    changed.collect()
}
