//! `/healthcheck`, of the host and of the services at a root.

use super::Front;
use super::respond::{self, Respond, SHOWN};
use crate::name::Name;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

const NAME: &str = "/healthcheck";

/// Answers a health check; anything else is left to the routes.
pub(super) fn answer<B>(front: &Front, request: &Request<B>) -> Option<Response<Respond>> {
    let root = request.uri().path().strip_suffix(NAME)?;
    if root.is_empty() {
        return Some(match *request.method() {
            Method::GET | Method::HEAD => of_host(front),
            Method::OPTIONS => respond::options(SHOWN),
            _ => front.turn_away(request, &respond::not_allowed(request, SHOWN)),
        });
    }
    let services = front.live.take();
    let services = services.at_root(root);
    if services.is_empty() {
        return None;
    }
    match *request.method() {
        Method::GET | Method::HEAD => (),
        Method::OPTIONS => return Some(respond::options(SHOWN)),
        _ => return Some(front.turn_away(request, &respond::not_allowed(request, SHOWN))),
    }
    let mut records: Vec<Value> = services
        .iter()
        .filter_map(|service| {
            front.registry.find(service.manifest.key.as_str(), &service.registration)
        })
        .collect();
    let value = if records.len() == 1 {
        records.remove(0)
    } else {
        json!({ "status": "UP", "services": records })
    };
    Some(respond::json(StatusCode::OK, &value))
}

fn of_host(front: &Front) -> Response<Respond> {
    let live = front.live.take();
    let names: Vec<&str> = live.names().map(Name::as_str).collect();
    let (status, word) = if front.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "DOWN")
    } else {
        (StatusCode::OK, "UP")
    };
    respond::json(status, &json!({ "status": word, "services": names }))
}
