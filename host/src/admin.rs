//! The admin side: the registry's API, health, metrics, and what the host has
//! to say about itself.

mod api;
mod call;
mod change;
mod endpoints;
mod events;
mod guard;
mod metrics;
mod openapi;
mod pico;
mod wire;

pub(crate) use endpoints::Watches;

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
use crate::timing::Timing;
use crate::upgrade;
use ::http::StatusCode;
use ::http::header::CONTENT_TYPE;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::State as AxumState;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
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
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) hearing: Hearing,
    pub(crate) timing: Timing,
    pub(crate) buckets: Buckets,
    pub(crate) abroad: Abroad,
    pub(crate) event_bytes_max: usize,
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
        if self.status == StatusCode::UPGRADE_REQUIRED {
            upgrade::advise(response.headers_mut());
        }
        response
    }
}

/// Everything the admin side answers.
pub(crate) fn router(admin: Admin, body_bytes_max: usize) -> Router {
    let event_limit = DefaultBodyLimit::max(admin.event_bytes_max);
    let publish = post(events::publish).layer(event_limit);
    let wire = get(wire::hear).merge(post(events::publish_on_ws).layer(event_limit));
    Router::new()
        .merge(pico::routes())
        .route("/admin/v1/services", get(api::services))
        .route("/admin/v1/services/{name}", get(api::service))
        .route("/admin/v1/services/{name}/limits", patch(change::limits))
        .route("/admin/v1/services/{name}/traffic", patch(change::traffic))
        .route("/admin/v1/services/{name}/rollback", post(change::rollback))
        .route("/admin/v1/endpoints", get(endpoints::endpoints))
        .route("/admin/v1/events", get(events::hear))
        .route("/admin/v1/events/ws", wire)
        .route("/admin/v1/events/{subject}", publish)
        .route("/admin/v1/modules", get(api::modules))
        .route("/admin/v1/health", get(api::health))
        .route("/admin/v1/call", post(call::call))
        .route("/admin/v1/openapi.json", get(openapi::openapi))
        .route("/metrics", get(metrics::metrics))
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
        .layer(axum::middleware::from_fn(guard::guard))
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(CatchPanicLayer::custom(|_| {
            let message = "the host could not do it";
            Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message).into_response()
        }))
        .with_state(admin)
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
