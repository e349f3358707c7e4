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
    /// How many of the traces that begin here are to be sent.
    pub(crate) otlp_ratio: Ratio,
}

/// A part of all traces, which each trace is of or not, wherever it is asked.
/// Whoever has the same ratio chooses the same traces, as do the samplers by
/// ratio of OpenTelemetry
/// (<https://opentelemetry.io/docs/specs/otel/trace/sdk/#traceidratiobased>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ratio {
    /// Traces whose 63 bits are below it are in.
    below: u64,
}

impl Ratio {
    /// All of them.
    pub(crate) const ALL: Self = Self { below: 1 << 63 };

    /// A part from 0 to 1.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is within the range"
    )]
    pub(crate) fn of(part: f64) -> Self {
        // 2^63, which is all.
        const END: f64 = 9_223_372_036_854_775_808.0;
        Self { below: (part.clamp(0.0, 1.0) * END) as u64 }
    }

    /// Whether a trace is in whose id ends in these bits.
    pub(crate) fn takes(self, bits: u64) -> bool {
        bits >> 1 < self.below
    }
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self { traces: true, traces_max: 2_000, slow_ms: 500, otlp: None, otlp_ratio: Ratio::ALL }
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
    if let Some(part) = keys.part("telemetry.otlp_ratio") {
        settings.otlp_ratio = Ratio::of(part);
    }
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

    #[track_caller]
    fn check_ratio(text: &str, expected: Result<Ratio, &str>) {
        let mut keys = Keys::default();
        keys.add_toml(&format!("telemetry.otlp_ratio = {text}"), "f");
        let read = read(&mut keys).otlp_ratio;
        let complaints: Vec<String> = keys.finish().iter().map(ToString::to_string).collect();
        match expected {
            Ok(ratio) => assert_eq!((read, complaints), (ratio, vec![]), "{text}"),
            Err(complaint) => assert_eq!(complaints, [complaint], "{text}"),
        }
    }

    #[test]
    fn a_ratio_is_a_number_from_0_to_1() {
        check_ratio("0", Ok(Ratio::of(0.0)));
        check_ratio("0.25", Ok(Ratio::of(0.25)));
        check_ratio("1.0", Ok(Ratio::ALL));
        check_ratio("1", Ok(Ratio::ALL));
        for (text, got) in [("1.5", "1.5"), ("-1", "-1"), ("nan", "nan"), ("\"0.5\"", "\"0.5\"")] {
            let want = "want a number from 0.0 to 1.0";
            check_ratio(text, Err(&format!("telemetry.otlp_ratio (f): got {got}, {want}")));
        }
    }

    #[test]
    fn a_ratio_takes_ids_below_its_part_of_63_bits() {
        let half = Ratio::of(0.5);
        assert!(half.takes(0) && half.takes((1 << 63) - 1) && !half.takes(1 << 63));
        assert!(Ratio::ALL.takes(u64::MAX) && !Ratio::of(0.0).takes(0));
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
