//! What the host says: state lines for whoever started it, and its log.

use crate::settings::LogSettings;
use std::io::Write;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

/// Says what changed, one line each. Clones say it to the same place.
#[derive(Clone)]
pub(crate) struct Announcer(Arc<dyn Fn(&str) + Send + Sync>);

impl Announcer {
    /// Lines on standard error.
    pub(crate) fn stderr() -> Self {
        Self(Arc::new(|line| {
            // Nobody may be listening any more; the host goes on.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }))
    }

    /// Says a line. Line breaks in it, which names of files may bring, are
    /// written as they would be in a program.
    pub(crate) fn say(&self, line: &str) {
        let is_odd = |c: char| {
            c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        if line.contains(is_odd) {
            let escape =
                |c: char| if is_odd(c) { c.escape_default().collect() } else { c.to_string() };
            (self.0)(&line.chars().map(escape).collect::<String>());
        } else {
            (self.0)(line);
        }
    }
}

/// Sends the log to standard error. The first call in a process decides.
pub(crate) fn start_log(settings: &LogSettings) {
    let filter = EnvFilter::try_new(&settings.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second host in one process shares the log of the first.
    let _ = if settings.json {
        log.json().flatten_event(true).try_init()
    } else {
        use std::io::IsTerminal;
        log.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
}
