//! `picolet logs`: the last lines of the log, and those that come.

use super::args::{LogsArgs, RemoteArgs};
use super::link::{address, send};
use super::remote::{block_on, events, fetch, not_a_host, refusal, text};
use super::services::nothing_kept;
use super::{Failure, complain, is_coloured, print};
use crate::outbound;
use crate::telemetry::printable;
use http::{Request, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use std::fmt::Write;
use std::time::Duration;

/// The first pause before a host that is gone is asked again; each is twice the
/// one before.
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How lines are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Text,
    Coloured,
}

pub(super) fn logs(args: &LogsArgs) -> Result<(), Failure> {
    let form = match args.remote.json {
        true => Form::Json,
        false if is_coloured(&std::io::stdout()) => Form::Coloured,
        false => Form::Text,
    };
    if args.follow { block_on(follow(args, form)) } else { block_on(show(args, form)) }
}

async fn show(args: &LogsArgs, form: Form) -> Result<(), Failure> {
    let body = fetch(&args.remote, &path(args)).await?;
    let lines = body.get("lines").and_then(Value::as_array);
    let lines = lines.ok_or_else(|| not_a_host(&args.remote))?;
    for line in lines {
        print(&render(line, form));
    }
    // By an empty name the host itself is meant.
    match args.service.as_deref() {
        Some(name) if lines.is_empty() && !name.is_empty() && args.limit != Some(0) => {
            let is_narrowed = args.level.is_some() || args.trace.is_some();
            let what = if is_narrowed { "no such line" } else { "nothing" };
            nothing_kept(&args.remote, name, what).await
        }
        _ => Ok(()),
    }
}

/// Prints lines until it is interrupted. A host that goes away is waited for.
async fn follow(args: &LogsArgs, form: Form) -> Result<(), Failure> {
    let (path, mut reader) = (path(args), Reader::of(&args.remote));
    let told = |kind: &str, data: &Value| tell(kind, data, form);
    // Who never was there is not waited for.
    let mut ended = reader.read(&path, told).await.map_err(Ended::into_failure)?;
    loop {
        complain(&format!("{ended}; trying again, until it is there or you interrupt"));
        let mut pause = PAUSE_MIN;
        ended = loop {
            tokio::time::sleep(pause).await;
            match reader.read(&path, told).await {
                Ok(ended) => break ended,
                Err(Ended::Away(_)) => pause = PAUSE_MAX.min(pause * 2),
                Err(Ended::Refused(failure)) => return Err(failure),
            }
        };
    }
}

/// Why nothing was read.
pub(super) enum Ended {
    /// Nobody was there, or nobody who could.
    Away(Failure),
    /// It would be the same again.
    Refused(Failure),
}

impl Ended {
    fn into_failure(self) -> Failure {
        match self {
            Self::Away(failure) | Self::Refused(failure) => failure,
        }
    }
}

/// Reads the log of a host, once more where it broke off.
pub(super) struct Reader<'a> {
    remote: &'a RemoteArgs,
    /// The last line that was seen.
    last: Option<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn of(remote: &'a RemoteArgs) -> Self {
        Self { remote, last: None }
    }

    pub(super) fn has_seen_any(&self) -> bool {
        self.last.is_some()
    }

    /// Tells lines, each with its kind, for as long as the host does; says how
    /// that ended.
    pub(super) async fn read(
        &mut self,
        path: &str,
        mut told: impl FnMut(&str, &Value),
    ) -> Result<String, Ended> {
        let remote = self.remote;
        let at = address(remote, path).map_err(Ended::Refused)?;
        let builder = Request::get(at);
        let builder = match &self.last {
            Some(last) => builder.header("last-event-id", last),
            None => builder,
        };
        let request = builder.body(outbound::empty());
        let response = send(remote, request).await.map_err(Ended::Away)?;
        match response.status() {
            StatusCode::OK => (),
            status if status.is_client_error() => {
                return Err(Ended::Refused(refusal(response).await));
            }
            _ => return Err(Ended::Away(refusal(response).await)),
        }
        let mut unread = Ok(());
        let ended = events(response, |event| {
            match serde_json::from_str(event.data) {
                Ok(line) => told(event.kind, &line),
                Err(_) => unread = Err(Ended::Refused(not_a_host(remote))),
            }
            if !event.id.is_empty() {
                self.last = Some(event.id.to_owned());
            }
            unread.is_ok()
        });
        let ended = ended.await;
        unread?;
        Ok(match ended {
            Ok(()) => "the host stopped".to_owned(),
            Err(how) => how,
        })
    }
}

