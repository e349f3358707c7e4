//! What the host says about itself: services, modules, health.

use super::change::{Which, of_one};
use super::described::{
    Operation, Paths, array, by_name, count, flag, named, object, path, text, word,
};
use super::inside::{self, Inside};
use super::{Admin, Refused};
use crate::declaration::{Declaration, Method, Subscribed, WebSocket};
use crate::engine::Tier;
use crate::hearing::ListenerView;
use crate::limits::ModuleLimits;
use crate::live::{Unnamed, one};
use crate::loader::ModuleView;
use crate::manifest::Isolation;
use crate::pool::Service;
use crate::record::RecordMethod;
use crate::timing::TimerView;
use axum::Json;
use axum::extract::{Path, State as AxumState};
use serde::Serialize;
use serde_json::{Map, Value, json};
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
    /// What it weighs beside other versions.
    traffic: u32,
    /// Why it was taken out of traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<String>,
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
    subscriptions: Vec<SubscriptionView>,
    /// How it hears events; all its versions together.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<ListenerView>,
    websockets: Vec<WebSocketView>,
    /// Those of all its versions.
    timers: Vec<TimerView>,
    metadata: Map<String, Value>,
    #[serde(flatten)]
    inside: Inside,
}

/// What a service wants to hear.
#[derive(Serialize)]
struct SubscriptionView {
    name: String,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    description: String,
}

/// A place where WebSockets are opened.
#[derive(Serialize)]
struct WebSocketView {
    name: String,
    /// The whole path.
    path: String,
    protocols: Vec<String>,
    description: String,
}

impl WebSocketView {
    fn all(declaration: &Declaration) -> Vec<Self> {
        let view = |websocket: &WebSocket| Self {
            name: websocket.name.to_string(),
            path: format!("{}{}", declaration.root, websocket.pattern),
            protocols: websocket.protocols.clone(),
            description: websocket.description.clone(),
        };
        declaration.websockets.iter().map(view).collect()
    }
}

impl SubscriptionView {
    fn of(subscribed: &Subscribed) -> Self {
        Self {
            name: subscribed.name.to_string(),
            subject: subscribed.to.pattern.to_string(),
            group: subscribed.to.group.as_ref().map(ToString::to_string),
            description: subscribed.description.clone(),
        }
    }
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
            digest: service.digest.whole(),
            tier: service.tier,
            key: service.manifest.key.to_string(),
            registration: service.registration.clone(),
            traffic: service.traffic(),
            withdrawn: service.withdrawn().map(str::to_owned),
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
    let pinned: Vec<ModuleView> =
        admin.desk.modules().iter().filter(|module| module.pinned.is_some()).cloned().collect();
    let external = admin.registry.list_outside();
    Json(json!({
        "services": services, "external": external, "refused": refused, "pinned": pinned,
    }))
}

pub(super) async fn service(
    AxumState(admin): AxumState<Admin>,
    Path(name): Path<String>,
    which: Which,
) -> Result<Json<Value>, Refused> {
    let live = admin.live.take();
    let service = match one(live.services(), &name, which.version.as_deref()) {
        Ok(service) => service,
        Err(Unnamed::NoService { name }) => return records(&admin, &name),
        Err(unnamed) => return Err(unnamed.into()),
    };
    let detail = ServiceDetail {
        summary: ServiceView::of(service),
        description: service.declaration.description.clone(),
        isolation: service.manifest.isolation,
        limits: service.limits_now(),
        routes: service.declaration.methods.iter().map(Method::record).collect(),
        subscriptions: service.declaration.subscriptions.iter().map(SubscriptionView::of).collect(),
        events: admin.hearing.view(&service.declaration.name),
        websockets: WebSocketView::all(&service.declaration),
        timers: admin.timing.view(&service.declaration.name),
        metadata: crate::declaration::metadata_object(&service.declaration.metadata),
        inside: Inside::of(service),
    };
    Ok(Json(serde_json::to_value(detail).unwrap_or_default()))
}

