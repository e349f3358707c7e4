//! What can be changed of a live version of a service.

use super::described::{Operation, Paths, count, in_path, in_query, object, path, text};
use super::{Admin, Refused, parse_body};
use crate::limits::CONCURRENCY;
use crate::live::{Unnamed, one};
use crate::loader::{Named, OrderError, Restarted, RolledBack};
use crate::number::whole;
use crate::traffic::WEIGHTS;
use ::http::StatusCode;
use ::http::request::Parts;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path, Query, State as AxumState};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// Which version of a service is meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    pub(super) version: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    #[serde(deserialize_with = "whole")]
    concurrency: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Traffic {
    #[serde(deserialize_with = "whole")]
    traffic: u64,
}

impl<S: Send + Sync> FromRequestParts<S> for Which {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        let read = Query::try_from_uri(&parts.uri);
        read.map(|Query(which)| which).map_err(|error| Refused::bad_request(error.body_text()))
    }
}

impl From<Unnamed> for Refused {
    fn from(unnamed: Unnamed) -> Self {
        let message = unnamed.to_string();
        match unnamed {
            Unnamed::NoService { .. } | Unnamed::NoVersion { .. } => Self::not_found(message),
            Unnamed::WhichVersion { .. } => {
                Self::new(StatusCode::CONFLICT, "which-version", message)
            }
        }
    }
}

impl From<OrderError> for Refused {
    fn from(error: OrderError) -> Self {
        let message = error.to_string();
        match error {
            OrderError::Unnamed(unnamed) => unnamed.into(),
            OrderError::Withdrawn { .. } => Self::new(StatusCode::CONFLICT, "withdrawn", message),
            OrderError::Loading { .. } => Self::new(StatusCode::CONFLICT, "loading", message),
            OrderError::NothingBefore { .. } => {
                Self::new(StatusCode::CONFLICT, "nothing-before", message)
            }
            OrderError::NotKept { .. } => Self::new(StatusCode::GONE, "not-kept", message),
            OrderError::Refused { .. } => Self::new(StatusCode::CONFLICT, "refused", message),
            OrderError::NotRestarted { .. } => {
                Self::new(StatusCode::CONFLICT, "not-restarted", message)
            }
            OrderError::TakenOut => Self::new(StatusCode::CONFLICT, "superseded", message),
            OrderError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", message),
        }
    }
}

/// Changes limits of a live revision; the next one has what its manifest says.
pub(super) async fn limits(
    AxumState(admin): AxumState<Admin>,
    Path(name): Path<String>,
    which: Which,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let Limits { concurrency } = read("limits", &body)?;
    within("concurrency", concurrency, &CONCURRENCY)?;
    let live = admin.live.take();
    let service = one(live.services(), &name, which.version.as_deref())?;
    service.set_concurrency(usize::try_from(concurrency).unwrap_or(usize::MAX));
    tracing::info!(service = name, concurrency, "limit changed");
    Ok(Json(json!({ "concurrency": concurrency })))
}

/// Changes what a version weighs; the next revision has what its manifest says.
pub(super) async fn traffic(
    AxumState(admin): AxumState<Admin>,
    Path(service): Path<String>,
    which: Which,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let Traffic { traffic } = read("traffic", &body)?;
    within("traffic", traffic, &WEIGHTS)?;
    let weight = u32::try_from(traffic).unwrap_or(u32::MAX);
    let named = Named { service, version: which.version };
    admin.desk.set_traffic(named, weight).await?;
    Ok(Json(json!({ "traffic": traffic })))
}

/// Brings back the revision before.
pub(super) async fn rollback(
    AxumState(admin): AxumState<Admin>,
    Path(service): Path<String>,
    which: Which,
) -> Result<Json<RolledBack>, Refused> {
    Ok(Json(admin.desk.roll_back(Named { service, version: which.version }).await?))
}

/// Makes a live revision anew, of the same content.
pub(super) async fn restart(
    AxumState(admin): AxumState<Admin>,
    Path(service): Path<String>,
    which: Which,
) -> Result<Json<Restarted>, Refused> {
    Ok(Json(admin.desk.restart(Named { service, version: which.version }).await?))
}

fn read<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Refused> {
    let change = parse_body(body)?.unwrap_or_default();
    serde_json::from_value(change).map_err(|error| Refused::bad_request(format!("{what}: {error}")))
}

fn within(what: &str, value: u64, range: &RangeInclusive<u64>) -> Result<(), Refused> {
    if range.contains(&value) {
        return Ok(());
    }
    let (min, max) = (range.start(), range.end());
    Err(Refused::bad_request(format!("{what} is {value}, want {min} to {max}")))
}

/// For the description of the API.
pub(super) fn described() -> Paths {
    let limits =
        changed("changeLimits", "Changes limits of a live revision", "concurrency", &CONCURRENCY);
    let traffic = changed(
        "changeTraffic",
        "Changes what a live version weighs beside others",
        "traffic",
        &WEIGHTS,
    )
    .refuses(503, "the host stops");
    let revision =
        || object(&["version", "digest"], json!({ "version": text(), "digest": text() }));
    let went = json!({ "service": text(), "from": revision(), "to": revision() });
    let summary = "Brings back the revision before, until the file's content changes";
    let rollback = of_one(Operation::new("rollBack", summary))
        .answers("from what and to what it went back", object(&["service", "from", "to"], went))
        .refuses(409, "it cannot be done: the text says why")
        .refuses(410, "the revision before is no longer kept")
        .refuses(503, "the host stops");
    let made = json!({ "service": text(), "version": text(), "digest": text(), "ms": count() });
    let summary = "Makes the live revision anew: new instances of the same content";
    let restart = of_one(Operation::new("restart", summary))
        .answers(
            "what was made anew, and how long it took",
            object(&["service", "version", "digest", "ms"], made),
        )
        .refuses(409, "it cannot be done: the text says why")
        .refuses(503, "the host stops");
    vec![
        ("/admin/v1/services/{name}/limits", path([("patch", limits)])),
        ("/admin/v1/services/{name}/traffic", path([("patch", traffic)])),
        ("/admin/v1/services/{name}/rollback", path([("post", rollback)])),
        ("/admin/v1/services/{name}/restart", path([("post", restart)])),
    ]
}

/// What every request for one version of a service takes and may meet.
pub(super) fn of_one(operation: Operation) -> Operation {
    operation
        .takes(in_path("name", "the name of the service", text()))
        .takes(in_query("version", "which version is meant, where several are live", text()))
        .refuses(404, "no such service or version")
        .refuses(409, "several versions, and none was named")
}

/// A request that changes one number of a live version.
fn changed(id: &str, summary: &str, key: &str, range: &RangeInclusive<u64>) -> Operation {
    let (min, max) = (range.start(), range.end());
    let number = json!({ "type": "integer", "minimum": min, "maximum": max });
    let mut change = object(&[key], json!({ key: number }));
    if let Some(members) = change.as_object_mut() {
        members.insert("additionalProperties".to_owned(), false.into());
    }
    of_one(Operation::new(id, summary))
        .answers("what holds from now on", object(&[key], json!({ key: number })))
        .body(change)
}
