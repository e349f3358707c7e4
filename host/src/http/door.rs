//! `/services/{name}/…`: any service by its name, here or elsewhere.

use super::{Front, body};
use crate::call::{Answer, Call, CallTarget, OutgoingCall};
use crate::fault::Fault;
use crate::limits::ModuleLimits;
use crate::travel::VERSION;
use http::HeaderMap;
use hyper::body::Incoming;

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
    call: Box<Call>,
    body: Incoming,
) -> Result<Answer, Fault> {
    let Call { head, context, .. } = *call;
    let (name, rest) = split(head.uri.path()).unwrap_or_default();
    let service = crate::path::decode(name)
        .map_err(|error| Fault::BadRequest { message: error.to_string() })?
        .into_owned();
    let rest = match head.uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let limits = ModuleLimits::DEFAULT;
    let body = body::begin(body, &head.headers, limits.request_body_bytes, &front.limits).await?;
    let options = options(&head.headers, limits.wall_ms);
    let target = CallTarget::Path { verb: head.verb, rest };
    let outgoing = OutgoingCall { service, options, target, headers: head.headers, body };
    front.client.call(context, None, outgoing).await
}

fn options(headers: &HeaderMap, timeout_ms: u64) -> Vec<(String, String)> {
    let mut options = vec![("timeout-ms".to_owned(), timeout_ms.to_string())];
    if let Some(version) = headers.get(VERSION).and_then(|value| value.to_str().ok()) {
        options.push(("version".to_owned(), version.to_owned()));
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
}
