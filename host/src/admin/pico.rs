//! The registry's API as pico.js speaks it, mended where it broke.

use super::{Admin, Refused, json_response, parse_body};
use crate::registry::RegistryError;
use ::http::StatusCode;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as AxumState};
use axum::response::Response;
use axum::routing::{get, put};
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/api/services", get(list_all).post(register).delete(delete_nothing))
        .route("/api/services/", get(list_all).post(register))
        .route("/api/services/{key}", get(list))
        .route("/api/services/{key}/{id}", put(update).delete(unregister).get(find))
}

impl From<RegistryError> for Refused {
    fn from(error: RegistryError) -> Self {
        let (status, name) = match &error {
            RegistryError::BadRecord(_) | RegistryError::BadKey(_) => {
                (StatusCode::BAD_REQUEST, "bad-request")
            }
            RegistryError::Unknown { .. } => (StatusCode::NOT_FOUND, "no-such-record"),
            RegistryError::Local(_) => (StatusCode::CONFLICT, "local-record"),
            RegistryError::Full(_) => (StatusCode::INSUFFICIENT_STORAGE, "registry-full"),
        };
        Self::new(status, name, error.to_string())
    }
}

async fn list_all(AxumState(admin): AxumState<Admin>) -> Response {
    json_response(&json!({ "services": admin.registry.list_all() }))
}

async fn list(AxumState(admin): AxumState<Admin>, Path(key): Path<String>) -> Response {
    json_response(&json!({ "services": admin.registry.list(&key) }))
}

async fn find(
    AxumState(admin): AxumState<Admin>,
    Path((key, id)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let record = admin
        .registry
        .find(&key, &id)
        .ok_or_else(|| Refused::not_found(format!("no record {id} under key {key}")))?;
    Ok(json_response(&json!({ "services": [record] })))
}

async fn register(AxumState(admin): AxumState<Admin>, body: Bytes) -> Result<Response, Refused> {
    let (key, record) = parse_registration(&body)?;
    let record = record.ok_or_else(|| Refused::bad_request("body has no member `record`"))?;
    let id = admin.registry.post(key.as_deref(), record)?;
    Ok(json_response(&json!({ "registration": id })))
}

async fn update(
    AxumState(admin): AxumState<Admin>,
    Path((key, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Refused> {
    let (_, record) = parse_registration(&body)?;
    let id = admin.registry.put(&key, &id, record)?;
    Ok(json_response(&json!({ "registration": id })))
}

async fn unregister(
    AxumState(admin): AxumState<Admin>,
    Path((key, id)): Path<(String, String)>,
) -> Result<Response, Refused> {
    admin.registry.delete(&key, &id)?;
    Ok(json_response(&json!({ "registration": id })))
}

async fn delete_nothing() -> Response {
    json_response(&json!({}))
}

/// `{record, keyServices}`. An empty body is neither.
fn parse_registration(body: &[u8]) -> Result<(Option<String>, Option<Value>), Refused> {
    let Some(body) = parse_body(body)? else { return Ok((None, None)) };
    let Value::Object(mut body) = body else {
        return Err(Refused::bad_request("body is not a JSON object with `record`"));
    };
    let key = match body.remove("keyServices") {
        None | Some(Value::Null) => None,
        Some(Value::String(key)) => Some(key),
        Some(_) => return Err(Refused::bad_request("keyServices is not a text")),
    };
    Ok((key, body.remove("record")))
}
