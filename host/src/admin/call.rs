//! Calls a method for somebody outside: the command line's `call`.

use super::described::{Operation, Paths, array, by_name, path, text};
use super::rejected::PassedOn;
use super::{Admin, Refused, parse_body};
use crate::call::{Answer, AnswerBody, CallTarget, Deed, End, OutgoingCall, RequestId};
use crate::fault::Fault;
use crate::order::{fill, split_target};
use crate::record::{Record, Status};
use crate::travel::{self, FAULT, REQUEST_ID, TRACEPARENT};
use ::http::header::{CONTENT_TYPE, RETRY_AFTER};
use ::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::body::{Body, Bytes};
use axum::extract::State as AxumState;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;

/// What to call, and with what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// `NAME.METHOD`.
    target: String,
    /// Path parameters in order.
    #[serde(default)]
    args: Vec<String>,
    /// Members fill path parameters by name; the rest is query or body.
    #[serde(default)]
    data: Option<Value>,
    #[serde(default)]
    options: BTreeMap<String, Values>,
}

/// What an option is given: one value, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

impl Values {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Several(values) => values,
        }
    }
}

/// For the description of the API.
pub(super) fn described() -> Paths {
    let several = array(text());
    let order = json!({
        "type": "object",
        "required": ["target"],
        "additionalProperties": false,
        "properties": {
            "target": { "type": "string", "description": "NAME.METHOD" },
            "args": { "description": "path parameters in order", "type": "array", "items": text() },
            "data": { "description": "members fill path parameters, the rest is query or body" },
            "options": by_name(json!({ "anyOf": [text(), several] })),
        },
    });
    let summary = "Calls a method of a service, as the command line does";
    let call = Operation::new("callMethod", summary)
        .body(order)
        .status(200, "the answer of the method, of whatever type", json!({ "*/*": {} }))
        .otherwise("the status and body of the method, or a fault", json!({ "*/*": {} }))
        .status(400, "an order that is none, or the answer of the method", json!({ "*/*": {} }));
    vec![("/admin/v1/call", path([("post", call)]))]
}

pub(super) async fn call(
    AxumState(admin): AxumState<Admin>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let order = parse_body(&body)?.ok_or_else(|| Refused::bad_request("body is empty"))?;
    let order: Order = serde_json::from_value(order)
        .map_err(|error| Refused::bad_request(format!("order: {error}")))?;
    let key = order.options.get("key").and_then(|key| key.as_slice().last());
    let key = key.map_or("default", String::as_str);
    let records = admin.registry.entries(key);
    let names = records.iter().map(|(record, _)| record.name.as_str());
    let Some((service, method)) = split_target(&order.target, names) else {
        return Err(unnamed(&records, &order.target));
    };
    let known = of(&records, service).find_map(|record| record.method(method));
    let Some(known) = known else {
        let methods = methods(&records, service).unwrap_or_default();
        let text = format!("service {service} has no method {method}; {methods}");
        let refused = Refused::new(StatusCode::NOT_FOUND, "no-such-method", text);
        return Ok(([(FAULT, "no-such-method")], refused).into_response());
    };
    let filled = fill(known, order.args, order.data).map_err(Refused::bad_request)?;
    let outgoing = OutgoingCall {
        service: service.to_owned(),
        options: options(&order.options),
        timeout: None,
        target: CallTarget::Method {
            name: method.to_owned(),
            params: filled.params,
            query: filled.query,
        },
        headers: filled.headers,
        body: filled.body,
    };
    let mut context = travel::read(&headers, &admin.ids);
    let deed = || Deed::Request { verb: Method::POST, path: Some(&"/admin/v1/call") };
    let open = admin.traces.begin(&mut context, Instant::now(), deed);
    let request_id = context.request_id.clone();
    let outcome = admin.client.call(context, None, outgoing).await;
    if let Some(open) = open {
        open.end(Instant::now(), End::of(&outcome));
    }
    let mut response = match outcome {
        Ok(answer) => pass_on(answer),
        Err(error) => fault(&error),
    };
    name(&mut response, &request_id);
    Ok(response)
}

/// The records of a service.
fn of<'r>(records: &'r [(Arc<Record>, Status)], service: &str) -> impl Iterator<Item = &'r Record> {
    let records = records.iter().map(|(record, _)| record.as_ref());
    records.filter(move |record| record.name.as_str() == service)
}

/// Tells which methods a service has, when there is such a service.
fn methods(records: &[(Arc<Record>, Status)], service: &str) -> Option<String> {
    of(records, service).next()?;
    let methods = of(records, service).flat_map(|record| &record.methods);
    let names: BTreeSet<&str> = methods.map(|method| method.name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Some(format!("{service} has {names}"))
}

/// Why a target is none that names a service and a method.
fn unnamed(records: &[(Arc<Record>, Status)], target: &str) -> Refused {
    let (fault, text) = match methods(records, target) {
        Some(methods) => ("no-such-method", format!("which method? {methods}")),
        None => ("no-such-service", format!("no service is named in {target}")),
    };
    Refused::new(StatusCode::NOT_FOUND, fault, text)
}

/// Says by which names the call is found in logs and traces.
fn name(response: &mut Response, request_id: &RequestId) {
    let names = [(REQUEST_ID, request_id.to_string()), (TRACEPARENT, request_id.traceparent())];
    for (name, text) in names {
        if let Ok(text) = HeaderValue::try_from(text) {
            response.headers_mut().insert(name, text);
        }
    }
}

fn options(given: &BTreeMap<String, Values>) -> Vec<(String, String)> {
    let pairs = given.iter().flat_map(|(name, values)| {
        values.as_slice().iter().map(move |value| (name.clone(), value.clone()))
    });
    pairs.collect()
}

fn pass_on(answer: Answer) -> Response {
    let body = match answer.body {
        AnswerBody::Empty => Body::empty(),
        AnswerBody::Bytes(bytes) => Body::from(bytes),
        AnswerBody::Stream(chunks) => Body::from_stream(chunks),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    response.extensions_mut().insert(PassedOn);
    if let Some(value) = answer.headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, value.clone());
    }
    response
}

fn fault(fault: &Fault) -> Response {
    let reply = fault.reply();
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))];
    let mut response = (reply.status, headers, fault.body()).into_response();
    if let Ok(name) = HeaderValue::from_str(&reply.name) {
        response.headers_mut().insert(FAULT, name);
    }
    if let Some(after) = reply.retry_after {
        response.headers_mut().insert(RETRY_AFTER, after.as_secs().into());
    }
    response
}
