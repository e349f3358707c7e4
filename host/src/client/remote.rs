//! A call to an endpoint that is not in this process.

use super::course::{Attempt, Begun, Pending};
use super::here::{REJECTED, verdict};
use crate::breaker::Verdict;
use crate::call::{Answer, AnswerBody, CallBody, CallContext, CallTarget, OutgoingCall};
use crate::fault::{Fault, chain};
use crate::order::render_query;
use crate::outbound::{self, OutBody, Outbound, OutboundError, Place, Protocol, Sent};
use crate::record::{Record, RecordMethod};
use crate::registry::Endpoint;
use crate::route::Pattern;
use crate::travel::{self, FAULT};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt, BodyStream};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

/// Sends a call and waits for the head of its answer.
pub(super) async fn send(
    outbound: &Outbound,
    endpoint: &Endpoint,
    context: &CallContext,
    pending: &mut Pending,
) -> Attempt {
    let record = &endpoint.record;
    let mut request = match request(record, context, &pending.call) {
        Ok(request) => request,
        Err(fault) => return Attempt::answered(Err(fault), Verdict::Nothing),
    };
    *request.body_mut() = match pending.take_body() {
        CallBody::Empty => outbound::empty(),
        CallBody::Bytes(bytes) => outbound::full(bytes),
        CallBody::Stream(chunks) => outbound::streamed(chunks),
    };
    let (service, endpoint) = (pending.call.service.clone(), record.registration.clone());
    let whose = Whose { service, endpoint };
    let protocol = if record.is_http2() { Protocol::Http2 } else { Protocol::Http1 };
    match outbound.send(request, protocol).await {
        Ok(sent) => heard(sent, whose, context.deadline),
        Err(error) => {
            let Whose { service, endpoint } = &whose;
            let domain = &record.domain;
            let (request_id, error_text) = (&context.request_id, chain(&error));
            let trace_id = request_id.trace_id();
            warn!(
                %service, %endpoint, %domain, %request_id, trace_id, error = error_text,
                "call failed"
            );
            unanswered(&error, whose)
        }
    }
}

/// What it means for the call that there is no answer.
fn unanswered(error: &OutboundError, whose: Whose) -> Attempt {
    let declined = |whose: &Whose| Fault::Guest {
        status: 503,
        name: "stopping".to_owned(),
        message: whose.declines(),
    };
    let (verdict, fault, begun) = match error {
        OutboundError::GoneAway(_) => (Verdict::Nothing, declined(&whose), Begun::Moved),
        OutboundError::Refused(_) => (Verdict::Nothing, declined(&whose), Begun::Declined),
        other => {
            let Whose { service, endpoint } = whose;
            let garbled = |service, endpoint, why| Fault::GarbledAnswer { service, endpoint, why };
            match other {
                OutboundError::Connect(_) => {
                    let fault = Fault::Unreachable { service, endpoint };
                    (Verdict::Unreachable, fault, Begun::Unreached)
                }
                OutboundError::Garbled(_) => {
                    (Verdict::Failed, garbled(service, endpoint, "it is no HTTP"), Begun::Maybe)
                }
                OutboundError::LargeHead(_) => {
                    let why = "its head is too large";
                    (Verdict::Failed, garbled(service, endpoint, why), Begun::Maybe)
                }
                _ => (Verdict::Failed, Fault::BadUpstream { service, endpoint }, Begun::Maybe),
            }
        }
    };
    Attempt { verdict, outcome: Err((fault, Some(begun))) }
}

/// Whose answer it is.
#[derive(Clone)]
struct Whose {
    service: String,
    /// Its registration.
    endpoint: String,
}

impl Whose {
    fn declines(&self) -> String {
        format!("endpoint {} of service {} does not take it", self.endpoint, self.service)
    }
}

/// What an answer means for the call. One that a host says it has not begun is
/// left to another endpoint.
fn heard(sent: Sent, whose: Whose, deadline: Instant) -> Attempt {
    let Sent { response, place } = sent;
    let name = response.headers().get(FAULT).and_then(|name| name.to_str().ok());
    let unbegun = name.filter(|name| UNBEGUN.contains(name)).map(str::to_owned);
    let status = response.status().as_u16();
    let message = whose.declines();
    let answer = answer(response, place, whose, deadline);
    let verdict = verdict(&answer);
    match unbegun {
        None => Attempt::answered(Ok(answer), verdict),
        Some(name) => {
            let fault = Fault::Guest { status, name, message };
            Attempt { verdict, ..Attempt::declined(fault) }
        }
    }
}

/// Faults of hosts that have begun nothing.
const UNBEGUN: [&str; 4] = ["overloaded", "host-overloaded", "stopping", REJECTED];

fn request(
    record: &Record,
    context: &CallContext,
    call: &OutgoingCall,
) -> Result<Request<OutBody>, Fault> {
    let (verb, target) = aim(record, call)?;
    let mut headers = forwarded(&call.headers);
    travel::write(context, &mut headers);
    let has_body = !matches!(call.body, CallBody::Empty);
    if has_body && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    }
    let mut request = Request::new(outbound::empty());
    *request.method_mut() = verb;
    *request.uri_mut() = target;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The verb and the address of what is called.
