//! What is noted of requests, and who is told.

use crate::keys::Keys;
use crate::secret::SecretSource;
use http::Uri;
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, TRANSFER_ENCODING,
};

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
    /// Headers of what is sent there, such as let it in.
    pub(crate) otlp_headers: Vec<(HeaderName, SecretSource)>,
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
        Self {
            traces: true,
            traces_max: 2_000,
            slow_ms: 500,
            otlp: None,
            otlp_headers: Vec::new(),
            otlp_ratio: Ratio::ALL,
        }
    }
}

/// Headers that are the host's own.
const OWN: [HeaderName; 6] =
    [CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING];

/// Where a collector takes traces.
const OTLP_PATH: &str = "/v1/traces";

const OTLP_HEADERS: &str = "telemetry.otlp_headers";

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
    settings.otlp_headers = headers(keys);
    if settings.otlp.is_none() && !settings.otlp_headers.is_empty() {
        keys.add_complaint(OTLP_HEADERS, "needs telemetry.otlp, which says where to".to_owned());
    }
    if let Some(part) = keys.part("telemetry.otlp_ratio") {
        settings.otlp_ratio = Ratio::of(part);
    }
    if settings.otlp.is_some() && !settings.traces {
        let text = "needs telemetry.traces, which is false".to_owned();
        keys.add_complaint("telemetry.otlp", text);
    }
    settings
}

/// The headers of what is sent.
fn headers(keys: &mut Keys) -> Vec<(HeaderName, SecretSource)> {
    let mut headers: Vec<(HeaderName, SecretSource)> = Vec::new();
    for (name, source) in SecretSource::take_all(keys, OTLP_HEADERS) {
        let complaint = match HeaderName::try_from(&name) {
            Ok(header) if OWN.contains(&header) => "is the host's own to say",
            Ok(header) if headers.iter().any(|(known, _)| *known == header) => {
                "is there in other letters, too"
            }
            Ok(header) => {
                headers.push((header, source));
                continue;
            }
            Err(_) => "is no name of a header",
        };
        keys.add_complaint(&format!("{OTLP_HEADERS}.{name}"), complaint.to_owned());
    }
    headers
}

/// The address that spans are sent to; one without a path gets the usual one.
fn collector(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
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
    fn a_collector_is_an_address_with_tls_or_without() {
        check("http://127.0.0.1:4318", Some("http://127.0.0.1:4318/v1/traces"));
        check("http://collector:4318/", Some("http://collector:4318/v1/traces"));
        check("http://collector/otlp/traces", Some("http://collector/otlp/traces"));
        check("https://collector/", Some("https://collector/v1/traces"));
        check("ftp://collector", None);
        check("127.0.0.1:4318", None);
        check("http://collector?x=1", None);
        check("", None);
    }

    #[track_caller]
    fn check_ratio(text: &str, expected: Result<Ratio, &str>) {
        let (settings, complaints) = read_telemetry(&format!("otlp_ratio = {text}"));
        match expected {
            Ok(ratio) => {
                assert_eq!((settings.otlp_ratio, complaints), (ratio, vec![]), "{text}");
            }
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

    fn read_telemetry(text: &str) -> (TraceSettings, Vec<String>) {
        let mut keys = Keys::default();
        keys.add_toml(&format!("[telemetry]\n{text}"), "f");
        let settings = read(&mut keys);
        (settings, keys.finish().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn who_wants_spans_sent_wants_traces() {
        let (_, complaints) = read_telemetry("traces = false\notlp = \"http://a:4318\"");
        assert_eq!(complaints, ["telemetry.otlp: needs telemetry.traces, which is false"]);
    }

    #[test]
    fn headers_of_what_is_sent_are_named_by_where_they_are() {
        let (otlp, headers) = ("otlp = \"https://a\"\n", "otlp_headers.x-Key = { env = \"KEY\" }");
        let (settings, complaints) = read_telemetry(&format!("{otlp}{headers}"));
        let expected = (HeaderName::from_static("x-key"), SecretSource::Variable("KEY".into()));
        assert_eq!((settings.otlp_headers, complaints), (vec![expected], vec![]));
        let (_, complaints) = read_telemetry(headers);
        let needed = "telemetry.otlp_headers: needs telemetry.otlp, which says where to";
        assert_eq!(complaints, [needed]);
        for (header, complaint) in [
            ("host = { env = \"KEY\" }", "host: is the host's own to say"),
            ("\"a b\" = { env = \"KEY\" }", "a b: is no name of a header"),
            (
                "x = { env = \"KEY\" }\notlp_headers.X = { env = \"KEY\" }",
                "x: is there in other letters, too",
            ),
        ] {
            let (_, complaints) = read_telemetry(&format!("{otlp}otlp_headers.{header}"));
            assert_eq!(complaints, [format!("telemetry.otlp_headers.{complaint}")]);
        }
    }
}
