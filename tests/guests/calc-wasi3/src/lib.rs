//! What `GET /api/add/{a}/{b}` of calc does, as a plain `wasi:http` 0.3
//! component: the same answer, with as few calls of the host as it takes.

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{spawn_local, wit_future, wit_stream};

struct Calc;

wasip3::http::service::export!(Calc);

impl wasip3::exports::http::handler::Guest for Calc {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        Ok(match sum(&target) {
            Some(result) => {
                let json = format!(r#"{{"message":"Hello 🌍","from":"pico","result":{result}}}"#);
                respond(200, "application/json", json.into_bytes())
            }
            None => respond(400, "text/plain", b"want /api/add/{a}/{b}\n".to_vec()),
        })
    }
}

/// The sum that a target asks for.
fn sum(target: &str) -> Option<i64> {
    let path = target.split('?').next()?;
    let (a, b) = path.strip_prefix("/api/add/")?.split_once('/')?;
    a.parse::<i64>().ok()?.checked_add(b.parse().ok()?)
}

fn respond(status: u16, kind: &str, text: Vec<u8>) -> Response {
    let length = text.len().to_string();
    let headers = [
        ("content-type".to_owned(), kind.as_bytes().to_vec()),
        ("content-length".to_owned(), length.into_bytes()),
    ];
    let fields = Fields::from_list(&headers).expect("the headers are well formed");
    let (mut body, contents) = wit_stream::new();
    // Dropped unwritten it says that there are no trailers.
    let (_end, trailers) = wit_future::new(|| Ok(None));
    // The future that says whether the response was sent is of no interest.
    let (response, _sent) = Response::new(fields, Some(contents), trailers);
    response.set_status_code(status).expect("the status is a valid one");
    // The body is read when the head has been returned, so it is written by a
    // task of its own.
    spawn_local(async move {
        body.write_all(text).await;
    });
    response
}
