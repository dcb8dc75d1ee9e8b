//! The log: which lines are written ([`levels`]) and how ([`mod@format`]).

mod control;
mod format;
mod levels;

pub use control::{LogControl, log_control};
pub use levels::{LevelError, LogLevel, LoggerLevels};

pub(crate) use control::{KnownTargets, pass_on_to_log, set_log_control};
pub(crate) use format::{JsonLines, PrettyLines};
pub(crate) use levels::Levels;
