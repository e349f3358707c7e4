//! What the host says about itself: services, modules, health.

use super::{Admin, Refused};
use crate::declaration::Method;
use crate::engine::Tier;
use crate::limits::{CONCURRENCY, ModuleLimits};
use crate::loader::ModuleView;
use crate::manifest::Isolation;
use crate::pool::Service;
use crate::record::RecordMethod;
use axum::Json;
use axum::extract::{Path, State as AxumState};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::atomic::Ordering::Relaxed;

/// A live service.
#[derive(Serialize)]
pub(super) struct ServiceView {
    name: String,
    version: String,
    root: String,
    module: String,
    digest: String,
    tier: Tier,
    key: String,
    registration: String,
    methods: usize,
    calls: u64,
    faults: u64,
    running: usize,
    waiting: usize,
    idle_instances: usize,
}

/// A live service with everything known of it.
#[derive(Serialize)]
pub(super) struct ServiceDetail {
    #[serde(flatten)]
    summary: ServiceView,
    description: String,
    isolation: Isolation,
    limits: ModuleLimits,
    routes: Vec<RecordMethod>,
    metadata: serde_json::Map<String, Value>,
}

impl ServiceView {
    fn of(service: &Service) -> Self {
        let (running, waiting) = service.load();
        let declaration = &service.declaration;
        Self {
            name: declaration.name.to_string(),
            version: declaration.version.to_string(),
            root: declaration.root.clone(),
            module: format!("{}.wasm", service.module),
            digest: format!("sha256:{}", service.digest.hex()),
            tier: service.tier,
            key: service.manifest.key.to_string(),
            registration: service.registration.clone(),
            methods: declaration.methods.len(),
            calls: service.counts.calls.load(Relaxed),
            faults: service.counts.faults.load(Relaxed),
            running,
            waiting,
            idle_instances: service.idle(),
        }
    }
}

pub(super) async fn services(AxumState(admin): AxumState<Admin>) -> Json<Value> {
    let live = admin.live.take();
    let services: Vec<ServiceView> =
        live.services().map(|service| ServiceView::of(service)).collect();
    let refused: Vec<ModuleView> =
        admin.desk.modules().iter().filter(|module| module.refusal.is_some()).cloned().collect();
    let external = external(&admin);
    Json(json!({ "services": services, "external": external, "refused": refused }))
}

/// Records of others, by key.
fn external(admin: &Admin) -> Value {
    let mut all = admin.registry.list_all();
    for list in all.values_mut() {
        if let Value::Array(records) = list {
            records.retain(|record| record.pointer("/metadata/kind") != Some(&json!("wasm")));
        }
    }
    all.retain(|_, list| list.as_array().is_some_and(|records| !records.is_empty()));
    Value::Object(all)
}

pub(super) async fn service(
    AxumState(admin): AxumState<Admin>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refused> {
    let live = admin.live.take();
    let Some(service) = live.find(&name) else {
        let records: Vec<Value> = admin
            .registry
            .list_all()
            .into_iter()
            .flat_map(|(_, list)| list.as_array().cloned().unwrap_or_default())
            .filter(|record| record.get("name") == Some(&json!(name)))
            .collect();
        if records.is_empty() {
            return Err(Refused::not_found(format!("no such service: {name}")));
        }
        return Ok(Json(json!({ "name": name, "records": records })));
    };
    let detail = ServiceDetail {
        summary: ServiceView::of(service),
        description: service.declaration.description.clone(),
        isolation: service.manifest.isolation,
        limits: service.limits_now(),
        routes: service.declaration.methods.iter().map(Method::record).collect(),
        metadata: crate::declaration::metadata_object(&service.declaration.metadata),
    };
    Ok(Json(serde_json::to_value(detail).unwrap_or_default()))
}

/// What can be changed of a service while it runs.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    concurrency: u64,
}

