//! What the host says: state lines for whoever started it, and its log.
//!
//! State lines are written where they are said. The log goes through a line of
//! bounded length to a thread of its own, so that nobody who logs waits for
//! whoever reads it; what finds the line full is dropped and counted.

mod follow;
mod line;
mod lines;
mod seldom;
mod text;

pub(crate) use follow::{Followed, ToldLines};
pub(crate) use line::{Line, Wanted, parse_level};
pub(crate) use lines::{ACCESS, LineBounds, LineId, Lines};
pub(crate) use seldom::Seldom;
pub(crate) use text::printable;

use crate::settings::LogSettings;
use std::io::Write;
use std::sync::{Arc, OnceLock};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::fmt::writer::MakeWriterExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// The target of events that say what a state line says. Where the log is text
/// they are kept alone: the state line is there already.
pub(crate) const STATE: &str = "picolet::state";

/// Lines of the log that wait for being written.
const UNWRITTEN_LINES_MAX: usize = 8_192;
/// Bytes of the lines of one service that are kept.
const SERVICE_BYTES_MAX: usize = 256 << 10;
/// Services that lines are kept of.
const SERVICES_MAX: usize = 4_096;

/// Says what changed, one line each. Clones say it to the same place.
#[derive(Clone)]
pub(crate) struct Announcer(Arc<dyn Fn(&str) + Send + Sync>);

impl Announcer {
    /// Lines on standard error.
    pub(crate) fn stderr() -> Self {
        Self::to(|line| {
            // Nobody may be listening any more; the host goes on.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        })
    }

    /// Lines to whoever wants them; must not wait for anything.
    pub(crate) fn to(say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(say))
    }

    /// Says a line. Line breaks in it, which names of files may bring, are
    /// written as they would be in a program.
    pub(crate) fn say(&self, line: &str) {
        (self.0)(&printable(line));
    }
}

/// How the log looks on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Json,
    Text,
    Coloured,
}

/// The log of the process. Hosts that share a process share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    /// What was logged last.
    pub(crate) lines: Lines,
    unwritten: Option<ErrorCounter>,
}

static LOG: OnceLock<Log> = OnceLock::new();

impl Log {
    /// That of this process; one that keeps nothing, where nobody has started it.
    pub(crate) fn of_process() -> Self {
        LOG.get().cloned().unwrap_or_default()
    }

    /// Lines that were not written because too many waited.
    pub(crate) fn dropped(&self) -> usize {
        self.unwritten.as_ref().map_or(0, ErrorCounter::dropped_lines)
    }
}

/// Sends the log to standard error, and keeps the last lines. The first call in
/// a process decides. What waits is written when the guard goes.
pub(crate) fn start_log(settings: &LogSettings, look: Look) -> WorkerGuard {
    let filter = EnvFilter::new(&settings.filter);
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(UNWRITTEN_LINES_MAX)
        .thread_name("log")
        .finish(std::io::stderr());
    let unwritten = Some(writer.error_counter());
    let bounds = LineBounds {
        lines_max: settings.lines_max,
        service_bytes_max: SERVICE_BYTES_MAX,
        bytes_max: settings.lines_mib_max << 20,
        services_max: SERVICES_MAX,
    };
    let log = Log { lines: Lines::new(bounds), unwritten };
    let written = tracing_subscriber::fmt::layer().with_writer(writer);
    let written = match look {
        Look::Json => written.json().flatten_event(true).boxed(),
        Look::Text | Look::Coloured => written
            // A filter of the layer would have every event of all crates looked at.
            .map_writer(|writer| writer.with_filter(|about| about.target() != STATE))
            .with_ansi(look == Look::Coloured)
            .fmt_fields(debug_fn(text::write_field).delimited(" "))
            .boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(written);
    if subscriber.with(log.lines.clone()).try_init().is_ok() {
        let _ = LOG.set(log);
    }
    guard
}
