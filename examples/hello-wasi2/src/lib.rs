//! A plain `wasi:http` 0.2 component: no SDK, no manifest, one exported function.
//!
//! `GET` answers a greeting and `POST` echoes its body. Two paths misbehave on
//! purpose, so that a host can show what it does about them: `/trap` panics in
//! the middle of its response, `/spin` never answers.

use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

/// How much of a body is moved at once, in bytes.
const CHUNK_BYTES: u64 = 64 * 1024;

/// The most that one `blocking-write-and-flush` takes, in bytes; the standard says so.
const WRITE_BYTES_MAX: usize = 4096;

struct Hello;

// Exports `wasi:http/incoming-handler`, the one thing a host looks for.
wasip2::http::proxy::export!(Hello);

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        if path.ends_with("/trap") {
            return trap(out);
        }
        if path.ends_with("/spin") {
            spin();
        }
        match request.method() {
            Method::Get | Method::Head => greet(path, out),
            Method::Post => echo(&request, out),
            _ => send(405, &[("allow", "GET, HEAD, POST")], out, |_| Ok(())),
        }
    }
}

fn greet(path: &str, out: ResponseOutparam) {
    let text = format!("Hello from wasi:http 0.2 at {path}\n");
    let length = text.len().to_string();
    let headers = [("content-type", "text/plain"), ("content-length", &length)];
    send(200, &headers, out, |body| write(body, text.as_bytes()));
}

/// Sends the request's body back piece by piece: it is never whole in this
/// guest's memory, however long it is.
fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    // Both can be taken once only, and nobody took them before.
    let body_in = request.consume().expect("the body was not taken yet");
    let bytes_in = body_in.stream().expect("the stream was not taken yet");
    let headers = [("content-type", "application/octet-stream")];
    send(200, &headers, out, |body| {
        let bytes_out = body.write().expect("the stream was not taken yet");
        loop {
            // Waits until there is something to read and room to write it. The
            // bytes go from stream to stream inside the host.
            match bytes_out.blocking_splice(&bytes_in, CHUNK_BYTES) {
                Ok(_) => {}
                // The request has ended, or the caller has gone.
                Err(StreamError::Closed) => return bytes_out.blocking_flush(),
                Err(error) => return Err(error),
            }
        }
    });
}

/// Panics once the head and a piece of the body are out. The status cannot be
/// taken back by then: all a host can do is break the response off.
fn trap(out: ResponseOutparam) {
    send(200, &[("content-type", "text/plain")], out, |body| {
        write(body, b"the first half, and then\n")?;
        panic!("this guest was asked to trap");
    });
}

/// Never returns and never waits, so only the host's own clock ends it.
fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// Sends a head, then whatever `fill` writes into the body, then the end of it.
fn send(
    status: u16,
    headers: &[(&str, &str)],
    out: ResponseOutparam,
    fill: impl FnOnce(&OutgoingBody) -> Result<(), StreamError>,
) {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).expect("the header is well formed");
    }
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).expect("the status is a valid one");
    let body = response.body().expect("the body was not taken yet");
    // From here on the host sends the head while the body is being written.
    ResponseOutparam::set(out, Ok(response));
    // A write fails when the caller has gone. Then the body is dropped without
    // `finish`, which marks it as cut short.
    if fill(&body).is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}

fn write(body: &OutgoingBody, bytes: &[u8]) -> Result<(), StreamError> {
    let stream = body.write().expect("the stream was not taken yet");
    bytes.chunks(WRITE_BYTES_MAX).try_for_each(|chunk| stream.blocking_write_and_flush(chunk))
}
