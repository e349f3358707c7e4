//! `GET /services/{name}`: the service, as those who want to call it see it.

use crate::call::CallHead;
use crate::fault::Fault;
use crate::http::Front;
use crate::http::door::{option, split, take_options};
use crate::record::RecordMethod;
use crate::registry::Endpoint;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The service that a path names, when nothing follows its name.
pub(super) fn find(front: &Front, head: &CallHead) -> Option<Result<Value, Fault>> {
    let (name, rest) = split(head.uri.path())?;
    if !rest.is_empty() || ![Method::GET, Method::HEAD].contains(&head.verb) {
        return None;
    }
    let mut headers = head.headers.clone();
    let options = take_options(&mut headers);
    Some(show(front, option(&options, "key"), name))
}

fn show(front: &Front, key: Option<&str>, name: &str) -> Result<Value, Fault> {
    let name = crate::path::decode(name)
        .map_err(|error| Fault::BadRequest { message: error.to_string() })?;
    let endpoints = front.reach(key, &name)?;
    let versions: BTreeSet<&str> =
        endpoints.iter().filter_map(|endpoint| endpoint.record.version()).collect();
    let shown: Vec<Value> = endpoints.iter().map(endpoint).collect();
    Ok(json!({
        "name": name,
        "versions": versions,
        "methods": methods(&endpoints),
        "endpoints": shown,
    }))
}

/// Where it is stays unsaid: an address inside is nobody's business.
fn endpoint(endpoint: &Endpoint) -> Value {
    let record = &endpoint.record;
    json!({
        "name": record.name,
        "registration": record.registration,
        "version": record.version(),
        "status": endpoint.status,
        "local": endpoint.is_local,
        "methods": record.methods.iter().map(|method| &*method.name).collect::<Vec<_>>(),
    })
}

/// The methods of all endpoints, each name once.
fn methods(endpoints: &[Endpoint]) -> Vec<&RecordMethod> {
    let mut seen = BTreeSet::new();
    let all = endpoints.iter().flat_map(|endpoint| &endpoint.record.methods);
    all.filter(|method| seen.insert(&*method.name)).collect()
}
