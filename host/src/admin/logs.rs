//! The last lines of the log, once or as they come.

use super::described::{
    Operation, Paths, array, in_query, named, object, path, text, text_or_null, word,
};
use super::{Admin, Refused};
use crate::telemetry::{Followed, Line, LineId, Lines, ToldLines, Wanted, parse_level};
use ::http::HeaderMap;
use ::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State as AxumState};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// Lines that are shown when nobody says how many.
const LIMIT: usize = 200;
/// How many may be asked for.
const LIMITS: RangeInclusive<usize> = 0..=10_000;

/// By the names that queries have.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// How often a reader hears something when nothing is logged.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a query asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    wanted: Wanted,
    limit: usize,
    span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    /// What there is now.
    Now,
    /// What comes, too.
    On,
}

pub(super) async fn logs(
    AxumState(admin): AxumState<Admin>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let Asked { wanted, limit, span } = read(query.as_deref().unwrap_or_default())?;
    let lines = &admin.log.lines;
    if span == Span::Now {
        let lines = lines.last(&wanted, limit);
        let lines: Vec<&Line> = lines.iter().map(|line| &**line).collect();
        return Ok(axum::Json(json!({ "lines": lines })).into_response());
    }
    let place = admin.watches.take()?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let followed = lines.follow(wanted, limit, last.and_then(LineId::parse));
    let mut stop = admin.front.crew.stop_signal();
    let following = Following { followed, lines: lines.clone(), _place: place };
    let told = stream::unfold(following, |mut following| async move {
        let told = following.next().await;
        Some((Ok::<_, Infallible>(told), following))
    });
    let told = told.take_until(Box::pin(async move { stop.stopped().await }));
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(told)).into_response())
}

/// Lines on their way to a reader.
struct Following {
    followed: Followed,
    lines: Lines,
    _place: OwnedSemaphorePermit,
}

impl Following {
    /// The next lines as server-sent events, or a sign of life.
    async fn next(&mut self) -> Bytes {
        let Ok(ToldLines { missed, lines }) = timeout(HEARTBEAT, self.followed.next()).await else {
            return ": \n\n".into();
        };
        let mut text = String::new();
        // Writing to a String cannot fail, and JSON has no line breaks of its own.
        if 0 < missed {
            let _ = write!(text, "event: missed\ndata: {{\"lines\":{missed}}}\n\n");
        }
        for line in lines {
            let (id, json) = (self.lines.id(&line), serde_json::to_string(&*line));
            let _ = write!(text, "id: {id}\ndata: {}\n\n", json.unwrap_or_default());
        }
        text.into()
    }
}

fn read(query: &str) -> Result<Asked, Refused> {
    let mut asked = Asked { wanted: Wanted::default(), limit: LIMIT, span: Span::Now };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let wrong = |want: &str| Refused::bad_request(format!("{name} is {value:?}, want {want}"));
        match &*name {
            "service" => asked.wanted.service = Some(value.into_owned()),
            "level" => {
                let level = parse_level(&value);
                let names = "error, warn, info, debug or trace";
                asked.wanted.level = Some(level.ok_or_else(|| wrong(names))?);
            }
            "trace_id" => {
                let is_id = value.len() == 32 && value.bytes().all(|b| b.is_ascii_hexdigit());
                if !is_id {
                    return Err(wrong("32 hexadecimal digits"));
                }
                asked.wanted.trace_id = Some(value.to_ascii_lowercase());
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| LIMITS.contains(limit));
                let range = format!("a whole number from {} to {}", LIMITS.start(), LIMITS.end());
                asked.limit = limit.ok_or_else(|| wrong(&range))?;
            }
            "follow" => {
                asked.span = match &*value {
                    "" | "true" => Span::On,
                    "false" => Span::Now,
                    _ => return Err(wrong("true or false")),
                };
            }
            _ => {
                let known = "service, level, trace_id, limit and follow";
                let message = format!("there is no {name}, only {known}");
                return Err(Refused::bad_request(message));
            }
        }
    }
    Ok(asked)
}

/// For the description of the API.
pub(super) fn described() -> Paths {
    let hex = json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{32}$" });
    let (min, max) = (LIMITS.start(), LIMITS.end());
    let limit = json!({ "type": "integer", "minimum": min, "maximum": max, "default": LIMIT });
    let last = json!({ "name": "Last-Event-ID", "in": "header", "schema": text() });
    let told = json!({
        "application/json": { "schema": object(&["lines"], json!({ "lines": array(named("Line")) })) },
        "text/event-stream": { "schema": text() },
    });
    let summary = "The last lines of the log, oldest first; with `follow` also those that come";
    let service = "whose lines; those of the host itself by an empty one";
    let follow = "`true` or empty: server-sent events, a line each, for as long as they are read";
    let get = Operation::new("listLogLines", summary)
        .takes(in_query("service", service, text()))
        .takes(in_query("level", "this one and what is worse", word(&LEVELS)))
        .takes(in_query("trace_id", "lines of this trace", hex))
        .takes(in_query("limit", "how many", limit))
        .takes(in_query("follow", follow, word(&["false", "true", ""])))
        .takes(last)
        .status(200, "JSON; with `follow` server-sent events", told)
        .refuses(400, "a value that is not possible")
        .refuses(503, "as many watch or hear as may");
    vec![("/admin/v1/logs", path([("get", get)]))]
}

/// What descriptions name.
pub(super) fn schemas() -> Map<String, Value> {
    let members = json!({
        "time_ms": { "type": "integer", "minimum": 0, "description": "Unix time" },
        "level": word(&LEVELS),
        "service": text_or_null(),
        "revision": text_or_null(),
        "trace_id": text_or_null(),
        "request_id": text_or_null(),
        "stream": { "enum": ["stdout", "stderr", null] },
        "target": text(),
        "message": text(),
        "fields": { "type": "object" },
    });
    let all = [
        "time_ms",
        "level",
        "service",
        "revision",
        "trace_id",
        "request_id",
        "stream",
        "target",
        "message",
        "fields",
    ];
    Map::from_iter([("Line".to_owned(), object(&all, members))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_query_is_read_whole() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let query = format!("service=a&level=warn&trace_id={trace}&limit=7&follow=true");
        let wanted = Wanted {
            service: Some("a".into()),
            level: Some(Level::WARN),
            trace_id: Some(trace.into()),
        };
        assert_eq!(read(&query).unwrap(), Asked { wanted, limit: 7, span: Span::On });
        let nothing = Asked { wanted: Wanted::default(), limit: LIMIT, span: Span::Now };
        assert_eq!(read("follow=false").unwrap(), nothing);
    }

    #[test]
    fn what_cannot_be_is_said_with_what_can() {
        for (query, text) in [
            ("level=loud", "level is \"loud\", want error, warn, info, debug or trace"),
            ("limit=-1", "limit is \"-1\", want a whole number from 0 to 10000"),
            ("limit=10001", "limit is \"10001\", want a whole number from 0 to 10000"),
            ("trace_id=7", "trace_id is \"7\", want 32 hexadecimal digits"),
            ("follow=maybe", "follow is \"maybe\", want true or false"),
            ("since=1", "there is no since, only service, level, trace_id, limit and follow"),
        ] {
            assert_eq!(read(query).unwrap_err().message, text);
        }
    }
}
