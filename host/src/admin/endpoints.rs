//! Who can be called and how each fares: as a array, or as a watch that begins
//! with the list and goes on with every change.

use super::described::{
    Operation, Paths, array, count, count_or_null, flag, in_query, object, path, text, word,
};
use super::{Admin, Refused};
use crate::call::EndpointEvent;
use crate::client::EndpointWatch;
use crate::crew::StopSignal;
use ::http::StatusCode;
use ::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::body::{Body, Bytes};
use axum::extract::{Query, State as AxumState};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Readers that watch at once.
const WATCHES_MAX: usize = 64;
/// How long nothing is said to whoever watches. Those who are gone are found out
/// by it.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Places for readers that watch. Clones share them.
#[derive(Clone)]
pub(crate) struct Watches {
    places: Arc<Semaphore>,
}

impl Default for Watches {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(WATCHES_MAX)) }
    }
}

impl Watches {
    /// A place for one more.
    pub(super) fn take(&self) -> Result<OwnedSemaphorePermit, Refused> {
        self.places.clone().try_acquire_owned().map_err(|_| {
            let message = format!("{WATCHES_MAX} readers watch or hear already");
            Refused::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-watches", message)
        })
    }

    /// Readers that watch now.
    pub(super) fn count(&self) -> usize {
        WATCHES_MAX - self.places.available_permits()
    }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    /// Nothing or `true`.
    watch: Option<String>,
}

/// A watch on its way to a reader. It looks only when the reader takes more.
struct Watching {
    watch: EndpointWatch,
    stop: StopSignal,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn endpoints(
    AxumState(admin): AxumState<Admin>,
    Query(Asked { watch }): Query<Asked>,
) -> Result<Response, Refused> {
    match watch.as_deref() {
        None | Some("false") => {
            Ok(axum::Json(json!({ "endpoints": admin.client.endpoints() })).into_response())
        }
        Some("" | "true") => begin(&admin),
        Some(other) => Err(Refused::bad_request(format!("watch is {other:?}, want true or false"))),
    }
}

/// For the description of the API.
pub(super) fn described() -> Paths {
    let endpoint = object(
        &["service", "key", "registration", "version", "domain", "root", "local", "state"],
        json!({
            "service": text(),
            "key": text(),
            "registration": text(),
            "version": text(),
            "domain": text(),
            "root": text(),
            "local": flag(),
            "state": word(&["serving", "down", "resting", "probing", "draining"]),
            "rests_ms": count_or_null(),
            "in_flight": count(),
            "latency_us": count_or_null(),
        }),
    );
    let watch = "`true` or empty: lines of JSON, first all there is and then each change, for as \
                 long as they are read; empty ones are signs of life";
    let all = json!({
        "application/json": { "schema": object(&["endpoints"], json!({ "endpoints": array(endpoint) })) },
        "application/x-ndjson": { "schema": text() },
    });
    let get = Operation::new("listEndpoints", "Every endpoint with its state, once or as a watch")
        .takes(in_query("watch", watch, word(&["false", "true", ""])))
        .status(200, "JSON; with `watch` a line of JSON for each change", all)
        .refuses(503, "as many watch or hear as may");
    vec![("/admin/v1/endpoints", path([("get", get)]))]
}

fn begin(admin: &Admin) -> Result<Response, Refused> {
    let place = admin.watches.take()?;
    let (watch, stop) = (admin.client.watch_endpoints(), admin.front.crew.stop_signal());
    let watching = Watching { watch, stop, _place: place };
    let lines = futures::stream::unfold(watching, |mut watching| async move {
        let lines = watching.next().await?;
        Some((Ok::<_, Infallible>(lines), watching))
    });
    let headers = [(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

impl Watching {
    /// The next lines, or an empty one as a sign of life; none when the host stops.
    async fn next(&mut self) -> Option<Bytes> {
        let events = tokio::select! {
            events = timeout(HEARTBEAT, self.watch.next()) => events,
            () = self.stop.stopped() => return None,
        };
        let Ok(events) = events else { return Some("\n".into()) };
        let line = |event: &EndpointEvent| serde_json::to_string(event).unwrap_or_default() + "\n";
        Some(events.iter().map(line).collect::<String>().into())
    }
}
