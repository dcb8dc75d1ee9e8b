//! Levels by logger: what was configured, what follows from it, and the filter that says so to `tracing`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// Spring's name for what everything inherits from.
pub(crate) const ROOT: &str = "ROOT";

/// More loggers than anybody configures by hand; a bound for those who do not do it by hand.
const MOST_LOGGERS: usize = 1000;
const LONGEST_NAME: usize = 200;

/// A level by the names that Spring's `/actuator/loggers` uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    pub const ALL: [LogLevel; 6] =
        [LogLevel::Off, LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Off => "OFF",
            LogLevel::Error => "ERROR",
            LogLevel::Warn => "WARN",
            LogLevel::Info => "INFO",
            LogLevel::Debug => "DEBUG",
            LogLevel::Trace => "TRACE",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LogLevel {
    type Err = LevelError;

    fn from_str(name: &str) -> Result<Self, LevelError> {
        LogLevel::ALL
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(name))
            .ok_or_else(|| LevelError::UnknownLevel(name.chars().take(LONGEST_NAME).collect()))
    }
}

impl From<LevelFilter> for LogLevel {
    fn from(filter: LevelFilter) -> Self {
        match filter.into_level() {
            None => LogLevel::Off,
            Some(tracing::Level::ERROR) => LogLevel::Error,
            Some(tracing::Level::WARN) => LogLevel::Warn,
            Some(tracing::Level::INFO) => LogLevel::Info,
            Some(tracing::Level::DEBUG) => LogLevel::Debug,
            Some(tracing::Level::TRACE) => LogLevel::Trace,
        }
    }
}

/// What applies to a logger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggerLevels {
    /// Set for this very logger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configured_level: Option<LogLevel>,
    /// In force, perhaps inherited.
    pub effective_level: LogLevel,
}

/// Why a level was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LevelError {
    #[error("{0:?} is no level; there are OFF, ERROR, WARN, INFO, DEBUG and TRACE")]
    UnknownLevel(String),
    #[error("{0:?} is no name of a logger")]
    LoggerName(String),
    #[error("more than {MOST_LOGGERS} loggers are configured")]
    TooMany,
    #[error("{0:?} is no list of levels such as info,sqlx=warn: {1}")]
    Directives(String, String),
    #[error("the log is gone")]
    Gone,
}

/// The levels in force. Names match by prefix, the longest wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Levels {
    root: LogLevel,
    /// What ROOT returns to when its level is taken away.
    initial_root: LogLevel,
    loggers: BTreeMap<String, LogLevel>,
    /// Directives about spans and fields; `EnvFilter` knows them, `/actuator/loggers` does not.
    others: Vec<String>,
}

impl Levels {
    /// Reads `EnvFilter`'s syntax.
    pub(crate) fn parse(directives: &str) -> Result<Levels, LevelError> {
        let refused = |reason: String| LevelError::Directives(directives.to_owned(), reason);
        EnvFilter::try_new(directives).map_err(|error| refused(error.to_string()))?;
        let mut levels = Levels {
            root: LogLevel::Error,
            initial_root: LogLevel::Error,
            loggers: BTreeMap::new(),
            others: Vec::new(),
        };
        for directive in directives.split(',').map(str::trim).filter(|d| !d.is_empty()) {
            let level = |text: &str| text.parse::<LevelFilter>().map(LogLevel::from);
            if directive.contains('[') {
                levels.others.push(directive.to_owned());
            } else if let Some((logger, name)) = directive.split_once('=') {
                let level = level(name).map_err(|error| refused(error.to_string()))?;
                levels.loggers.insert(logger.to_owned(), level);
            } else if let Ok(level) = level(directive) {
                levels.root = level;
            } else {
                // A bare name asks for all of it.
                levels.loggers.insert(directive.to_owned(), LogLevel::Trace);
            }
        }
        levels.initial_root = levels.root;
        Ok(levels)
    }

    pub(crate) fn set(&mut self, logger: &str, level: Option<LogLevel>) -> Result<(), LevelError> {
        if logger.eq_ignore_ascii_case(ROOT) {
            self.root = level.unwrap_or(self.initial_root);
            return Ok(());
        }
        // The name becomes part of a directive: it must not smuggle in another.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.');
        if logger.is_empty() || logger.len() > LONGEST_NAME || !logger.chars().all(plain) {
            return Err(LevelError::LoggerName(logger.chars().take(LONGEST_NAME).collect()));
        }
        match level {
            None => {
                self.loggers.remove(logger);
            }
            Some(level) => {
                if self.loggers.len() >= MOST_LOGGERS && !self.loggers.contains_key(logger) {
                    return Err(LevelError::TooMany);
                }
                self.loggers.insert(logger.to_owned(), level);
            }
        }
        Ok(())
    }

