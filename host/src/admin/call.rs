//! Calls a method for somebody outside: the command line's `call`.

use super::{Admin, Refused, parse_body};
use crate::call::{Answer, AnswerBody, CallBody, CallTarget, OutgoingCall};
use crate::fault::Fault;
use crate::record::RecordMethod;
use crate::travel::{self, FAULT};
use ::http::header::{CONTENT_TYPE, RETRY_AFTER};
use ::http::{HeaderMap, HeaderValue};
use axum::body::{Body, Bytes};
use axum::extract::State as AxumState;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
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

/// Splits `NAME.METHOD` at the longest name that is known, since both may hold
/// dots.
fn split_target<'t>(
    target: &'t str,
    names: impl Iterator<Item = &'t str>,
) -> Option<(&'t str, &'t str)> {
    let fits = |name: &'t str| {
        let method = target.strip_prefix(name)?.strip_prefix('.')?;
        (!method.is_empty()).then_some((name, method))
    };
    names.filter_map(fits).max_by_key(|(name, _)| name.len())
}

#[derive(Debug)]
struct Filled {
    params: Vec<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: CallBody,
}

/// Puts arguments and data where a method wants them.
fn fill(method: &RecordMethod, args: Vec<String>, data: Option<Value>) -> Result<Filled, String> {
    let mut filled = Filled {
        params: args,
        query: Vec::new(),
        headers: HeaderMap::new(),
        body: CallBody::Empty,
    };
    let takes_body = !matches!(method.verb.as_str(), "GET" | "DELETE");
    let data = match data {
        None | Some(Value::Null) => return Ok(filled),
        Some(Value::Object(mut members)) => {
            fill_params(method, &mut filled.params, &mut members)?;
            if !takes_body {
                let pair = |(name, value)| (name, as_text(value));
                filled.query = members.into_iter().map(pair).collect();
                return Ok(filled);
            }
            Value::Object(members)
        }
        Some(other) if takes_body => other,
        Some(_) => return Err(format!("data of a {} must be an object", method.verb)),
    };
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    filled.headers.insert(CONTENT_TYPE, json);
    filled.body = CallBody::Bytes(data.to_string().into());
    Ok(filled)
}

fn fill_params(
    method: &RecordMethod,
    params: &mut Vec<String>,
    members: &mut Map<String, Value>,
) -> Result<(), String> {
    let names = method.params.as_deref().unwrap_or_default();
    for name in names.iter().skip(params.len()) {
        let value = members.remove(name).ok_or_else(|| format!("parameter {name} is missing"))?;
        params.push(as_text(value));
    }
    Ok(())
}

fn as_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_longest_known_name_counts() {
        let names = ["go", "go.micro.srv.greeter", "calc"];
        let split = |target| split_target(target, names.into_iter());
        assert_eq!(
            split("go.micro.srv.greeter.Say.Hello"),
            Some(("go.micro.srv.greeter", "Say.Hello"))
        );
        assert_eq!(split("go.x"), Some(("go", "x")));
        assert_eq!(split("calc"), None);
        assert_eq!(split("calc."), None);
        assert_eq!(split("nobody.add"), None);
    }

    fn method(verb: &str, params: &[&str]) -> RecordMethod {
        let params = params.iter().map(|&name| name.to_owned()).collect();
        let (name, verb) = ("m".into(), verb.into());
        RecordMethod { name, verb, params: Some(params), ..RecordMethod::default() }
    }

    #[test]
    fn members_fill_parameters_and_the_rest_is_query_or_body() {
        let data = Some(json!({"a": 40, "b": "2", "c": true}));
        let get = fill(&method("GET", &["a", "b"]), vec![], data.clone()).unwrap();
        assert_eq!(get.params, ["40", "2"]);
        assert_eq!(get.query, [("c".to_owned(), "true".to_owned())]);

        let post = fill(&method("POST", &["a"]), vec!["1".into()], data).unwrap();
        assert_eq!(post.params, ["1"]);
        let CallBody::Bytes(body) = post.body else { panic!("a body") };
        assert_eq!(body, r#"{"a":40,"b":"2","c":true}"#);

        let missing = fill(&method("GET", &["a"]), vec![], Some(json!({}))).unwrap_err();
        assert_eq!(missing, "parameter a is missing");
    }
}
