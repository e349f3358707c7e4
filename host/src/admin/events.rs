//! Publishing and hearing events, for programs that are not WebAssembly.

use super::{Admin, Refused};
use crate::bus::{EventId, News, Origin, Told};
use crate::crew::StopSignal;
use crate::name::Name;
use crate::subject::{Subject, SubjectPattern, Subscription};
use crate::travel;
use ::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use ::http::{HeaderMap, StatusCode};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State as AxumState};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::convert::Infallible;
use tokio::sync::OwnedSemaphorePermit;

/// Patterns that one reader may name.
const SUBJECTS_MAX: usize = 64;

/// Publishes the body of the request.
pub(super) async fn publish(
    AxumState(admin): AxumState<Admin>,
    Path(subject): Path<String>,
    headers: HeaderMap,
    payload: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let subject = Subject::parse(&subject)
        .map_err(|error| Refused::new(StatusCode::BAD_REQUEST, "bad-subject", error.to_string()))?;
    let payload = payload.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("event is over the limit of {} bytes", admin.event_bytes_max);
            Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "event-too-large", message)
        }
        _ => Refused::bad_request(rejection.body_text()),
    })?;
    let context = travel::read(&headers, &admin.ids);
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

/// Events on their way to a reader.
struct Telling {
    told: Told,
    stop: StopSignal,
    _place: OwnedSemaphorePermit,
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
    let stop = admin.front.crew.stop_signal();
    let told = Told::new(
        &admin.bus,
        &wanted,
        last.map(|last| EventId::parse(last).unwrap_or(EventId::UNKNOWN)),
    );
    let lines =
        futures::stream::unfold(Telling { told, stop, _place: place }, |mut telling| async move {
            let lines = telling.next().await?;
            Some((Ok::<_, Infallible>(lines), telling))
        });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

impl Telling {
    /// The next lines; none when the host stops.
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            lines = self.told.next() => Some(lines),
            () = self.stop.stopped() => None,
        }
    }
}

/// What a query asks for: `subject`, once or more, and `group`.
fn wanted(query: &str) -> Result<Vec<Subscription>, Refused> {
    let bad = |name, message| Refused::new(StatusCode::BAD_REQUEST, name, message);
    let (mut patterns, mut group) = (Vec::new(), None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "subject" => {
                let pattern = SubjectPattern::parse(&value);
                patterns.push(pattern.map_err(|error| bad("bad-subject", error.to_string()))?);
            }
            "group" => {
                let name = Name::parse(&value);
                let name =
                    name.map_err(|error| bad("bad-request", format!("group {value:?} {error}")))?;
                group = Some(name);
            }
            other => {
                let message = format!("there is no {other}, only subject and group");
                return Err(bad("bad-request", message));
            }
        }
    }
    if patterns.is_empty() {
        let message = "say what to hear: ?subject=rates.*, or > for everything".to_owned();
        return Err(bad("bad-request", message));
    }
    if SUBJECTS_MAX < patterns.len() {
        let message = format!("at most {SUBJECTS_MAX} subjects are heard at once");
        return Err(bad("bad-request", message));
    }
    let subscription = |pattern| Subscription { pattern, group: group.clone() };
    Ok(patterns.into_iter().map(subscription).collect())
}

/// For the description of the API.
pub(super) fn hearing_described() -> Value {
    let subject = json!({
        "name": "subject", "in": "query", "required": true,
        "schema": { "type": "array", "items": { "type": "string" } },
    });
    let group = json!({ "name": "group", "in": "query", "schema": { "type": "string" } });
    let last = json!({ "name": "Last-Event-ID", "in": "header", "schema": { "type": "string" } });
    json!({ "get": {
        "summary": "Events as they are published, as server-sent events",
        "parameters": [subject, group, last],
        "responses": {
            "200": { "description": "events, for as long as the reader stays" },
            "400": { "description": "no subject, or a bad one" },
            "503": { "description": "as many watch or hear as may" },
        },
    } })
}

/// The same of publishing.
pub(super) fn publishing_described() -> Value {
    let subject = json!({
        "name": "subject", "in": "path", "required": true, "schema": { "type": "string" },
    });
    json!({ "post": {
        "summary": "Publishes the body as an event",
        "parameters": [subject],
        "requestBody": { "content": { "*/*": {} } },
        "responses": {
            "202": { "description": "how many subscribers it was put in line for" },
            "400": { "description": "a bad subject" },
            "413": { "description": "a body over the limit" },
        },
    } })
}
