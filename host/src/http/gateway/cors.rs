//! Pages of other origins: which of them may read the answers of services
//! (<https://fetch.spec.whatwg.org/#http-cors-protocol>).

use crate::fault::{Fault, GatewayFault};
use crate::http::ALLOW_ALL;
use crate::http::respond::{self, Respond};
use crate::upgrade::Origins;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN,
    VARY,
};
use http::{Method, Request, Response};

/// What a request is told of origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cors {
    /// All may read, as long as they show nobody's cookies.
    Any,
    /// This one may.
    Allowed(HeaderValue),
    /// It has none, or one that may not.
    Silent,
}

/// What pages may read beside the body and what they always may.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("x-request-id, x-picolet-fault, retry-after, etag, location");
/// How long a browser need not ask again, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

impl Cors {
    pub(super) fn of<B>(origins: &Origins, request: &Request<B>) -> Self {
        if *origins == Origins::Any {
            return Self::Any;
        }
        match request.headers().get(ORIGIN) {
            Some(origin) if origins.judge(request).is_ok() => Self::Allowed(origin.clone()),
            _ => Self::Silent,
        }
    }

    /// The answer to a browser that asks before it sends what a page wants.
    pub(super) fn preflight<B>(
        &self,
        request: &Request<B>,
    ) -> Option<Result<Response<Respond>, Fault>> {
        let headers = request.headers();
        let origin = headers.get(ORIGIN)?;
        if request.method() != Method::OPTIONS
            || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        if *self == Self::Silent {
            let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
            return Some(Err(GatewayFault::OriginNotAllowed { origin }.into()));
        }
        let mut response = respond::options(ALLOW_ALL);
        let said = response.headers_mut();
        said.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOW_ALL));
        said.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        if let Some(wanted) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            said.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
            said.append(VARY, HeaderValue::from_static("access-control-request-headers"));
        }
        Some(Ok(response))
    }

    /// Says in an answer who may read it.
    pub(super) fn apply(self, headers: &mut HeaderMap) {
        let origin = match self {
            Self::Any => HeaderValue::from_static("*"),
            Self::Allowed(origin) => {
                let credentials = HeaderValue::from_static("true");
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials);
                headers.append(VARY, HeaderValue::from_static("origin"));
                origin
            }
            Self::Silent => {
                headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
                headers.append(VARY, HeaderValue::from_static("origin"));
                return;
            }
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(origin: &'static str) -> Request<()> {
        let mut request = Request::new(());
        request.headers_mut().insert(http::header::HOST, HeaderValue::from_static("own:80"));
        if !origin.is_empty() {
            request.headers_mut().insert(ORIGIN, HeaderValue::from_static(origin));
        }
        request
    }

    #[test]
    fn listed_origins_and_the_own_one_may_read() {
        let listed = Origins::of(vec!["https://shop.example".into()]);
        let cors = |origin| Cors::of(&listed, &request(origin));
        let allowed = |origin| Cors::Allowed(HeaderValue::from_static(origin));
        assert_eq!(cors("https://shop.example"), allowed("https://shop.example"));
        assert_eq!(cors("http://own"), allowed("http://own"));
        for origin in ["", "null", "https://shop.example.evil", "http://shop.example"] {
            assert_eq!(cors(origin), Cors::Silent, "{origin}");
        }
        assert_eq!(Cors::of(&Origins::Any, &request("null")), Cors::Any);
    }

    #[test]
    fn what_differs_by_origin_says_so() {
        let mut headers = HeaderMap::new();
        headers.insert(VARY, HeaderValue::from_static("accept"));
        Cors::Silent.apply(&mut headers);
        let vary: Vec<_> = headers.get_all(VARY).iter().collect();
        assert_eq!(vary, ["accept", "origin"]);
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        let mut headers = HeaderMap::new();
        Cors::Any.apply(&mut headers);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }
}