/// Changes limits of the live revision; the next one has what its manifest
/// says.
pub(super) async fn change_limits(
    AxumState(admin): AxumState<Admin>,
    Path(name): Path<String>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Refused> {
    let change = super::parse_body(&body)?.unwrap_or_default();
    let Change { concurrency } = serde_json::from_value(change)
        .map_err(|error| Refused::bad_request(format!("limits: {error}")))?;
    if !CONCURRENCY.contains(&concurrency) {
        let (min, max) = (CONCURRENCY.start(), CONCURRENCY.end());
        let message = format!("concurrency is {concurrency}, want {min} to {max}");
        return Err(Refused::bad_request(message));
    }
    let live = admin.live.take();
    let service =
        live.find(&name).ok_or_else(|| Refused::not_found(format!("no such service: {name}")))?;
    service.set_concurrency(usize::try_from(concurrency).unwrap_or(usize::MAX));
    tracing::info!(service = name, concurrency, "limit changed");
    Ok(Json(json!({ "concurrency": concurrency })))
}

pub(super) async fn modules(AxumState(admin): AxumState<Admin>) -> Json<Value> {
    Json(json!({ "modules": *admin.desk.modules() }))
}

pub(super) async fn health(AxumState(admin): AxumState<Admin>) -> Json<Value> {
    let modules = admin.desk.modules();
    let refused = modules.iter().filter(|module| module.refusal.is_some()).count();
    let status = if admin.front.is_stopping() { "DOWN" } else { "UP" };
    Json(json!({
        "status": status,
        "ready": admin.desk.is_ready(),
        "services": admin.live.take().services().count(),
        "modules": modules.len(),
        "refused": refused,
        "records": admin.registry.len(),
        "requests": admin.front.requests(),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

pub(super) async fn openapi() -> Json<Value> {
    let get = |summary: &str| json!({ "get": { "summary": summary, "responses": { "200": { "description": "JSON" } } } });
    let service = json!({ "get": {
        "summary": "One service: methods, limits, figures",
        "parameters": [
            { "name": "name", "in": "path", "required": true, "schema": { "type": "string" } },
        ],
        "responses": {
            "200": { "description": "JSON" },
            "404": { "description": "no such service" },
        },
    } });
    let limits = json!({ "patch": {
        "summary": "Changes limits of the live revision",
        "parameters": [
            { "name": "name", "in": "path", "required": true, "schema": { "type": "string" } },
        ],
        "requestBody": { "required": true, "content": { "application/json": { "schema": {
            "type": "object", "required": ["concurrency"], "properties": { "concurrency": {
                "type": "integer", "minimum": CONCURRENCY.start(), "maximum": CONCURRENCY.end(),
            } } } } } },
        "responses": {
            "200": { "description": "the limits that hold from now on" },
            "400": { "description": "a value that is not possible" },
            "404": { "description": "no such service" },
        },
    } });
    let call = json!({ "post": {
        "summary": "Calls a method of a service, as the command line does",
        "requestBody": { "required": true, "content": { "application/json": { "schema": {
            "type": "object", "required": ["target"], "properties": {
                "target": { "type": "string", "description": "NAME.METHOD" },
                "args": { "type": "array", "items": { "type": "string" } },
                "data": { "type": "object" },
                "options": { "type": "object", "additionalProperties": { "type": "string" } },
            } } } } },
        "responses": {
            "200": { "description": "the answer of the method, of whatever type" },
            "default": { "description": "the status and body of the method, or a fault" },
        },
    } });
    Json(json!({
        "openapi": "3.1.0",
        "info": { "title": "Picolet admin API", "version": env!("CARGO_PKG_VERSION") },
        "paths": {
            "/admin/v1/services": get("Live services, external records, refusals"),
            "/admin/v1/services/{name}": service,
            "/admin/v1/services/{name}/limits": limits,
            "/admin/v1/endpoints": super::endpoints::described(),
            "/admin/v1/modules": get("Every module of the folder, with its revisions"),
            "/admin/v1/health": get("How the host fares"),
            "/admin/v1/call": call,
        },
    }))
}
