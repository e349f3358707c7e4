//! `picolet inspect`: what a module declares, imports and is bounded by.

use super::args::InspectArgs;
use super::{Failure, print};
use crate::declaration::{Method, Subscribed, Timer, WebSocket};
use crate::engine::World;
use crate::loader::{Inspection, inspect as load};
use crate::secret::Environment;
use crate::telemetry::printable;
use serde_json::json;

pub(super) fn inspect(args: &InspectArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::failed)?;
    let program = std::env::current_exe().map_err(Failure::failed)?;
    let environment = Environment::new(std::env::vars());
    let inspection =
        runtime.block_on(load(&args.file, program, environment)).map_err(|refusal| {
            Failure::Failed(format!("{} is refused: {refusal}", args.file.display()))
        })?;
    if args.json {
        print_json(&inspection);
    } else {
        print_text(&inspection);
    }
    Ok(())
}

fn world(inspection: &Inspection) -> &'static str {
    match inspection.world {
        World::Picolet => "picolet:service@1",
        World::WasiHttp2 => "wasi:http@0.2",
        World::WasiHttp3 => "wasi:http@0.3",
    }
}

fn print_json(inspection: &Inspection) {
    let service = &inspection.service;
    let declaration = &service.declaration;
    let methods: Vec<_> = declaration.methods.iter().map(Method::record).collect();
    let view = json!({
        "name": declaration.name,
        "version": declaration.version.to_string(),
        "root": declaration.root,
        "description": declaration.description,
        "world": world(inspection),
        "digest": service.digest.whole(),
        "bytes": inspection.bytes,
        "methods": methods,
        "subscriptions": declaration.subscriptions.iter().map(|subscribed| json!({
            "name": subscribed.name,
            "subject": subscribed.to.pattern.to_string(),
            "group": subscribed.to.group,
        })).collect::<Vec<_>>(),
        "websockets": declaration.websockets.iter().map(|websocket| json!({
            "name": websocket.name,
            "path": format!("{}{}", declaration.root, websocket.pattern),
            "protocols": websocket.protocols,
        })).collect::<Vec<_>>(),
        "timers": declaration.timers.iter().map(|timer| json!({
            "name": timer.name,
            "schedule": timer.schedule.to_string(),
            "overlap": timer.overlap,
        })).collect::<Vec<_>>(),
        "starts": declaration.starts,
        "stops": declaration.stops,
        "imports": inspection.imports,
        "isolation": service.manifest.isolation,
        "limits": service.limits(),
    });
    print(&view.to_string());
}

fn print_text(inspection: &Inspection) {
    let service = &inspection.service;
    let declaration = &service.declaration;
    let root = if declaration.root.is_empty() { "/" } else { &declaration.root };
    print(&format!("{} {} at {root}", declaration.name, declaration.version));
    if !declaration.description.is_empty() {
        print(&printable(&declaration.description));
    }
    print(&format!("world: {}, {} bytes, {}", world(inspection), inspection.bytes, service.digest));
    print("methods:");
    for method in &declaration.methods {
        let path = declaration.path(method);
        print(&format!("  {} {} {path}", method.name, method.verb.as_str()));
    }
    if !declaration.websockets.is_empty() {
        print("websockets:");
    }
    for WebSocket { name, pattern, .. } in &declaration.websockets {
        print(&format!("  {name} {}{pattern}", declaration.root));
    }
    if !declaration.subscriptions.is_empty() {
        print("hears:");
    }
    for Subscribed { name, to, .. } in &declaration.subscriptions {
        let group = to.group.as_ref().map(|group| format!(" in group {group}"));
        print(&format!("  {name} {}{}", to.pattern, group.unwrap_or_default()));
    }
    if !declaration.timers.is_empty() {
        print("timers:");
    }
    for Timer { name, schedule, .. } in &declaration.timers {
        print(&format!("  {name} {schedule}"));
    }
    print("imports:");
    for import in &inspection.imports {
        print(&format!("  {import}"));
    }
    let limits = serde_json::to_value(service.limits()).unwrap_or_default();
    print("limits:");
    for (name, value) in limits.as_object().into_iter().flatten() {
        print(&format!("  {name}: {value}"));
    }
}