/// The records of a service that is not of this host.
fn records(admin: &Admin, name: &str) -> Result<Json<Value>, Refused> {
    let records: Vec<Value> = admin
        .registry
        .list_outside()
        .into_iter()
        .flat_map(|(_, list)| list.as_array().cloned().unwrap_or_default())
        .filter(|record| record.get("name") == Some(&json!(name)))
        .collect();
    if records.is_empty() {
        return Err(Refused::not_found(format!("no such service: {name}")));
    }
    Ok(Json(json!({ "name": name, "records": records })))
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

/// For the description of the API.
pub(super) fn described() -> Paths {
    let all = json!({
        "services": array(named("Service")),
        "external": by_name(array(named("Record"))),
        "refused": array(named("Module")),
        "pinned": array(named("Module")),
    });
    let all = object(&["services", "external", "refused", "pinned"], all);
    let services = Operation::new("listServices", "Live services, external records, refusals")
        .answers("all of them", all);
    let records =
        object(&["name", "records"], json!({ "name": text(), "records": array(named("Record")) }));
    let one = json!({ "anyOf": [named("ServiceDetail"), records] });
    let service = of_one(Operation::new("getService", "One version of a service, and all of it"))
        .answers("a service of this host, or the records of one that is elsewhere", one);
    let modules = Operation::new("listModules", "Every module of the folder, with its revisions")
        .answers("modules", object(&["modules"], json!({ "modules": array(named("Module")) })));
    let fares = json!({
        "status": word(&["UP", "DOWN"]),
        "ready": flag(),
        "services": count(),
        "modules": count(),
        "refused": count(),
        "records": count(),
        "requests": count(),
        "version": text(),
    });
    let health = Operation::new("getHealth", "How the host fares")
        .answers("figures", object(&["status", "ready", "version"], fares));
    vec![
        ("/admin/v1/services", path([("get", services)])),
        ("/admin/v1/services/{name}", path([("get", service)])),
        ("/admin/v1/modules", path([("get", modules)])),
        ("/admin/v1/health", path([("get", health)])),
    ]
}

/// What the descriptions above name.
pub(super) fn schemas() -> Map<String, Value> {
    let tier = || word(&["baseline", "optimized"]);
    let service = object(
        &["name", "version", "root", "module", "digest", "tier", "key", "registration", "traffic"],
        json!({
            "name": text(),
            "version": text(),
            "root": text(),
            "module": text(),
            "digest": text(),
            "tier": tier(),
            "key": text(),
            "registration": text(),
            "traffic": count(),
            "withdrawn": { "type": "string", "description": "why it was taken out of traffic" },
            "methods": count(),
            "calls": count(),
            "faults": count(),
            "running": count(),
            "waiting": count(),
            "idle_instances": count(),
        }),
    );
    let revision = json!({
        "service": text(),
        "version": text(),
        "digest": text(),
        "tier": tier(),
        "load_ms": count(),
        "live_since": { "type": "number", "description": "seconds since 1970" },
    });
    let module = json!({
        "file": text(),
        "state": word(&["serving", "loading", "refused"]),
        "refusal": text(),
        "pinned": text(),
        "revisions": array(object(&["service", "version", "digest"], revision)),
    });
    Map::from_iter([
        ("Service".to_owned(), service),
        ("ServiceDetail".to_owned(), json!({ "allOf": [named("Service"), detail()] })),
        ("Module".to_owned(), object(&["file", "state", "revisions"], module)),
    ])
}

/// What a [`ServiceDetail`] has beside its summary.
fn detail() -> Value {
    object(
        &[
            "description",
            "isolation",
            "limits",
            "routes",
            "subscriptions",
            "websockets",
            "timers",
            "metadata",
            "figures",
            "config",
            "grants",
        ],
        json!({
            "description": text(),
            "isolation": word(&["kept", "call"]),
            "limits": { "type": "object" },
            "routes": array(json!({ "type": "object" })),
            "subscriptions": array(json!({ "type": "object" })),
            "events": { "type": "object" },
            "websockets": array(json!({ "type": "object" })),
            "timers": array(json!({ "type": "object" })),
            "metadata": { "type": "object" },
            "figures": array(inside::figures_described()),
            "config": inside::config_described(),
            "grants": inside::grants_described(),
        }),
    )
}
