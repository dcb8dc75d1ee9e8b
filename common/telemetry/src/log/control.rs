//! Levels that change while the process runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_log::AsLog;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::levels::{LevelError, Levels, LogLevel, LoggerLevels, ROOT};
use crate::operation;

static CONTROL: OnceLock<LogControl> = OnceLock::new();

/// The log's levels, once [`crate::init()`] has started it.
pub fn log_control() -> Option<&'static LogControl> {
    CONTROL.get()
}

pub(crate) fn set_log_control(control: LogControl) {
    CONTROL.get_or_init(|| control);
}

/// Shows and changes levels, for `/actuator/loggers`.
pub struct LogControl {
    levels: Mutex<Levels>,
    filter: reload::Handle<EnvFilter, Registry>,
    known: KnownTargets,
}

impl LogControl {
    pub(crate) fn new(
        levels: Levels,
        filter: reload::Handle<EnvFilter, Registry>,
        known: KnownTargets,
    ) -> Self {
        LogControl { levels: Mutex::new(levels), filter, known }
    }

    /// All loggers that are configured or have code behind them that ran, and `ROOT`.
    pub fn levels(&self) -> BTreeMap<String, LoggerLevels> {
        let levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        self.known
            .all()
            .iter()
            .copied()
            .chain(levels.configured())
            .chain([ROOT])
            .map(|logger| (logger.to_owned(), levels.of(logger)))
            .collect()
    }

    /// What applies to a logger, whether it is known or not.
    pub fn level(&self, logger: &str) -> LoggerLevels {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).of(logger)
    }

    /// Sets the level of a logger and of all whose names begin with its name; `None` lets it inherit again. In force
    /// when this returns.
    ///
    /// # Errors
    /// A name that cannot be a logger's; too many loggers.
    pub fn set(&self, logger: &str, level: Option<LogLevel>) -> Result<(), LevelError> {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = levels.clone();
        changed.set(logger, level)?;
        self.filter.reload(changed.filter()?).map_err(|_| LevelError::Gone)?;
        *levels = changed;
        drop(levels);
        pass_on_to_log();
        tracing::info!(logger, level = level.map(LogLevel::as_str), "log level changed");
        Ok(())
    }
}

/// Tells the `log` facade, which some libraries use, what it need not bother to send.
pub(crate) fn pass_on_to_log() {
    tracing_log::log::set_max_level(LevelFilter::current().as_log());
}

/// The names of loggers, collected as their code runs for the first time. Lets everything pass but the spans of
/// operations: their trace id is on each line anyway.
#[derive(Clone, Default)]
pub(crate) struct KnownTargets(Arc<Mutex<BTreeSet<&'static str>>>);

impl KnownTargets {
    fn all(&self) -> BTreeSet<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S: Subscriber> Filter<S> for KnownTargets {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        metadata.target() != operation::TARGET
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == operation::TARGET {
            return Interest::never();
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(metadata.target());
        Interest::always()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}
