use serde::Deserialize;

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// `pretty` for eyes, `json` for collectors.
    pub format: LogFormat,
    /// Levels as `EnvFilter` reads them: `info`, `info,sqlx=warn,payment::use_cases=debug`.
    pub level: String,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Pretty,
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings { format: LogFormat::Pretty, level: "info".to_owned() }
    }
}

/// `[tracing]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracingSettings {
    /// Where spans go: the base address of an OTLP/HTTP receiver, `http://localhost:4318`. Empty: nowhere.
    pub otlp_endpoint: String,
    /// The share of traces begun here that is recorded, 0 to 1. A trace begun elsewhere keeps the decision made there.
    pub sample_ratio: f64,
}

impl Default for TracingSettings {
    fn default() -> Self {
        TracingSettings { otlp_endpoint: String::new(), sample_ratio: 1.0 }
    }
}
