//! Keeps pages of other sites away from the admin side: who asks by another
//! name than a local one, or on behalf of another origin, is turned away.

use super::Refused;
use ::http::header::{HOST, ORIGIN};
use ::http::{HeaderMap, StatusCode};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Judges a request before any handler sees it.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    match judge(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(message) => Refused::new(StatusCode::FORBIDDEN, "forbidden", message).into_response(),
    }
}

fn judge(headers: &HeaderMap) -> Result<(), &'static str> {
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
        assert_eq!(judge(&headers).is_ok(), expected, "{host} {origin:?}");
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
