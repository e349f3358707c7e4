//! Asks strangers through `wasi:http` 0.3. The URL is the query as it comes;
//! `/get` passes the answer on, `/trap` panics in the middle of a body.

use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use wasip3::{spawn_local, wit_future, wit_stream};

struct Fetches;

wasip3::http::service::export!(Fetches);

impl wasip3::exports::http::handler::Guest for Fetches {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, url) = target.split_once('?').unwrap_or((target.as_str(), ""));
        let fetched = match path.ends_with("/trap") {
            true => trap(url).await,
            false => fetch(url).await,
        };
        Ok(match fetched {
            Ok((status, body)) => answer(status, body),
            Err(error) => answer(502, format!("{error:?}").into_bytes()),
        })
    }
}

/// Says where a request goes.
fn aim(request: &Request, url: &str) -> Option<()> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    request.set_scheme(Some(&scheme)).ok()?;
    request.set_authority(Some(authority)).ok()?;
    let path = if path.is_empty() { "/" } else { path };
    request.set_path_with_query(Some(path)).ok()
}

async fn fetch(url: &str) -> Result<(u16, Vec<u8>), ErrorCode> {
    // Dropped unwritten it says that there are no trailers.
    let (_end, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, trailers, None);
    if aim(&request, url).is_none() {
        return Ok((400, b"no URL".to_vec()));
    }
    let response = client::send(request).await?;
    let status = response.get_status_code();
    let (_read_well, verdict) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(response, verdict);
    let bytes = body.collect().await;
    trailers.await?;
    Ok((status, bytes))
}

/// Panics when some pieces of the body are out. Each waits for the one before,
/// so the request is on its way by then.
async fn trap(url: &str) -> Result<(u16, Vec<u8>), ErrorCode> {
    let (mut body, contents) = wit_stream::new();
    let (_end, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), Some(contents), trailers, None);
    request.set_method(&Method::Post).expect("the verb is a valid one");
    aim(&request, url).expect("a URL");
    spawn_local(async move {
        for _ in 0..8 {
            body.write_all(b"a piece".to_vec()).await;
        }
        panic!("this guest was asked to trap");
    });
    client::send(request).await.map(|response| (response.get_status_code(), Vec::new()))
}

fn answer(status: u16, bytes: Vec<u8>) -> Response {
    let (mut body, contents) = wit_stream::new();
    let (_end, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(contents), trailers);
    response.set_status_code(status).expect("the status is a valid one");
    spawn_local(async move {
        body.write_all(bytes).await;
    });
    response
}
