//! `/services/{name}/…`: any service by its name, here or elsewhere.

use super::{Front, body};
use crate::call::{Answer, Call, CallTarget, Deed, End, OutgoingCall};
use crate::fault::{Fault, GatewayFault};
use crate::limits::ModuleLimits;
use crate::upgrade;
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::Incoming;
use std::time::Duration;
use tokio::time::Instant;

/// What the paths begin with.
const BEGINNING: &str = "/services/";

/// The service that a path names, and what follows its name.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(BEGINNING)?;
    let end = rest.find('/').unwrap_or(rest.len());
    rest.split_at_checked(end)
}

/// Passes a request to a service.
pub(super) async fn pass_on(
    front: &Front,
    mut call: Box<Call>,
    body: Incoming,
) -> Result<Answer, Fault> {
    let verb = &call.head.verb;
    let deed = || Deed::Request { verb: verb.clone(), path: Some(&"/services/{name}/{*rest}") };
    let open = front.traces.begin(&mut call.context, Instant::now(), deed);
    let outcome = match order(front, &mut call, body).await {
        Ok(outgoing) => front.client.call(call.context.clone(), None, outgoing).await,
        Err(fault) => Err(fault),
    };
    if let Some(open) = open {
        open.end(Instant::now(), End::of(&outcome));
    }
    outcome
}

/// The call that a request asks for. Its headers and its body are taken.
async fn order(front: &Front, call: &mut Call, body: Incoming) -> Result<OutgoingCall, Fault> {
    let head = &mut call.head;
    let (name, rest) = split(head.uri.path()).unwrap_or_default();
    let service = crate::path::decode(name)
        .map_err(|error| Fault::BadRequest { message: error.to_string() })?
        .into_owned();
    let options = take_options(&mut head.headers);
    let key = option(&options, "key");
    front.check_reach(key, &service)?;
    if upgrade::is_wanted(&head.headers) && !is_here(front, key, &service)? {
        return Err(GatewayFault::SocketElsewhere { service }.into());
    }
    let rest = match head.uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let Bounds { body_bytes, timeout } = front.bounds(&service);
    let body = body::begin(body, &head.headers, body_bytes, &front.limits).await?;
    let target = CallTarget::Path { verb: head.verb.clone(), rest };
    let headers = std::mem::take(&mut head.headers);
    Ok(OutgoingCall { service, options, timeout: Some(timeout), target, headers, body })
}

/// What a call by name may have that says nothing else.
pub(super) struct Bounds {
    pub(super) body_bytes: u64,
    pub(super) timeout: Duration,
}

impl Front {
    /// What may be had where manifests say nothing, and more where one here says so.
    /// Each version here keeps its own bounds; those elsewhere are not known.
    pub(super) fn bounds(&self, service: &str) -> Bounds {
        let ModuleLimits { mut request_body_bytes, mut wall_ms, .. } = ModuleLimits::DEFAULT;
        for version in self.live.peek().versions(service) {
            let own = version.limits();
            request_body_bytes = request_body_bytes.max(own.request_body_bytes);
            wall_ms = wall_ms.max(own.wall_ms);
        }
        Bounds { body_bytes: request_body_bytes, timeout: Duration::from_millis(wall_ms) }
    }
}

/// Whether some endpoint of a service is on this host. WebSockets are not passed
/// on to others.
fn is_here(front: &Front, key: Option<&str>, service: &str) -> Result<bool, Fault> {
    Ok(front.reach(key, service)?.iter().any(|endpoint| endpoint.is_local))
}

/// The value of an option.
pub(super) fn option<'o>(options: &'o [(String, String)], name: &str) -> Option<&'o str> {
    options.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// What a request may ask of the call, each as `x-picolet-` and its name.
const OPTIONS: [&str; 9] =
    ["version", "key", "label", "subset", "environment", "endpoint", "retry", "idempotent", "wait"];

/// The options that a request brings. They are for this host, but the version,
/// which another one may have to choose, too.
pub(super) fn take_options(headers: &mut HeaderMap) -> Vec<(String, String)> {
    let option = |name: &HeaderName| {
        let name = name.as_str().strip_prefix("x-picolet-")?;
        OPTIONS.into_iter().find(|known| *known == name)
    };
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let asked = headers.iter().filter_map(|(name, value)| Some((option(name)?, text(value))));
    let options: Vec<(String, String)> =
        asked.map(|(name, value)| (name.to_owned(), value)).collect();
    for (name, _) in options.iter().filter(|(name, _)| name != "version") {
        headers.remove(format!("x-picolet-{name}"));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_after_the_name() {
        assert_eq!(split("/services/calc/add/1/2"), Some(("calc", "/add/1/2")));
        assert_eq!(split("/services/a%20b"), Some(("a%20b", "")));
        assert_eq!(split("/services/calc/"), Some(("calc", "/")));
        assert_eq!(split("/services"), None);
        assert_eq!(split("/servicesx/calc"), None);
    }

    #[test]
    fn options_are_taken_from_headers_and_the_version_stays() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-picolet-version", "^1"),
            ("x-picolet-label", "zone=a"),
            ("x-picolet-label", "colour=blue"),
            ("x-picolet-wait", "true"),
            ("x-picolet-depth", "1"),
            ("label", "none"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let mut options = take_options(&mut headers);
        options.sort();
        let expected =
            [("label", "colour=blue"), ("label", "zone=a"), ("version", "^1"), ("wait", "true")];
        assert_eq!(options, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["label", "x-picolet-depth", "x-picolet-version"]);
    }
}
