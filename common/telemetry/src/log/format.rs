//! Log lines: one event is one line, also if a client's text in it has line breaks.

use std::fmt::{self, Debug, Write};

use serde_json::Value as Json;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::{Scope, error_chain};

/// `2026-11-21T11:35:16.123456Z  INFO [payment 4bf92f3577b34da6a3ce929d0e0e4736 7f3a] payment::charge: charged id=7`
pub(crate) struct PrettyLines;

/// `{"timestamp":"...","level":"INFO","application":"payment","logger":"payment::charge","message":"charged",...}`
pub(crate) struct JsonLines;

impl<S, N> FormatEvent<S, N> for PrettyLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        SystemTime.format_time(&mut line)?;
        write_level(&mut line, *metadata.level())?;
        Scope::with_current(|scope| {
            line.write_char('[')?;
            line.write_str(scope.application().unwrap_or("-"))?;
            if let Some(trace) = scope.trace() {
                write!(line, " {:032x}", trace.trace_id())?;
            }
            if let Some(request) = scope.request_id() {
                write!(OneLine(&mut line), " {request}")?;
            }
            line.write_str("] ")
        })?;
        write!(line, "{}:", metadata.target())?;
        ctx.format_fields(line.by_ref(), event)?;
        for span in ctx.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<FormattedFields<N>>() {
                line.write_str(fields)?;
            }
        }
        line.write_char('\n')
    }
}

impl<'w> FormatFields<'w> for PrettyLines {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = PrettyVisitor { writer, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }

    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

fn write_level(line: &mut Writer<'_>, level: Level) -> fmt::Result {
    if !line.has_ansi_escapes() {
        return write!(line, " {level:>5} ");
    }
    let colour = match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    };
    write!(line, " \x1b[{colour}m{level:>5}\x1b[0m ")
}

/// ` message key=value key="two words"`
struct PrettyVisitor<'w> {
    writer: Writer<'w>,
    result: fmt::Result,
}

impl PrettyVisitor<'_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.result.is_err() || field.name().starts_with("log.") {
            return;
        }
        self.result = (|| {
            self.writer.write_char(' ')?;
            if field.name() != "message" {
                write!(self.writer, "{}=", field.name())?;
            }
            OneLine(&mut self.writer).write_fmt(value)
        })();
    }
}

impl Visit for PrettyVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let plain = !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || c == '"');
        if plain || field.name() == "message" {
            self.write(field, format_args!("{value}"));
        } else {
            self.write(field, format_args!("{value:?}"));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.write(field, format_args!("{}", error_chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, format_args!("{value:?}"));
    }
}

/// Escapes control characters: no line breaks, no terminal tricks.
struct OneLine<'a, W>(&'a mut W);

impl<W: Write> Write for OneLine<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(char::is_control) {
            match piece.char_indices().next_back() {
                Some((end, last)) if last.is_control() => {
                    self.0.write_str(&piece[..end])?;
                    write!(self.0, "{}", last.escape_default())?;
                }
                _ => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        write!(line, "\",\"level\":\"{}\"", metadata.level())?;
        Scope::with_current(|scope| {
            if let Some(application) = scope.application() {
                write!(line, ",\"application\":{}", Json::from(application))?;
            }
            if let Some(trace) = scope.trace() {
                write!(
                    line,
                    ",\"trace_id\":\"{:032x}\",\"span_id\":\"{:016x}\"",
                    trace.trace_id(),
                    trace.span_id()
                )?;
            }
            match scope.request_id() {
                Some(request) => write!(line, ",\"request_id\":{}", Json::from(request)),
                None => Ok(()),
            }
        })?;
        write!(line, ",\"logger\":{}", Json::from(metadata.target()))?;
        let mut visitor = JsonVisitor::default();
        event.record(&mut visitor);
        if let Some(message) = visitor.message {
            write!(line, ",\"message\":{message}")?;
        }
        if !visitor.fields.is_empty() {
            write!(line, ",\"fields\":{}", Json::from(visitor.fields))?;
        }
        self.write_spans(ctx, &mut line)?;
        line.write_str("}\n")
    }
}

impl JsonLines {
    /// `,"spans":[{"name":"outer",...},{"name":"inner",...}]`
    fn write_spans<S, N>(&self, ctx: &FmtContext<'_, S, N>, line: &mut Writer<'_>) -> fmt::Result
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        N: for<'a> FormatFields<'a> + 'static,
    {
        let Some(scope) = ctx.event_scope() else {
            return Ok(());
        };
        line.write_str(",\"spans\":[")?;
        for (i, span) in scope.from_root().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(line, "{comma}{{\"name\":{}", Json::from(span.name()))?;
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<FormattedFields<N>>() {
                line.write_str(fields)?;
            }
            line.write_char('}')?;
        }
        line.write_char(']')
    }
}

impl<'w> FormatFields<'w> for JsonLines {
    /// Members to follow others: `,"id":7`. Fields recorded later come again, as later members.
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = JsonVisitor::default();
        fields.record(&mut visitor);
        for (name, value) in &visitor.fields {
            write!(writer, ",{}:{value}", Json::from(name.as_str()))?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct JsonVisitor {
    message: Option<Json>,
    fields: serde_json::Map<String, Json>,
}

impl JsonVisitor {
    fn put(&mut self, field: &Field, value: Json) {
        match field.name() {
            "message" => self.message = Some(value),
            name if name.starts_with("log.") => {}
            name => {
                self.fields.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for JsonVisitor {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, error_chain(value).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests;
