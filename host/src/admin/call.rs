//! Calls a method for somebody outside: the command line's `call`.

use super::{Admin, Refused, parse_body};
use crate::call::{Answer, AnswerBody, CallTarget, OutgoingCall};
use crate::fault::Fault;
use crate::order::{fill, split_target};
use crate::travel::{self, FAULT};
use ::http::header::{CONTENT_TYPE, RETRY_AFTER};
use ::http::{HeaderMap, HeaderValue};
use axum::body::{Body, Bytes};
use axum::extract::State as AxumState;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

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
        return Err(Refused::not_found(format!("no service is named in {}", order.target)));
    };
    let known = records
        .iter()
        .filter(|(record, _)| record.name.as_str() == service)
        .find_map(|(record, _)| record.method(method));
    let Some(known) = known else {
        let (service, method) = (service.to_owned(), method.to_owned());
        return Ok(fault(&Fault::NoSuchMethod { service, method }));
    };
    let filled = fill(known, order.args, order.data).map_err(Refused::bad_request)?;
    let outgoing = OutgoingCall {
        service: service.to_owned(),
        options: options(&order.options),
        target: CallTarget::Method {
            name: method.to_owned(),
            params: filled.params,
            query: filled.query,
        },
        headers: filled.headers,
        body: filled.body,
    };
    let context = travel::read(&headers, &admin.ids);
    Ok(match admin.client.call(context, None, outgoing).await {
        Ok(answer) => pass_on(answer),
        Err(error) => fault(&error),
    })
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
