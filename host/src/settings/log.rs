//! Reads `[log]`.

use crate::keys::{Keys, show};
use toml::Value;
use tracing_subscriber::EnvFilter;

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogSettings {
    /// Lines as JSON, or as text for people; by where they go when nobody says.
    pub(crate) json: Option<bool>,
    /// A filter such as `info` or `picolet=debug`, which can be read.
    pub(crate) filter: String,
    /// Whether there is a line for each request.
    pub(crate) access: bool,
    /// Lines of each service that are kept.
    pub(crate) lines_max: usize,
    /// What all kept lines may take.
    pub(crate) lines_mib_max: usize,
}

/// What is logged when nobody says.
const USUAL: &str = "info";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

pub(super) fn read(keys: &mut Keys) -> LogSettings {
    let (mut lines_max, mut lines_mib_max) = (200, 32);
    keys.number("log.lines_max", 0..=100_000, &mut lines_max);
    keys.number("log.lines_mib_max", 1..=4_096, &mut lines_mib_max);
    LogSettings {
        json: keys.flag("log.json"),
        filter: keys.take("log.filter", filter).unwrap_or_else(|| USUAL.to_owned()),
        access: keys.flag("log.access").unwrap_or_default(),
        lines_max,
        lines_mib_max,
    }
}

/// The filter without spaces between its parts, which whoever reads it takes
/// for a part of a target. An empty one counts as none.
fn filter(value: &Value) -> Result<String, String> {
    let parts = value.as_str().map(|text| {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>()
    });
    match parts {
        Some(parts) if parts.is_empty() => Ok(USUAL.to_owned()),
        Some(parts) if parts.iter().all(|part| is_directive(part)) => Ok(parts.join(",")),
        _ => Err(format!(
            "got {}, want a level ({}), or levels of targets such as info,guest=off",
            show(value),
            LEVELS.join(", ")
        )),
    }
}

/// A word alone is a level: as the name of a target it would switch off all
/// others.
fn is_directive(part: &str) -> bool {
    let is_level = |text: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text));
    let is_shaped = match part.split_once('=') {
        // Spans and their fields have a syntax of their own.
        _ if part.contains('[') => true,
        Some((target, level)) => !target.is_empty() && is_level(level),
        None => is_level(part),
    };
    is_shaped && EnvFilter::try_new(part).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The filter that comes of a text, or the complaint.
    fn read_filter(text: &str) -> Result<String, String> {
        let mut keys = Keys::default();
        keys.add("log.filter", Value::String(text.to_owned()), "PICOLET_LOG__FILTER");
        let settings = read(&mut keys);
        match keys.finish().first() {
            Some(complaint) => Err(complaint.to_string()),
            None => Ok(settings.filter),
        }
    }

    #[test]
    fn levels_and_levels_of_targets_are_a_filter_and_nothing_is_the_usual_one() {
        for (text, expected) in [
            ("debug", "debug"),
            ("WARN", "WARN"),
            ("", "info"),
            (" , ", "info"),
            ("info, guest=off", "info,guest=off"),
            ("picolet::loader=debug,off", "picolet::loader=debug,off"),
            ("info,[call{n=1}]=debug", "info,[call{n=1}]=debug"),
        ] {
            assert_eq!(read_filter(text).as_deref(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_would_switch_the_log_off_by_mistake_is_told() {
        for text in ["debgu", "foo=bar=baz", "info,guest", "guest=", "=info", "a=loud", "[x"] {
            let complaint = read_filter(text).unwrap_err();
            let start =
                format!("log.filter (PICOLET_LOG__FILTER): got {text:?}, want a level (off");
            assert!(complaint.starts_with(&start), "{complaint}");
        }
    }
}
