//! What `GET /api/add/{a}/{b}` of calc does, as a plain `wasi:http` 0.2
//! component: the same answer, with as few calls of the host as it takes.

use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Calc;

wasip2::http::proxy::export!(Calc);

impl wasip2::exports::http::incoming_handler::Guest for Calc {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        match sum(&target) {
            Some(result) => {
                let json = format!(r#"{{"message":"Hello 🌍","from":"pico","result":{result}}}"#);
                send(200, "application/json", json.as_bytes(), out);
            }
            None => send(400, "text/plain", b"want /api/add/{a}/{b}\n", out),
        }
    }
}

/// The sum that a target asks for.
fn sum(target: &str) -> Option<i64> {
    let path = target.split('?').next()?;
    let (a, b) = path.strip_prefix("/api/add/")?.split_once('/')?;
    a.parse::<i64>().ok()?.checked_add(b.parse().ok()?)
}

fn send(status: u16, kind: &str, text: &[u8], out: ResponseOutparam) {
    let length = text.len().to_string();
    let headers = [
        ("content-type".to_owned(), kind.as_bytes().to_vec()),
        ("content-length".to_owned(), length.into_bytes()),
    ];
    let fields = Fields::from_list(&headers).expect("the headers are well formed");
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).expect("the status is a valid one");
    let body = response.body().expect("the body was not taken yet");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("the stream was not taken yet");
    // It fails when the caller has gone; then there is nobody to tell.
    let sent = stream.blocking_write_and_flush(text);
    drop(stream);
    if sent.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}
