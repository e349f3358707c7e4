//! Keeps pages of other sites away from the admin side.
//!
//! Where it has no token, who asks by another name than a local one, or on
//! behalf of an origin that is none, is turned away, and so are pages of other
//! ports of this machine, what guests serve among them, when they change
//! something; whatever such pages fetch is refused by [`Access`], as far as browsers
//! tell. Where it has one, a name says nothing, since whoever asks has to
//! show more than that; an origin has to be that of the admin side, by whatever
//! name it was called.

use super::Refused;
use super::access::Access;
use ::http::header::{HOST, ORIGIN, UPGRADE};
use ::http::{HeaderMap, Method, StatusCode};
use axum::extract::{Request, State as AxumState};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Judges a request before any handler sees it.
pub(super) async fn guard(
    AxumState(access): AxumState<Access>,
    request: Request,
    next: Next,
) -> Response {
    let (verb, headers) = (request.method(), request.headers());
    let judged = if access.has_token() { judge_origin(headers) } else { judge(verb, headers) };
    match judged {
        Ok(()) => next.run(request).await,
        Err(message) => Refused::new(StatusCode::FORBIDDEN, "forbidden", message).into_response(),
    }
}

fn judge(verb: &Method, headers: &HeaderMap) -> Result<(), &'static str> {
    judge_names(headers)?;
    // By a WebSocket changes are made as well, and browsers let any page open one.
    let is_safe = verb.is_safe() && !headers.contains_key(UPGRADE);
    if is_safe { Ok(()) } else { judge_origin(headers) }
}

fn judge_names(headers: &HeaderMap) -> Result<(), &'static str> {
    let text = |name| headers.get(name).map(|value: &::http::HeaderValue| value.to_str());
    match text(HOST) {
        Some(Ok(host)) if is_local(host) => (),
        _ => return Err("Host is not a local name; the admin side listens on loopback alone"),
    }
    let origin = match text(ORIGIN) {
        None => return Ok(()),
        Some(Ok(origin)) => origin,
        Some(Err(_)) => return Err("Origin is not readable"),
    };
    match origin.split_once("://") {
        Some((_, host)) if is_local(host) => Ok(()),
        _ => Err("requests on behalf of other origins are not taken"),
    }
}

fn judge_origin(headers: &HeaderMap) -> Result<(), &'static str> {
    let text = |name| headers.get(name).and_then(|value: &::http::HeaderValue| value.to_str().ok());
    if !headers.contains_key(ORIGIN) {
        return Ok(());
    }
    let named = text(ORIGIN).and_then(|origin| origin.split_once("://"));
    match (named, text(HOST)) {
        (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err("requests on behalf of other origins are not taken; \
                  a proxy has to pass on the Host that it was called by"),
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => return rest.starts_with("::1]"),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_loopback = name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
    name == "localhost" || is_loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, origin: Option<&str>, expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        assert_eq!(judge(&Method::GET, &headers).is_ok(), expected, "{host} {origin:?}");
    }

    #[test]
    fn with_a_token_any_name_does_and_one_origin() {
        let check = |origin: Option<&'static str>, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "admin.example:9099".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(judge_origin(&headers).is_ok(), expected, "{origin:?}");
        };
        check(None, true);
        check(Some("https://Admin.example:9099"), true);
        check(Some("http://admin.example:8080"), false);
        check(Some("http://localhost:9099"), false);
        check(Some("null"), false);
    }

    #[test]
    fn pages_of_other_ports_change_nothing() {
        let check = |verb: Method, origin: Option<&'static str>, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "localhost:9099".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(judge(&verb, &headers).is_ok(), expected, "{verb} {origin:?}");
            headers.insert(UPGRADE, "websocket".parse().unwrap());
            let opens = judge(&Method::GET, &headers).is_ok();
            assert_eq!(opens, origin != Some("http://localhost:8080"), "{origin:?}");
        };
        check(Method::POST, None, true);
        check(Method::POST, Some("http://localhost:9099"), true);
        check(Method::POST, Some("http://localhost:8080"), false);
        check(Method::DELETE, Some("http://localhost:8080"), false);
        check(Method::GET, Some("http://localhost:8080"), true);
    }

    #[test]
    fn only_local_names_are_answered() {
        check("localhost:9099", None, true);
        check("127.0.0.1:9099", None, true);
        check("[::1]:9099", Some("http://localhost:9099"), true);
        check("evil.example:9099", None, false);
        check("127.0.0.1.evil.example", None, false);
        check("localhost", Some("https://evil.example"), false);
        check("localhost", Some("null"), false);
    }
}
