//! Asks strangers through `wasi:http` 0.2. The URL is the query as it comes;
//! `/get` passes the answer on, `/trap` panics in the middle of a body.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse,
    ResponseOutparam, Scheme,
};
use wasip2::io::streams::StreamError;

/// How much of a body is read at once, in bytes.
const CHUNK_BYTES: u64 = 64 * 1024;

/// The most that one `blocking-write-and-flush` takes, in bytes; the standard says so.
const WRITE_BYTES_MAX: usize = 4096;

struct Fetches;

wasip2::http::proxy::export!(Fetches);

impl wasip2::exports::http::incoming_handler::Guest for Fetches {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, url) = target.split_once('?').unwrap_or((target.as_str(), ""));
        let Some(asked) = outgoing(url) else {
            return answer(400, b"no URL", out);
        };
        if path.ends_with("/trap") {
            return trap(asked);
        }
        match fetch(asked) {
            Ok((status, body)) => answer(status, &body, out),
            Err(error) => answer(502, format!("{error:?}").as_bytes(), out),
        }
    }
}

/// A request for a URL.
fn outgoing(url: &str) -> Option<OutgoingRequest> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&scheme)).ok()?;
    request.set_authority(Some(authority)).ok()?;
    let path = if path.is_empty() { "/" } else { path };
    request.set_path_with_query(Some(path)).ok()?;
    Some(request)
}

fn fetch(request: OutgoingRequest) -> Result<(u16, Vec<u8>), ErrorCode> {
    let answered = outgoing_handler::handle(request, None)?;
    answered.subscribe().block();
    let response = answered.get().expect("it is there").expect("it was not taken yet")?;
    let body = response.consume().expect("the body was not taken yet");
    let stream = body.stream().expect("the stream was not taken yet");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(CHUNK_BYTES) {
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => return Ok((response.status(), bytes)),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                return Err(code.unwrap_or(ErrorCode::InternalError(None)));
            }
        }
    }
}

/// Panics when some pieces of the body are out. Each waits for the one before,
/// so the request is on its way by then.
fn trap(request: OutgoingRequest) {
    request.set_method(&Method::Post).expect("the verb is a valid one");
    let body = request.body().expect("the body was not taken yet");
    let _answered = outgoing_handler::handle(request, None).expect("it is sent");
    let stream = body.write().expect("the stream was not taken yet");
    for _ in 0..8 {
        stream.blocking_write_and_flush(b"a piece").expect("it is taken");
    }
    panic!("this guest was asked to trap");
}

fn answer(status: u16, bytes: &[u8], out: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    response.set_status_code(status).expect("the status is a valid one");
    let body = response.body().expect("the body was not taken yet");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("the stream was not taken yet");
    let mut pieces = bytes.chunks(WRITE_BYTES_MAX);
    let sent = pieces.try_for_each(|piece| stream.blocking_write_and_flush(piece));
    drop(stream);
    if sent.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}
