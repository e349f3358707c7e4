//! A call to an endpoint that is not in this process.

use super::{Attempt, render_query};
use crate::call::{Answer, AnswerBody, CallBody, CallContext, OutgoingCall};
use crate::fault::{Fault, chain};
use crate::outbound::{self, Outbound, OutboundError};
use crate::record::RecordMethod;
use crate::registry::Endpoint;
use crate::route::Pattern;
use crate::travel;
use bytes::Bytes;
use futures::StreamExt;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt, BodyStream};
use hyper::body::Incoming;
use tracing::warn;

/// Sends a call and waits for the head of its answer.
pub(super) async fn send(
    outbound: &Outbound,
    endpoint: &Endpoint,
    context: &CallContext,
    mut call: OutgoingCall,
) -> Attempt {
    let record = &endpoint.record;
    let Some(method) = record.method(&call.method) else {
        let (service, method) = (call.service, call.method);
        return Attempt::Done(Err(Fault::NoSuchMethod { service, method }));
    };
    let target = match target(&record.domain, &record.root, method, &call) {
        Ok(target) => target,
        Err(message) => return Attempt::Done(Err(Fault::BadCall { message })),
    };
    let Ok(verb) = method.verb.parse::<Method>() else {
        let message = format!("record has the verb {:?}", method.verb);
        return Attempt::Done(Err(Fault::BadCall { message }));
    };
    let mut headers = forwarded(&call.headers);
    travel::write(context, &mut headers);
    // Only a whole body can be sent a second time.
    let body = std::mem::replace(&mut call.body, CallBody::Empty);
    let (out, kept) = match body {
        CallBody::Empty => (outbound::empty(), Some(CallBody::Empty)),
        CallBody::Bytes(bytes) => (outbound::full(bytes.clone()), Some(CallBody::Bytes(bytes))),
        CallBody::Stream(chunks) => (outbound::streamed(chunks), None),
    };
    if !matches!(kept, Some(CallBody::Empty)) && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    }
    let mut request = Request::new(out);
    *request.method_mut() = verb;
    *request.uri_mut() = target;
    *request.headers_mut() = headers;
    let (service, domain) = (call.service.clone(), record.domain.clone());
    match outbound.send(request).await {
        Ok(response) => Attempt::Done(Ok(answer(response, service, domain))),
        Err(error) => {
            warn!(%service, %domain, error = chain(&error), "call failed");
            match (error, kept) {
                (OutboundError::Connect(_), Some(body)) => {
                    call.body = body;
                    Attempt::Elsewhere(call, Fault::Unreachable { service, domain })
                }
                (OutboundError::Connect(_), None) => {
                    Attempt::Done(Err(Fault::Unreachable { service, domain }))
                }
                (OutboundError::Broken(_), _) => {
                    Attempt::Done(Err(Fault::BadUpstream { service, domain }))
                }
            }
        }
    }
}

/// Where a method of a record is. A record with a pattern is filled; one
/// without has its parameters appended, as pico.js does.
fn target(
    domain: &str,
    root: &str,
    method: &RecordMethod,
    call: &OutgoingCall,
) -> Result<http::Uri, String> {
    let path = match &method.pattern {
        Some(pattern) => {
            let pattern = Pattern::parse(pattern).map_err(|error| error.to_string())?;
            pattern.fill(&call.params).map_err(|error| error.to_string())?
        }
        None => {
            let mut path = method.path.trim_end_matches('/').to_owned();
            for param in &call.params {
                path.push('/');
                path.push_str(&crate::path::encode(param));
            }
            path
        }
    };
    let text = format!("{domain}{root}{path}{}", render_query(&call.query));
    text.parse().map_err(|_| format!("record and parameters make no address: {text}"))
}

fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [HOST, CONNECTION, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}

fn answer(response: Response<Incoming>, service: String, domain: String) -> Answer {
    let (parts, body) = response.into_parts();
    let mut headers = forwarded(&parts.headers);
    headers.remove(http::header::CONTENT_LENGTH);
    headers.remove(http::header::DATE);
    headers.remove("keep-alive");
    let body = if body.is_end_stream() {
        AnswerBody::Empty
    } else {
        AnswerBody::Stream(chunks(body, service, domain))
    };
    Answer { status: parts.status, headers, body }
}

fn chunks(
    body: Incoming,
    service: String,
    domain: String,
) -> futures::stream::BoxStream<'static, Result<Bytes, Fault>> {
    let body = body
        .map_err(move |_| Fault::BadUpstream { service: service.clone(), domain: domain.clone() });
    let frames = BodyStream::new(body);
    let data = frames.filter_map(|frame| {
        let chunk = frame.map(|frame| frame.into_data().ok()).transpose();
        std::future::ready(chunk)
    });
    data.boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, pattern: Option<&str>, params: &[&str], expected: Result<&str, &str>) {
        let method = RecordMethod {
            name: "m".into(),
            verb: "GET".into(),
            path: path.into(),
            pattern: pattern.map(str::to_owned),
            params: None,
        };
        let call = OutgoingCall {
            service: "s".into(),
            method: "m".into(),
            options: Vec::new(),
            params: params.iter().map(|&param| param.to_owned()).collect(),
            query: vec![("q".into(), "a b".into())],
            headers: HeaderMap::new(),
            body: CallBody::Empty,
        };
        let seen = target("http://h:1", "/api", &method, &call).map(|uri| uri.to_string());
        assert_eq!(seen.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn parameters_are_filled_in_or_appended() {
        check("/add", None, &["40", "2/3"], Ok("http://h:1/api/add/40/2%2F3?q=a%20b"));
        check("/add", Some("/add/{a}"), &["4"], Ok("http://h:1/api/add/4?q=a%20b"));
        check(
            "/add",
            Some("/add/{a}"),
            &[],
            Err("pattern /add/{a} takes 1 parameters, 0 were given"),
        );
    }
}