fn tell(kind: &str, data: &Value, form: Form) {
    match kind {
        "" => print(&render(data, form)),
        "missed" => complain(&format!("missed {} lines", text(data, "/lines"))),
        _ => (),
    }
}

/// What is asked of the host.
fn path(args: &LogsArgs) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let limit = args.limit.map(|limit| limit.to_string());
    let follow = args.follow.then(|| "true".to_owned());
    for (name, value) in [
        ("service", &args.service),
        ("level", &args.level),
        ("trace_id", &args.trace),
        ("limit", &limit),
        ("follow", &follow),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    format!("/admin/v1/logs?{}", query.finish())
}

/// A line as the host prints it.
fn render(line: &Value, form: Form) -> String {
    if form == Form::Json {
        return line.to_string();
    }
    let (paint, dim, plain) = match form {
        Form::Coloured => (colour(&text(line, "/level")), "\u{1b}[2m", "\u{1b}[0m"),
        Form::Json | Form::Text => ("", "", ""),
    };
    let time = line.get("time_ms").and_then(Value::as_i64).unwrap_or_default();
    let time = Timestamp::from_millisecond(time).unwrap_or_default();
    let (level, target) = (text(line, "/level").to_uppercase(), text(line, "/target"));
    let mut whole = format!(
        "{dim}{time:.3}{plain} {paint}{level:>5}{plain} {dim}{}:{plain} {}",
        printable(&target),
        printable(&text(line, "/message")),
    );
    let named = ["service", "revision", "trace_id", "request_id", "stream"];
    let named = named.into_iter().filter_map(|name| Some((name, line.get(name)?)));
    let others = line.get("fields").and_then(Value::as_object).into_iter().flatten();
    let others = others.map(|(name, value)| (name.as_str(), value));
    for (name, value) in named.chain(others).filter(|(_, value)| !value.is_null()) {
        // Writing to a String cannot fail.
        let _ = write!(whole, " {dim}{}={plain}{}", printable(name), shown(value));
    }
    whole
}

/// A value in which its end is seen.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() || text.contains([' ', '"', '\t']) => {
            format!("{text:?}")
        }
        Value::String(text) => printable(text).into_owned(),
        other => other.to_string(),
    }
}

fn colour(level: &str) -> &'static str {
    match level {
        "error" => "\u{1b}[31m",
        "warn" => "\u{1b}[33m",
        "info" => "\u{1b}[32m",
        _ => "\u{1b}[34m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_is_one_line_whatever_is_in_it() {
        let line = json!({
            "time_ms": 1_767_322_800_123_u64, "level": "info", "service": "calc",
            "revision": null, "trace_id": null, "request_id": "r-1", "stream": "stdout",
            "target": "guest", "message": "a\r\n\u{1b}[31mERROR b",
            "fields": { "cause": "x\ny z", "count": 2 },
        });
        let expected = "2026-01-02T03:00:00.123Z  INFO guest: a\\r\\n\\u{1b}[31mERROR b \
                        service=calc request_id=r-1 stream=stdout cause=\"x\\ny z\" count=2";
        assert_eq!(render(&line, Form::Text), expected);
        assert!(render(&line, Form::Coloured).starts_with("\u{1b}[2m2026-01-02T03:00:00.123Z"));
        assert_eq!(render(&line, Form::Json), line.to_string());
    }
}
