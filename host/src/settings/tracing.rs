//! What is noted of requests, and who is told.

use crate::keys::Keys;
use http::Uri;

/// How traces are kept and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceSettings {
    /// Whether requests are traced.
    pub(crate) traces: bool,
    /// Requests whose traces are kept, of the newest; a quarter of it of those
    /// that were slow, and of those that failed.
    pub(crate) traces_max: usize,
    /// From when on a request counts as slow.
    pub(crate) slow_ms: u64,
    /// Where spans are sent: a collector of OTLP over HTTP.
    pub(crate) otlp: Option<Uri>,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self { traces: true, traces_max: 2_000, slow_ms: 500, otlp: None }
    }
}

/// Where a collector takes traces.
const OTLP_PATH: &str = "/v1/traces";

/// Reads the settings of traces.
pub(super) fn read(keys: &mut Keys) -> TraceSettings {
    let mut settings = TraceSettings::default();
    if let Some(traces) = keys.flag("telemetry.traces") {
        settings.traces = traces;
    }
    keys.number("telemetry.traces_max", 16..=1_000_000, &mut settings.traces_max);
    keys.number("telemetry.slow_ms", 1..=3_600_000, &mut settings.slow_ms);
    settings.otlp = keys.take("telemetry.otlp", |value| {
        let text = value.as_str().unwrap_or_default();
        collector(text).ok_or_else(|| {
            format!("got {text:?}, want the address of a collector such as http://127.0.0.1:4318")
        })
    });
    if settings.otlp.is_some() && !settings.traces {
        let text = "needs telemetry.traces, which is false".to_owned();
        keys.add_complaint("telemetry.otlp", text);
    }
    settings
}

/// The address that spans are sent to; one without a path gets the usual one.
fn collector(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let is_http = uri.scheme_str() == Some("http") && uri.host().is_some();
    if !is_http || uri.query().is_some() {
        return None;
    }
    match uri.path() {
        "" | "/" => format!("{}{OTLP_PATH}", text.trim_end_matches('/')).parse().ok(),
        _ => Some(uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let seen = collector(text).map(|uri| uri.to_string());
        assert_eq!(seen.as_deref(), expected, "{text}");
    }

    #[test]
    fn a_collector_is_an_address_without_tls() {
        check("http://127.0.0.1:4318", Some("http://127.0.0.1:4318/v1/traces"));
        check("http://collector:4318/", Some("http://collector:4318/v1/traces"));
        check("http://collector/otlp/traces", Some("http://collector/otlp/traces"));
        check("https://collector:4318", None);
        check("127.0.0.1:4318", None);
        check("http://collector?x=1", None);
        check("", None);
    }

    #[test]
    fn who_wants_spans_sent_wants_traces() {
        let mut keys = Keys::default();
        keys.add_toml("[telemetry]\ntraces = false\notlp = \"http://a:4318\"", "f");
        read(&mut keys);
        let complaints: Vec<String> = keys.finish().iter().map(ToString::to_string).collect();
        assert_eq!(complaints, ["telemetry.otlp: needs telemetry.traces, which is false"]);
    }
}
