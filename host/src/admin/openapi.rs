//! The admin API as OpenAPI 3.1, made of what its routes say of themselves.

use super::described::{Door, Operation, Paths, complete, path};
use super::{
    access, api, call, change, endpoints, events, live, logs, metrics, modules, pico, traces, wire,
};
use crate::openapi::{OPENAPI, fault_schema};
use axum::Json;
use serde_json::{Map, Value, json};

/// What anybody may ask, token or not.
const FREE: [&str; 3] = ["/healthcheck", "/livez", "/readyz"];

/// Every route of the admin side.
fn paths() -> Paths {
    let all = [
        pico::described(),
        api::described(),
        change::described(),
        endpoints::described(),
        events::described(),
        wire::described(),
        logs::described(),
        traces::described(),
        live::described(),
        modules::described(),
        access::described(),
        call::described(),
        metrics::described(),
        super::described(),
        described(),
    ];
    all.into_iter().flatten().collect()
}

pub(super) async fn openapi() -> Json<Value> {
    Json(document())
}

fn document() -> Value {
    let item = |(path, mut item): (&str, Value)| {
        let door = if FREE.contains(&path) { Door::Free } else { Door::Guarded };
        complete(&mut item, door);
        (path.to_owned(), item)
    };
    let paths: Map<String, Value> = paths().into_iter().map(item).collect();
    let mut schemas = Map::from_iter([("Refusal".to_owned(), fault_schema())]);
    schemas.extend(pico::schemas());
    schemas.extend(api::schemas());
    schemas.extend(logs::schemas());
    json!({
        "openapi": OPENAPI,
        "info": {
            "title": "Picolet admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Health, metrics, the registry, and what the host says and changes. \
                            A verb that a path does not take is 405 with Allow.",
        },
        "servers": [{ "url": "/" }],
        // Nothing is asked where the host has no token.
        "security": [{ "token": [] }, {}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn described() -> Paths {
    let itself = Operation::new("getDescription", "This document")
        .answers("OpenAPI 3.1", json!({ "type": "object" }));
    vec![("/admin/v1/openapi.json", path([("get", itself)]))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_has_an_id_of_its_own_and_every_parameter_a_place() {
        let document = document();
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (verb, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                assert!(ids.insert(id), "{verb} {path}");
                let in_path: BTreeSet<String> = operation["parameters"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|parameter| parameter["in"] == "path")
                    .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
                    .collect();
                let named: BTreeSet<String> = path
                    .split('/')
                    .filter(|segment| segment.starts_with('{'))
                    .map(str::to_owned)
                    .collect();
                assert_eq!(in_path, named, "{verb} {path}");
                assert!(!operation["responses"].as_object().unwrap().is_empty(), "{verb} {path}");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        for found in text.split("\"$ref\":\"#").skip(1) {
            let pointer = found.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
