//! The few things that this crate needs of `telemetry`, in one place.

use crate::problem::Problem;

pub(crate) struct LoggerLevel {
    pub(crate) logger: String,
    pub(crate) configured: Option<String>,
    pub(crate) effective: String,
}

pub(crate) fn render_metrics() -> String {
    String::new()
}

pub(crate) fn log_levels() -> Vec<LoggerLevel> {
    Vec::new()
}

pub(crate) fn set_log_level(_logger: &str, _level: Option<&str>) -> Result<(), Problem> {
    Err(Problem::unavailable("Log levels cannot be changed in this process.", 60))
}
