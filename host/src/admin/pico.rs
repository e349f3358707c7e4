//! The registry's API as pico.js speaks it, mended where it broke.

use super::described::{
    Operation, Paths, array, as_json, by_name, in_path, name, named, object, path, text, word,
};
use super::{Admin, Refused, json_response, parse_body};
use crate::registry::RegistryError;
use ::http::StatusCode;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as AxumState};
use axum::response::Response;
use axum::routing::{get, put};
use serde_json::{Map, Value, json};

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

/// For the description of the API.
pub(super) fn described() -> Paths {
    let listed = || object(&["services"], json!({ "services": array(named("Record")) }));
    let registered = || object(&["registration"], json!({ "registration": text() }));
    let key = || in_path("key", "a registry key", text());
    let all = |id: &str| {
        let by_key = by_name(array(named("Record")));
        Operation::new(id, "All records, by key")
            .answers("records by key", object(&["services"], json!({ "services": by_key })))
    };
    let register = |id: &str| {
        Operation::new(id, "Registers a service; the same registration again replaces it")
            .body(named("Registration"))
            .answers("the registration", registered())
            .refuses(409, "the registration is that of a service of this host")
            .refuses(507, "the registry is full")
    };
    let nothing = Operation::new("removeNothing", "Does nothing: clients end with it")
        .answers("nothing", json!({ "type": "object" }));
    let of_key = Operation::new("listRecords", "The records of one key; an unknown one has none")
        .takes(key())
        .answers("records", listed());
    let id = || in_path("id", "a registration", text());
    let find = Operation::new("findRecord", "One record")
        .takes(key())
        .takes(id())
        .answers("the record, alone in a list", listed())
        .refuses(404, "no such record");
    let update = Operation::new("updateRecord", "A heartbeat, and with a record an update")
        .takes(key())
        .takes(in_path("id", "a registration", registration()))
        .body_of(false, as_json(named("Update")))
        .answers("the registration", registered())
        .refuses(404, "no such record: register again")
        .refuses(409, "a service of this host");
    let remove = Operation::new("removeRecord", "Takes a record out, known or not")
        .takes(key())
        .takes(id())
        .answers("the registration", registered())
        .refuses(409, "a service of this host");
    let (all_here, register_here) = (all("listAllRecords"), register("register"));
    let (all_there, register_there) = (all("listAllRecordsToo"), register("registerToo"));
    vec![
        ("/api/services", path([("get", all_here), ("post", register_here), ("delete", nothing)])),
        ("/api/services/", path([("get", all_there), ("post", register_there)])),
        ("/api/services/{key}", path([("get", of_key)])),
        ("/api/services/{key}/{id}", path([("get", find), ("put", update), ("delete", remove)])),
    ]
}

/// Any text of 1 to 256 bytes without control characters.
fn registration() -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": 256,
        "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
    })
}

/// What the descriptions above name.
pub(super) fn schemas() -> Map<String, Value> {
    let or_null = |schema: Value| json!({ "anyOf": [schema, { "type": "null" }] });
    let method = object(
        &["name", "type"],
        json!({
            "name": text(),
            "type": { "type": "string", "description": "the verb" },
            "path": { "type": "string", "description": "what stands before the first parameter" },
            "pattern": or_null(text()),
            "params": or_null(array(text())),
            "idempotent": { "type": "boolean" },
            "timeout_ms": or_null(json!({
                "type": "integer", "minimum": 0, "maximum": u64::MAX,
            })),
        }),
    );
    let sent = json!({
        "name": {
            "type": "string", "minLength": 1, "maxLength": 128,
            "pattern": "^\\.*[A-Za-z0-9_-][A-Za-z0-9._-]*\\*?$",
            "description": "with a * at its end it stands for every name that begins so",
        },
        "domain": {
            "type": "string",
            "pattern": "^https?://[A-Za-z0-9]([A-Za-z0-9-]{0,62}\\.){0,3}[A-Za-z0-9]{0,62}(:[0-9]{1,4})?/?$",
        },
        "root": { "anyOf": [{ "const": "" }, { "type": "string", "pattern": "^/" }] },
        "methods": array(method.clone()),
        "metadata": or_null(json!({ "type": "object" })),
        "registration": or_null(registration()),
    });
    let date = json!({ "creation": text(), "lastUpdate": text() });
    let record = object(
        &["name", "domain", "root", "methods", "metadata", "registration", "date", "status"],
        json!({
            "name": text(),
            "domain": text(),
            "root": text(),
            "methods": array(method),
            "metadata": { "type": "object" },
            "registration": text(),
            "date": object(&["creation", "lastUpdate"], date),
            "status": word(&["UP", "DOWN"]),
            "reason": text(),
        }),
    );
    let new = object(&["name", "domain"], sent);
    let registration = json!({ "record": named("NewRecord"), "keyServices": or_null(name()) });
    let update = json!({ "record": named("NewRecord"), "keyServices": or_null(text()) });
    Map::from_iter([
        ("Record".to_owned(), record),
        ("NewRecord".to_owned(), new),
        ("Registration".to_owned(), object(&["record"], registration)),
        ("Update".to_owned(), object(&[], update)),
    ])
}