fn aim(record: &Record, call: &OutgoingCall) -> Result<(Method, Uri), Fault> {
    let bad = |message| Fault::BadCall { message };
    let Record { domain, root, .. } = record;
    let (verb, text) = match &call.target {
        CallTarget::Path { verb, rest } => (verb.clone(), format!("{domain}{root}{rest}")),
        CallTarget::Method { name, params, query } => {
            let Some(method) = record.method(name) else {
                let (service, method) = (call.service.clone(), name.clone());
                return Err(Fault::NoSuchMethod { service, method });
            };
            let verb = method.verb.parse();
            let verb = verb.map_err(|_| bad(format!("record has the verb {:?}", method.verb)))?;
            let path = path(method, params).map_err(bad)?;
            (verb, format!("{domain}{root}{path}{}", render_query(query)))
        }
    };
    let uri = text.parse().map_err(|_| {
        let (service, endpoint) = (&call.service, &record.registration);
        debug!(%service, %endpoint, address = text, "record and call make no address");
        bad(format!("the record {endpoint} of service {service} and this call make no address"))
    })?;
    Ok((verb, uri))
}

/// The path of a method of a record. A pattern is filled; without one the
/// parameters are appended, as pico.js does.
fn path(method: &RecordMethod, params: &[String]) -> Result<String, String> {
    if let Some(pattern) = &method.pattern {
        let pattern = Pattern::parse(pattern).map_err(|error| error.to_string())?;
        return pattern.fill(params).map_err(|error| error.to_string());
    }
    let mut path = method.path.trim_end_matches('/').to_owned();
    for param in params {
        path.push('/');
        path.push_str(&crate::path::encode(param));
    }
    Ok(path)
}

fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [HOST, CONNECTION, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}

fn answer(response: Response<Incoming>, place: Place, whose: Whose, deadline: Instant) -> Answer {
    let (parts, body) = response.into_parts();
    let mut headers = forwarded(&parts.headers);
    headers.remove(http::header::CONTENT_LENGTH);
    headers.remove(http::header::DATE);
    headers.remove("keep-alive");
    let body = begun(body, place, whose, deadline);
    Answer { status: parts.status, headers, body }
}

/// The body of an answer. One that came along with its head is taken whole,
/// which spares everybody on its way back to treat it as a stream.
fn begun(mut body: Incoming, place: Place, whose: Whose, deadline: Instant) -> AnswerBody {
    if body.is_end_stream() {
        return AnswerBody::Empty;
    }
    let first = match body.frame().now_or_never() {
        Some(Some(Ok(frame))) => frame.into_data().ok(),
        Some(None) => return AnswerBody::Empty,
        Some(Some(Err(_))) => {
            let Whose { service, endpoint } = whose;
            let broken = Err(Fault::BrokenAnswer { service, endpoint });
            return AnswerBody::Stream(futures::stream::iter([broken]).boxed());
        }
        None => None,
    };
    if let Some(whole) = first.as_ref().filter(|_| body.is_end_stream()) {
        return AnswerBody::Bytes(whole.clone());
    }
    let rest = in_time(chunks(body, place, whose.clone()), whose, deadline);
    AnswerBody::Stream(match first {
        Some(first) => futures::stream::iter([Ok(first)]).chain(rest).boxed(),
        None => rest,
    })
}

/// A body that is broken off when its time is over.
fn in_time(
    chunks: BoxStream<'static, Result<Bytes, Fault>>,
    whose: Whose,
    deadline: Instant,
) -> BoxStream<'static, Result<Bytes, Fault>> {
    let next = move |open: Option<(BoxStream<'static, Result<Bytes, Fault>>, Whose)>| async move {
        let (mut chunks, whose) = open?;
        match timeout_at(deadline, chunks.next()).await {
            Ok(chunk) => chunk.map(|chunk| (chunk, Some((chunks, whose)))),
            Err(_elapsed) => {
                let Whose { service, endpoint } = whose;
                Some((Err(Fault::SlowAnswer { service, endpoint }), None))
            }
        }
    };
    futures::stream::unfold(Some((chunks, whose)), next).boxed()
}

fn chunks(body: Incoming, place: Place, whose: Whose) -> BoxStream<'static, Result<Bytes, Fault>> {
    let body = body.map_err(move |_| {
        let _ = &place;
        let Whose { service, endpoint } = whose.clone();
        Fault::BrokenAnswer { service, endpoint }
    });
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
    fn check(fixed: &str, pattern: Option<&str>, params: &[&str], expected: Result<&str, &str>) {
        let method = RecordMethod {
            path: fixed.into(),
            pattern: pattern.map(str::to_owned),
            ..RecordMethod::default()
        };
        let params: Vec<String> = params.iter().map(|&param| param.to_owned()).collect();
        let seen = path(&method, &params);
        assert_eq!(seen.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn parameters_are_filled_in_or_appended() {
        check("/add", None, &["40", "2/3"], Ok("/add/40/2%2F3"));
        check("/add", Some("/add/{a}"), &["4"], Ok("/add/4"));
        let short = "pattern /add/{a} takes 1 parameters, 0 were given";
        check("/add", Some("/add/{a}"), &[], Err(short));
    }
}
