//! The admin API as OpenAPI 3.1.

use crate::limits::CONCURRENCY;
use crate::traffic::WEIGHTS;
use axum::Json;
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// What every request to one service takes.
fn parameters() -> Value {
    let version = "which version is meant, where several are live";
    json!([
        { "name": "name", "in": "path", "required": true, "schema": { "type": "string" } },
        { "name": "version", "in": "query", "description": version, "schema": { "type": "string" } },
    ])
}

/// A request that changes one number of a live version.
fn change(summary: &str, key: &str, range: &RangeInclusive<u64>) -> Value {
    let (min, max) = (range.start(), range.end());
    json!({ "patch": {
        "summary": summary,
        "parameters": parameters(),
        "requestBody": { "required": true, "content": { "application/json": { "schema": {
            "type": "object", "required": [key], "properties": {
                (key): { "type": "integer", "minimum": min, "maximum": max },
            } } } } },
        "responses": {
            "200": { "description": "what holds from now on" },
            "400": { "description": "a value that is not possible" },
            "404": { "description": "no such service or version" },
            "409": { "description": "several versions, and none was named" },
        },
    } })
}

pub(super) async fn openapi() -> Json<Value> {
    let get = |summary: &str| json!({ "get": { "summary": summary, "responses": { "200": { "description": "JSON" } } } });
    let service = json!({ "get": {
        "summary": "One version of a service: methods, limits, figures",
        "parameters": parameters(),
        "responses": {
            "200": { "description": "JSON" },
            "404": { "description": "no such service or version" },
            "409": { "description": "several versions, and none was named" },
        },
    } });
    let limits = change("Changes limits of a live revision", "concurrency", &CONCURRENCY);
    let traffic = change("Changes what a live version weighs beside others", "traffic", &WEIGHTS);
    let rollback = json!({ "post": {
        "summary": "Brings back the revision before, until the file's content changes",
        "parameters": parameters(),
        "responses": {
            "200": { "description": "from what and to what it went back" },
            "404": { "description": "no such service or version" },
            "409": { "description": "it cannot be done: the text says why" },
            "410": { "description": "the revision before is no longer kept" },
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
            "/admin/v1/services/{name}/traffic": traffic,
            "/admin/v1/services/{name}/rollback": rollback,
            "/admin/v1/endpoints": super::endpoints::described(),
            "/admin/v1/events": super::events::hearing_described(),
            "/admin/v1/events/ws": super::wire::described(),
            "/admin/v1/events/{subject}": super::events::publishing_described(),
            "/admin/v1/modules": get("Every module of the folder, with its revisions"),
            "/admin/v1/health": get("How the host fares"),
            "/admin/v1/call": call,
        },
    }))
}
