//! A plain `wasi:http` 0.3 component: no SDK, no manifest, one exported async
//! function.
//!
//! `GET` answers a greeting and `POST` echoes its body. Two paths misbehave on
//! purpose, so that a host can show what it does about them: `/trap` panics in
//! the middle of its response, `/spin` never answers.

use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use wasip3::wit_bindgen::{StreamResult, StreamWriter};
use wasip3::{spawn_local, wit_future, wit_stream};

/// How much of a body is moved at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

struct Hello;

// Exports `wasi:http/handler`, the one thing a host looks for.
wasip3::http::service::export!(Hello);

impl wasip3::exports::http::handler::Guest for Hello {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        if path.ends_with("/trap") {
            return Ok(trap());
        }
        if path.ends_with("/spin") {
            spin();
        }
        Ok(match request.get_method() {
            Method::Get | Method::Head => greet(path),
            Method::Post => echo(request),
            _ => respond(405, &[("allow", "GET, HEAD, POST")], async |_| Ok(())),
        })
    }
}

fn greet(path: &str) -> Response {
    let text = format!("Hello from wasi:http 0.3 at {path}\n");
    let length = text.len().to_string();
    let headers = [("content-type", "text/plain"), ("content-length", &length)];
    respond(200, &headers, async move |body| {
        body.write_all(text.into_bytes()).await;
        Ok(())
    })
}

/// Sends the request's body back piece by piece: it is never whole in this
/// guest's memory, however long it is.
fn echo(request: Request) -> Response {
    // What is written here tells the host how reading went. Dropping the
    // writer says `Ok`, which is the default given.
    let (_read_well, verdict) = wit_future::new(|| Ok(()));
    let (mut bytes_in, trailers) = Request::consume_body(request, verdict);
    let headers = [("content-type", "application/octet-stream")];
    respond(200, &headers, async move |body| {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        loop {
            let end;
            (end, chunk) = bytes_in.read(chunk).await;
            if end == StreamResult::Dropped {
                // A request that was cut short makes a response that is, too.
                return trailers.await.map(|_| ());
            }
            chunk = body.write_all(chunk).await;
            if !chunk.is_empty() {
                return Ok(()); // The caller has gone.
            }
        }
    })
}

/// Panics once the head and a piece of the body are out. The status cannot be
/// taken back by then: all a host can do is break the response off.
fn trap() -> Response {
    respond(200, &[("content-type", "text/plain")], async |body| {
        body.write_all(b"the first half, and then\n".to_vec()).await;
        panic!("this guest was asked to trap");
    })
}

/// Never returns and never waits, so only the host's own clock ends it.
fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// Makes a response of a head and of whatever `fill` writes into the body. The
/// body is written by a task of its own, which goes on when `handle` has
/// returned the head.
fn respond<F>(status: u16, headers: &[(&str, &str)], fill: F) -> Response
where
    F: AsyncFnOnce(&mut StreamWriter<u8>) -> Result<(), ErrorCode> + 'static,
{
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).expect("the header is well formed");
    }
    let (mut body, contents) = wit_stream::new();
    // Says that the body is complete, by trailers or, as here, by none.
    let (end, trailers) = wit_future::new(|| Ok(None));
    // The future that says whether the response was sent is of no interest.
    let (response, _sent) = Response::new(fields, Some(contents), trailers);
    response.set_status_code(status).expect("the status is a valid one");
    spawn_local(async move {
        let filled = fill(&mut body).await;
        drop(body);
        let _ = end.write(filled.map(|()| None)).await;
    });
    response
}
