//! OpenAPI 3.1 documents of services, made of what they declare.
//!
//! A path of a document is a route as OpenAPI can say it: `{*rest}` stands there
//! as `{rest}`, and paths that differ in the names of their parameters alone are
//! one. What a module told no schema for is described without one: parameters
//! are texts, bodies anything.

mod components;
mod operation;
mod parameters;

use crate::declaration::Declaration;
use crate::route::{Verb, shape};
use components::Components;
use operation::Described;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The version of the standard.
pub(crate) const OPENAPI: &str = "3.1.0";

/// A service as a document shows it.
pub(crate) struct Shown<'d> {
    /// Of the version that is described.
    pub(crate) declaration: &'d Declaration,
    /// All versions that are live.
    pub(crate) versions: Vec<String>,
}

/// Bytes of schemas in a document of all services. Services beyond are
/// described without theirs.
const SCHEMA_BYTES_MAX: usize = 8 << 20;

/// The document of one service; `server` is the address that it is reached at.
pub(crate) fn of_service(service: &Shown<'_>, server: &str) -> Value {
    let declaration = service.declaration;
    let mut info = json!({
        "title": declaration.name.as_str(),
        "version": declaration.version.to_string(),
    });
    if !declaration.description.is_empty() {
        put(&mut info, "description", declaration.description.as_str().into());
    }
    document(info, server, std::slice::from_ref(service))
}

/// The document of all services.
pub(crate) fn of_all(services: &[Shown<'_>], server: &str) -> Value {
    let info = json!({
        "title": "Services of a Picolet host",
        "version": env!("CARGO_PKG_VERSION"),
    });
    document(info, server, services)
}

/// What a fault is, and an answer that is one.
pub(crate) fn fault_schema() -> Value {
    json!({
        "type": "object",
        "description": "why there is no answer",
        "required": ["error", "code", "fault"],
        "properties": {
            "error": { "type": "string", "description": "a sentence for people" },
            "code": { "type": "integer", "minimum": 400, "maximum": 599 },
            "fault": { "type": "string", "description": "a stable name for programs" },
        },
    })
}

fn document(info: Value, server: &str, services: &[Shown<'_>]) -> Value {
    let (mut paths, mut tags, mut schema_bytes) = (Paths::default(), Vec::new(), 0);
    for service in services {
        let shapes = &service.declaration.shapes;
        schema_bytes += shapes.iter().map(|shape| shape.bytes()).sum::<usize>();
        let has_schemas = schema_bytes <= SCHEMA_BYTES_MAX;
        paths.add(service.declaration, if has_schemas { shapes } else { &[] });
        tags.push(tag(service));
    }
    let Paths { items, components, .. } = paths;
    let mut schemas = Map::from_iter([("Fault".to_owned(), fault_schema())]);
    schemas.extend(components.into_schemas());
    let fault =
        json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Fault" } } });
    let mut document = json!({
        "openapi": OPENAPI,
        "info": {},
        "servers": [{ "url": server }],
        "tags": tags,
        "paths": items,
        "components": {
            "schemas": schemas,
            "responses": { "Fault": { "description": "a fault", "content": fault } },
        },
    });
    put(&mut document, "info", info);
    document
}

fn tag(service: &Shown<'_>) -> Value {
    let declaration = service.declaration;
    let mut tag = json!({ "name": declaration.name.as_str() });
    if !declaration.description.is_empty() {
        put(&mut tag, "description", declaration.description.as_str().into());
    }
    put(&mut tag, "x-picolet-version", declaration.version.to_string().into());
    put(&mut tag, "x-picolet-versions", service.versions.clone().into());
    tag
}

/// The paths of a document as they come together.
#[derive(Default)]
struct Paths {
    items: Map<String, Value>,
    /// The path under which those of a shape stand.
    spelled: BTreeMap<String, String>,
    ids: BTreeSet<String>,
    components: Components,
}

impl Paths {
    fn add(&mut self, declaration: &Declaration, shapes: &[crate::declaration::Shape]) {
        for described in Described::all(declaration, shapes) {
            let path = spell(&described.path);
            let spelled = self.spelled.entry(shape(&path)).or_insert(path).clone();
            for verb in verbs(described.verb) {
                let id = self.new_id(&described, verb);
                let operation = described.operation(&id, &spelled, verb, &mut self.components);
                let item = self.items.entry(spelled.as_str()).or_insert_with(|| json!({}));
                place(item, verb, operation);
            }
        }
    }

    /// What an operation is known by: service and method, as callers by name
    /// write it, and where a method takes every verb, that.
    fn new_id(&mut self, described: &Described<'_>, verb: &str) -> String {
        let mut id = format!("{}.{}", described.service(), described.name);
        if described.verb == Verb::Any {
            id = format!("{id}.{verb}");
        }
        // Names have dots, so two of them may read the same.
        while !self.ids.insert(id.clone()) {
            id.push('_');
        }
        id
    }
}

/// Puts an operation among those of its path. Where OpenAPI cannot tell two
/// routes apart, as `/{*rest}` and `/{id}`, the first one is described and the
/// other one named.
fn place(item: &mut Value, verb: &str, operation: Value) {
    let Some(members) = item.as_object_mut() else { return };
    if !members.contains_key(verb) {
        members.insert(verb.to_owned(), operation);
        return;
    }
    let hidden = operation.get("operationId").cloned().unwrap_or_default();
    let also = members.entry("x-picolet-also").or_insert_with(|| json!([]));
    if let Some(also) = also.as_array_mut() {
        also.push(hidden);
    }
}

/// The verbs of a method, as a path item has them.
fn verbs(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::Get => &["get"],
        Verb::Post => &["post"],
        Verb::Put => &["put"],
        Verb::Patch => &["patch"],
        Verb::Delete => &["delete"],
        Verb::Any => &["get", "post", "put", "patch", "delete"],
    }
}

/// A route as OpenAPI writes it.
fn spell(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { path.replace("{*", "{") }
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
