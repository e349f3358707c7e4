//! The log of a service on a host that runs elsewhere.

use super::super::args::RemoteArgs;
use super::super::logs::{Ended, Reader};
use super::super::remote::text;
use super::super::{Failure, tell};
use crate::telemetry::{STATE, printable};
use serde_json::Value;
use std::time::Duration;
use tokio::sync::watch;

/// Before a log that broke off is asked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// Prints what the service logs that was deployed last. Never ends by itself.
pub(super) async fn follow(
    host: &RemoteArgs,
    mut deployed: watch::Receiver<Option<String>>,
) -> Result<(), Failure> {
    let mut reader = Reader::of(host);
    loop {
        let Some(service) = deployed.borrow_and_update().clone() else {
            if deployed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            continue;
        };
        let mut path =
            format!("/admin/v1/logs?service={}&follow=true", crate::path::encode(&service));
        if !reader.has_seen_any() {
            // What was logged before is nobody's question here.
            path.push_str("&limit=0");
        }
        let reading = reader.read(&path, |kind, line| {
            if let Some(shown) = shown(kind, line) {
                tell(&shown);
            }
        });
        tokio::select! {
            ended = reading => match ended {
                // It keeps no lines, or shows them to others.
                Err(Ended::Refused(_)) => std::future::pending().await,
                // A host that is away says so when something is deployed.
                Ok(_) | Err(Ended::Away(_)) => tokio::time::sleep(PAUSE).await,
            },
            Ok(()) = deployed.changed() => (),
        }
    }
}

/// A line of the log for people. What guests write does nothing to a terminal.
fn shown(kind: &str, line: &Value) -> Option<String> {
    match kind {
        // What became of the upload was told by whoever sent it.
        "" if text(line, "/target") == STATE => return None,
        "" => (),
        "missed" => return Some(format!("missed {} lines", text(line, "/lines"))),
        _ => return None,
    }
    let (message, request) = (text(line, "/message"), text(line, "/request_id"));
    let of = if request.is_empty() { String::new() } else { format!(" ({request})") };
    let level = text(line, "/level").to_uppercase();
    let whole = format!("{level} {}: {message}{of}", text(line, "/service"));
    Some(printable(&whole).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_whose_it_is_and_is_one_line() {
        let full = json!({
            "level": "info", "service": "first", "request_id": "r1", "message": "a\n\u{1b}[2Jb",
        });
        assert_eq!(shown("", &full).as_deref(), Some("INFO first: a\\n\\u{1b}[2Jb (r1)"));
        let short = json!({ "level": "warn", "service": "a", "message": "b" });
        assert_eq!(shown("", &short).as_deref(), Some("WARN a: b"));
        let missed = shown("missed", &json!({ "lines": 3 }));
        assert_eq!(missed.as_deref(), Some("missed 3 lines"));
        assert_eq!(shown("other", &short), None);
        let state = json!({ "target": STATE, "level": "info", "message": "swapped" });
        assert_eq!(shown("", &state), None);
    }
}