    pub(crate) fn of(&self, logger: &str) -> LoggerLevels {
        if logger.eq_ignore_ascii_case(ROOT) {
            return LoggerLevels { configured_level: Some(self.root), effective_level: self.root };
        }
        LoggerLevels {
            configured_level: self.loggers.get(logger).copied(),
            effective_level: self
                .loggers
                .iter()
                .filter(|(name, _)| logger.starts_with(name.as_str()))
                .max_by_key(|(name, _)| name.len())
                .map_or(self.root, |(_, level)| *level),
        }
    }

    pub(crate) fn configured(&self) -> impl Iterator<Item = &str> {
        self.loggers.keys().map(String::as_str)
    }

    pub(crate) fn filter(&self) -> Result<EnvFilter, LevelError> {
        let mut directives = self.root.as_str().to_ascii_lowercase();
        for (logger, level) in &self.loggers {
            directives += &format!(",{logger}={}", level.as_str().to_ascii_lowercase());
        }
        for other in &self.others {
            directives += &format!(",{other}");
        }
        EnvFilter::try_new(&directives).map_err(|error| LevelError::Directives(directives, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_longest_name_wins() {
        let levels = Levels::parse("info,payment=debug,payment::store=off,sqlx=WARN").unwrap();
        let effective = |logger| levels.of(logger).effective_level;
        assert_eq!(effective("receipt"), LogLevel::Info);
        assert_eq!(effective("payment"), LogLevel::Debug);
        assert_eq!(effective("payment::use_cases::charge"), LogLevel::Debug);
        assert_eq!(effective("payment::store::sql"), LogLevel::Off);
        assert_eq!(effective("sqlx::query"), LogLevel::Warn);
        assert_eq!(levels.of("sqlx::query").configured_level, None);
        assert_eq!(levels.of("sqlx").configured_level, Some(LogLevel::Warn));
    }

    #[test]
    fn root_is_what_is_left_and_returns_to_its_beginning() {
        let mut levels = Levels::parse("warn,sqlx=error").unwrap();
        levels.set("root", Some(LogLevel::Trace)).unwrap();
        assert_eq!(levels.of("ROOT").effective_level, LogLevel::Trace);
        levels.set("ROOT", None).unwrap();
        assert_eq!(levels.of("anything").effective_level, LogLevel::Warn);
        assert_eq!(Levels::parse("sqlx=info").unwrap().of("ROOT").effective_level, LogLevel::Error);
    }

    #[test]
    fn directives_about_spans_survive() {
        let levels = Levels::parse("info,[order{id=1}]=debug,hyper").unwrap();
        assert_eq!(levels.others, ["[order{id=1}]=debug"]);
        assert_eq!(levels.of("hyper::client").effective_level, LogLevel::Trace);
        levels.filter().unwrap();
    }

    #[test]
    fn no_directive_is_smuggled_in() {
        let mut levels = Levels::parse("info").unwrap();
        for name in ["", "a,b", "a=debug", "[span]", "a b", "a\n", &"x".repeat(201)] {
            let refused = levels.set(name, Some(LogLevel::Debug));
            assert!(matches!(refused, Err(LevelError::LoggerName(_))), "{name:?}");
        }
        for i in 0..MOST_LOGGERS {
            levels.set(&format!("logger{i}"), Some(LogLevel::Info)).unwrap();
        }
        assert_eq!(levels.set("one_more", Some(LogLevel::Info)), Err(LevelError::TooMany));
        levels.set("logger0", Some(LogLevel::Debug)).unwrap();
        levels.set("logger0", None).unwrap();
        levels.set("one_more", Some(LogLevel::Info)).unwrap();
    }

    #[test]
    fn nonsense_is_refused_in_one_line() {
        for nonsense in ["info,sqlx=loud", "a=b=c", "[unclosed=info"] {
            let error = Levels::parse(nonsense).unwrap_err().to_string();
            assert!(error.contains(nonsense) && !error.contains('\n'), "{error}");
        }
        assert_eq!("debug".parse(), Ok(LogLevel::Debug));
        assert!("LOUD".parse::<LogLevel>().is_err());
    }
}
