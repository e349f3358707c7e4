//! The admin side: the registry's API, health, metrics, and what the host has
//! to say about itself.

mod access;
mod api;
mod call;
mod change;
mod dashboard;
mod described;
mod endpoints;
mod events;
mod guard;
mod inside;
mod live;
mod logs;
mod metrics;
mod modules;
mod openapi;
mod pico;
mod rejected;
mod traces;
mod wire;

pub(crate) use access::Access;
pub(crate) use endpoints::Watches;
pub(crate) use live::Ticker;

use crate::abroad::Abroad;
use crate::buckets::Buckets;
use crate::bus::Bus;
use crate::call::RequestIds;
use crate::client::Client;
use crate::hearing::Hearing;
use crate::http::Front;
use crate::live::Live;
use crate::loader::Desk;
use crate::publish::Snapshots;
use crate::registry::Registry;
use crate::telemetry::Log;
use crate::timing::Timing;
use crate::traces::Traces;
use crate::upgrade;
use ::http::StatusCode;
use ::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::{FromRef, State as AxumState};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use described::{Operation, Paths, as_json, count, object, path, word};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;

/// What the admin side looks at.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) registry: Arc<Registry>,
    pub(crate) live: Snapshots<Live>,
    pub(crate) desk: Desk,
    pub(crate) client: Client,
    pub(crate) front: Arc<Front>,
    pub(crate) ids: Arc<RequestIds>,
    pub(crate) watches: Watches,
    pub(crate) ticker: Ticker,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) hearing: Hearing,
    pub(crate) timing: Timing,
    pub(crate) buckets: Buckets,
    pub(crate) abroad: Abroad,
    pub(crate) traces: Traces,
    pub(crate) event_bytes_max: usize,
    pub(crate) log: Log,
    pub(crate) access: Access,
}

impl FromRef<Admin> for Access {
    fn from_ref(admin: &Admin) -> Self {
        admin.access.clone()
    }
}

/// A request that the admin side cannot do, as JSON.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    name: Cow<'static, str>,
    message: String,
}

impl Refused {
    fn new(
        status: StatusCode,
        name: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self { status, name: name.into(), message: message.into() }
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let code = self.status.as_u16();
        let body = json!({ "error": self.message, "code": code, "fault": self.name });
        let mut response = (self.status, axum::Json(body)).into_response();
        let advice = match self.status {
            StatusCode::UPGRADE_REQUIRED => {
                upgrade::advise(response.headers_mut());
                None
            }
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer realm=\"picolet\"")),
            StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, "1")),
            StatusCode::TOO_MANY_REQUESTS => Some((RETRY_AFTER, "60")),
            _ => None,
        };
        if let Some((name, value)) = advice {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Everything the admin side answers.
pub(crate) fn router(admin: Admin, body_bytes_max: usize) -> Router {
    let (access, registry) = (admin.access.clone(), pico::routes());
    let (free, guarded) = if access.is_registry_open() {
        let of_pages = from_fn_with_state(access.clone(), access::demand_of_pages);
        (registry.layer(of_pages), guarded(&admin))
    } else {
        (Router::new(), guarded(&admin).merge(registry))
    };
    let guarded = guarded.layer(from_fn_with_state(access.clone(), access::demand));
    // What is added here and not below shows itself to everybody.
    free.merge(guarded)
        .merge(dashboard::routes())
        .route("/healthcheck", get(healthcheck))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .fallback(|uri: ::http::Uri| async move {
            Refused::not_found(format!("there is nothing at {}", uri.path()))
        })
        .method_not_allowed_fallback(|method: ::http::Method, uri: ::http::Uri| async move {
            let message = format!("{} does not take {method}", uri.path());
            Refused::new(StatusCode::METHOD_NOT_ALLOWED, "verb-not-allowed", message)
        })
        .layer(axum::middleware::map_response(rejected::as_refused))
        .layer(from_fn_with_state(access, guard::guard))
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(CatchPanicLayer::custom(|_| {
            let message = "the host could not do it";
            Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message).into_response()
        }))
        .with_state(admin)
}

/// What the token is asked for, where there is one.
fn guarded(admin: &Admin) -> Router<Admin> {
    let event_limit = DefaultBodyLimit::max(admin.event_bytes_max);
    let publish = post(events::publish).layer(event_limit);
    let wire = get(wire::hear).merge(post(events::publish_on_ws).layer(event_limit));
    let session = post(access::begin_session).delete(access::end_session);
    Router::new()
        .route("/admin/v1/session", session)
        .route("/admin/v1/services", get(api::services))
        .route("/admin/v1/services/{name}", get(api::service))
        .route("/admin/v1/services/{name}/limits", patch(change::limits))
        .route("/admin/v1/services/{name}/traffic", patch(change::traffic))
        .route("/admin/v1/services/{name}/rollback", post(change::rollback))
        .route("/admin/v1/services/{name}/restart", post(change::restart))
        .route("/admin/v1/endpoints", get(endpoints::endpoints))
        .route("/admin/v1/events", get(events::hear))
        .route("/admin/v1/events/ws", wire)
        .route("/admin/v1/events/{subject}", publish)
        .route("/admin/v1/graph", get(live::graph))
        .route("/admin/v1/live", get(live::live))
        .route("/admin/v1/logs", get(logs::logs))
        .route("/admin/v1/modules", get(api::modules))
        .route("/admin/v1/modules/{name}", put(modules::deploy).delete(modules::remove))
        .route("/admin/v1/modules/{name}/manifest", put(modules::deploy_manifest))
        .route("/admin/v1/health", get(api::health))
        .route("/admin/v1/call", post(call::call))
        .route("/admin/v1/openapi.json", get(openapi::openapi))
        .route("/admin/v1/traces", get(traces::traces))
        .route("/admin/v1/traces/{trace_id}", get(traces::trace))
        .route("/metrics", get(metrics::metrics))
}

/// For the description of the API.
fn described() -> Paths {
    let health = || {
        let status = word(&["UP", "DOWN"]);
        object(&["status", "records"], json!({ "status": status, "records": count() }))
    };
    let healthcheck = Operation::new("getHealthcheck", "Whether the host is up")
        .answers("it is", health())
        .status(503, "it is going down", as_json(health()));
    let livez = Operation::new("getLivez", "Whether the process answers").answers_text(200, "`ok`");
    let readyz = Operation::new("getReadyz", "Whether the first scan is done")
        .answers_text(200, "`ready`")
        .answers_text(503, "`not ready`: before the first scan, and while the host stops");
    vec![
        ("/healthcheck", path([("get", healthcheck)])),
        ("/livez", path([("get", livez)])),
        ("/readyz", path([("get", readyz)])),
    ]
}

async fn healthcheck(AxumState(admin): AxumState<Admin>) -> Response {
    let (status, word) = if admin.front.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "DOWN")
    } else {
        (StatusCode::OK, "UP")
    };
    let body = json!({ "status": word, "records": admin.registry.len() });
    (status, axum::Json(body)).into_response()
}

async fn readyz(AxumState(admin): AxumState<Admin>) -> Response {
    if admin.desk.is_ready() && !admin.front.is_stopping() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

/// A JSON body, whatever type it says it has; nothing is `None`.
fn parse_body(bytes: &[u8]) -> Result<Option<Value>, Refused> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    serde_json::from_slice(bytes)
        .map(Some)
        .map_err(|error| Refused::bad_request(format!("body is not JSON: {error}")))
}

fn json_response(value: &Value) -> Response {
    let content_type = "application/json; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], value.to_string()).into_response()
}
