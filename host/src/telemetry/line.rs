//! A line of the log as a value: what is kept of an event, and who wants it.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt::{self, Debug, Write};
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// Bytes of one text in a line; the rest is cut off.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// What a field takes beside its texts, about.
const FIELD_BYTES: usize = 64;

/// One line of the log. As JSON it has all of these members, null for those
/// that it has none of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Line {
    /// Counts all lines of the process.
    #[serde(skip)]
    pub(crate) number: u64,
    /// Unix time.
    pub(crate) time_ms: u64,
    #[serde(serialize_with = "write_level")]
    pub(crate) level: Level,
    pub(crate) service: Option<String>,
    pub(crate) revision: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) request_id: Option<String>,
    /// Of a guest: `stdout` or `stderr`.
    pub(crate) stream: Option<String>,
    pub(crate) target: Cow<'static, str>,
    pub(crate) message: String,
    /// Everything else.
    pub(crate) fields: Map<String, Value>,
}

/// Which lines are asked for; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// A service by its name, or the host by an empty one.
    pub(crate) service: Option<String>,
    /// This one and what is worse.
    pub(crate) level: Option<Level>,
    pub(crate) trace_id: Option<String>,
}

impl Wanted {
    /// Whether a line is asked for.
    pub(crate) fn has(&self, line: &Line) -> bool {
        self.service.as_deref().is_none_or(|service| line.whose() == service)
            && self.level.is_none_or(|level| line.level <= level)
            && self.trace_id.as_ref().is_none_or(|id| line.trace_id.as_ref() == Some(id))
    }
}

impl Line {
    /// What an event says, now.
    pub(super) fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut line = Self {
            number: 0,
            time_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            level: *metadata.level(),
            service: None,
            revision: None,
            trace_id: None,
            request_id: None,
            stream: None,
            target: Cow::Borrowed(metadata.target()),
            message: String::new(),
            fields: Map::new(),
        };
        event.record(&mut line);
        line
    }

    /// The service that it belongs to, empty where it is the host's own.
    pub(crate) fn whose(&self) -> &str {
        self.service.as_deref().unwrap_or_default()
    }

    /// What it takes of memory, about.
    pub(super) fn bytes(&self) -> usize {
        let named = [&self.service, &self.revision, &self.trace_id, &self.request_id, &self.stream];
        let named: usize = named.into_iter().flatten().map(String::len).sum();
        let field = |(name, value): (&String, &Value)| {
            FIELD_BYTES + name.len() + value.as_str().map_or(0, str::len)
        };
        let fields: usize = self.fields.iter().map(field).sum();
        size_of::<Self>() + named + self.target.len() + self.message.len() + fields
    }

    fn put_text(&mut self, name: &str, text: String) {
        let place = match name {
            "message" => return self.message = text,
            "service" => &mut self.service,
            "revision" => &mut self.revision,
            "trace_id" => &mut self.trace_id,
            "request_id" => &mut self.request_id,
            "stream" => &mut self.stream,
            // What came by the `log` crate says its target so.
            "log.target" => return self.target = Cow::Owned(text),
            name if name.starts_with("log.") => return,
            name => return self.put(name, text.into()),
        };
        *place = Some(text).filter(|text| !text.is_empty());
    }

    fn put(&mut self, name: &str, value: Value) {
        if !name.starts_with("log.") {
            self.fields.insert(name.to_owned(), value);
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = Bounded(String::new());
        // What does not fit any more ends the writing.
        let _ = write!(text, "{value:?}");
        self.put_text(field.name(), text.0);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = Bounded(String::new());
        let _ = text.write_str(value);
        self.put_text(field.name(), text.0);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }
}

/// A text that takes so much and no more.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = TEXT_BYTES_MAX - self.0.len().min(TEXT_BYTES_MAX);
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
        self.0.push('…');
        Err(fmt::Error)
    }
}

/// The name of a level, for people and programs.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Reads the name of a level.
pub(crate) fn parse_level(name: &str) -> Option<Level> {
    [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE]
        .into_iter()
        .find(|level| level_name(*level) == name)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn write_level<S: Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(level_name(*level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_a_character_ends() {
        let mut text = Bounded(String::new());
        assert!(text.write_str(&"é".repeat(TEXT_BYTES_MAX)).is_err());
        assert_eq!(text.0.len(), TEXT_BYTES_MAX + '…'.len_utf8());
        assert!(text.write_str("more").is_err());
    }

    #[test]
    fn levels_have_names() {
        for name in ["error", "warn", "info", "debug", "trace"] {
            assert_eq!(parse_level(name).map(level_name), Some(name));
        }
        assert_eq!(parse_level("loud"), None);
    }
}
