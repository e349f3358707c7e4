//! Publishing and hearing events, for programs that are not WebAssembly.

use super::described::{
    Operation, Paths, as_json, count, in_path, in_query, name, object, path, text,
};
use super::{Admin, Refused};
use crate::bus::{EventId, EventQuery, EventQueryError, News, Origin, Told};
use crate::name::Name;
use crate::subject::{Subject, Subscription};
use crate::travel;
use ::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use ::http::{HeaderMap, StatusCode};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State as AxumState};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde_json::{Value, json};
use std::convert::Infallible;

/// Publishes the body of the request.
pub(super) async fn publish(
    AxumState(admin): AxumState<Admin>,
    Path(subject): Path<String>,
    headers: HeaderMap,
    payload: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    publish_on(&admin, &subject, &headers, payload)
}

/// The same on the subject `ws`, whose path is also that of the WebSocket.
pub(super) async fn publish_on_ws(
    AxumState(admin): AxumState<Admin>,
    headers: HeaderMap,
    payload: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    publish_on(&admin, "ws", &headers, payload)
}

fn publish_on(
    admin: &Admin,
    subject: &str,
    headers: &HeaderMap,
    payload: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let subject = Subject::parse(subject)
        .map_err(|error| Refused::new(StatusCode::BAD_REQUEST, "bad-subject", error.to_string()))?;
    let payload = payload.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("event is over the limit of {} bytes", admin.event_bytes_max);
            Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "event-too-large", message)
        }
        _ => Refused::bad_request(rejection.body_text()),
    })?;
    let context = travel::read(headers, &admin.ids);
    let news = News {
        subject: subject.clone(),
        content_type: headers.get(CONTENT_TYPE).cloned(),
        payload,
        origin: Origin::of_call(&context, None),
    };
    let heard_by = admin.bus.publish(news);
    let body = json!({ "subject": subject.as_str(), "heard_by": heard_by });
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

/// Tells of events as they are published.
pub(super) async fn hear(
    AxumState(admin): AxumState<Admin>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let wanted = wanted(query.as_deref().unwrap_or_default())?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let place = admin.watches.take()?;
    let mut stop = admin.front.crew.stop_signal();
    let told = Told::new(
        &admin.bus,
        &wanted,
        last.map(|last| EventId::parse(last).unwrap_or(EventId::UNKNOWN)),
    );
    let lines = told.lines(Box::pin(async move { stop.stopped().await }), place);
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines.map(Ok::<_, Infallible>))).into_response())
}

/// What a query asks for: `subject`, once or more, and `group`.
pub(super) fn wanted(query: &str) -> Result<Vec<Subscription>, Refused> {
    let bad = |name, message| Refused::new(StatusCode::BAD_REQUEST, name, message);
    let EventQuery { subjects, rest } = EventQuery::read(query).map_err(|error| {
        let is_subject = matches!(error, EventQueryError::Subject(_));
        bad(if is_subject { "bad-subject" } else { "bad-request" }, error.to_string())
    })?;
    let mut group = None;
    for (name, value) in rest {
        if name != "group" {
            let message = format!("there is no {name}, only subject and group");
            return Err(bad("bad-request", message));
        }
        let name = Name::parse(&value);
        let name = name.map_err(|error| bad("bad-request", format!("group {value:?} {error}")))?;
        group = Some(name);
    }
    let subscription = |pattern| Subscription { pattern, group: group.clone() };
    Ok(subjects.into_iter().map(subscription).collect())
}

/// For the description of the API.
pub(super) fn described() -> Paths {
    let last = json!({ "name": "Last-Event-ID", "in": "header", "schema": text() });
    let events = json!({ "text/event-stream": { "schema": text() } });
    let [subjects, group] = heard();
    let hear = Operation::new("hearEvents", "Events as they are published, as server-sent events")
        .takes(subjects)
        .takes(group)
        .takes(last)
        .status(200, "events, for as long as the reader stays", events)
        .refuses(400, "no subject, or a bad one")
        .refuses(503, "as many watch or hear as may")
        .lasts();
    let publish = publishing("publishEvent")
        .takes(in_path("subject", "what the event is about", subject()))
        .refuses(400, "a bad subject");
    vec![
        ("/admin/v1/events", path([("get", hear)])),
        ("/admin/v1/events/{subject}", path([("post", publish)])),
    ]
}

/// What a reader says of what it wants.
pub(super) fn heard() -> [Value; 2] {
    let subject = json!({
        "name": "subject", "in": "query", "required": true,
        "schema": { "type": "array", "minItems": 1, "items": text() },
    });
    [subject, in_query("group", "of whose members one gets each event", name())]
}

/// Publishing, wherever the subject is from.
pub(super) fn publishing(id: &str) -> Operation {
    let properties = json!({ "subject": text(), "heard_by": count() });
    let told = as_json(object(&["subject", "heard_by"], properties));
    let any = json!({ "application/json": {}, "application/octet-stream": {} });
    Operation::new(id, "Publishes the body as an event, with its content type, whichever that is")
        .body_of(false, any)
        .status(202, "how many subscribers it was put in line for", told)
        .refuses(413, "a body over the limit of events")
}

/// A subject as a segment of a path has it plainly.
fn subject() -> Value {
    // Written as a code, since some readers of patterns take a $ for the end.
    let first = "[A-Za-z0-9_~!&'()+,;=:@-]";
    let token = "[A-Za-z0-9_~!\\x24&'()+,;=:@-]";
    let pattern = format!("^{first}{token}*(\\.{token}+){{0,31}}$");
    let more = "a token may also have / and %, encoded";
    json!({ "type": "string", "maxLength": 256, "pattern": pattern, "description": more })
}
