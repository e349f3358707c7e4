//! Bare hyper: the same answer without a host and without Wasm.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Serves on a port of its own, in the runtime of the host.
pub(crate) async fn serve() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A connection without it is as good a server as one with it.
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer));
                let _ = connection.await;
            });
        }
    });
    Ok(address)
}

#[derive(serde::Serialize)]
struct Sum {
    message: &'static str,
    from: &'static str,
    result: i64,
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut numbers = request.uri().path().rsplit('/').map(str::parse::<i64>);
    let result = match (numbers.next(), numbers.next()) {
        (Some(Ok(b)), Some(Ok(a))) => a.wrapping_add(b),
        _ => 0,
    };
    let sum = Sum { message: "Hello 🌍", from: "pico", result };
    let body = serde_json::to_vec(&sum).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}
