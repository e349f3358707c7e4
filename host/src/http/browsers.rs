//! The paths of browsers: `/socket.io/`, `/ws` and `/events`. They come before
//! the routes, since no service can have them.

mod ws;

use super::respond::{self, Respond};
use super::{Front, accept, body, websocket};
use crate::browsers::{Carried, Cause, Known, Place, Transport};
use crate::fault::{Fault, SocketFault};
use crate::upgrade;
use bytes::Bytes;
use futures::StreamExt;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE, HeaderMap,
    HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, VARY,
};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How a browser asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    SocketIo,
    WebSocket,
    Events,
}

/// The way that a path is of. Hardly any path gets beyond its second byte.
pub(super) fn way(path: &str) -> Option<Way> {
    match path.as_bytes().get(1)? {
        b's' => {
            let rest = path.strip_prefix("/socket.io")?;
            (rest.is_empty() || rest.starts_with('/')).then_some(Way::SocketIo)
        }
        b'w' => (path == "/ws").then_some(Way::WebSocket),
        b'e' => (path == "/events").then_some(Way::Events),
        _ => None,
    }
}

/// Answers a browser.
pub(super) async fn answer(
    front: &Arc<Front>,
    way: Way,
    request: Request<Incoming>,
    from: IpAddr,
) -> Response<Respond> {
    if let Err(fault) = front.browsers.judge_origin(&request) {
        return front.turn_away(&request, &fault);
    }
    // A body is taken out of it, and the rest is there for whoever is turned away.
    let mut request = request.map(Some);
    let origin = request.headers().get(ORIGIN).cloned();
    let is_preflight = *request.method() == Method::OPTIONS && way != Way::WebSocket;
    let answered = match way {
        _ if is_preflight => Ok(preflight(way)),
        Way::SocketIo => socketio(front, &mut request, from).await,
        Way::WebSocket => ws::open(front, &mut request, from),
        Way::Events => events(front, &request, from),
    };
    let mut response = answered.unwrap_or_else(|fault| front.turn_away(&request, &fault));
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// What a way takes.
fn allow(way: Way) -> &'static str {
    match way {
        Way::SocketIo => "GET, POST, OPTIONS",
        Way::WebSocket => "GET",
        Way::Events => "GET, HEAD, OPTIONS",
    }
}

/// Tells a browser what it may send on behalf of another origin.
fn preflight(way: Way) -> Response<Respond> {
    let mut response = respond::options(allow(way));
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allow(way)));
    let taken = HeaderValue::from_static("content-type, last-event-id");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, taken);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// Events as they are published.
fn events<B>(
    front: &Front,
    request: &Request<B>,
    from: IpAddr,
) -> Result<Response<Respond>, Fault> {
    let is_head = *request.method() == Method::HEAD;
    if *request.method() != Method::GET && !is_head {
        return Err(respond::not_allowed(request, allow(Way::Events)));
    }
    let last = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let told = front.browsers.tell(request.uri().query().unwrap_or_default(), last)?;
    let content = if is_head {
        Respond::bytes(Bytes::new())
    } else {
        let place = front.browsers.place(from, Transport::Events)?;
        let mut stop = front.crew.stop_signal();
        let leaving = place.clone();
        let stopped = async move {
            stop.stopped().await;
            leaving.leave(Cause::Stopping);
        };
        let lines = told.lines(Box::pin(stopped), place);
        Respond::stream(lines.map(Ok).boxed())
    };
    let mut response = Response::new(content);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What socket.io says of a session that is not there.
const UNKNOWN_SESSION: &str = r#"{"code":1,"message":"Session ID unknown"}"#;

async fn socketio(
    front: &Arc<Front>,
    request: &mut Request<Option<Incoming>>,
    from: IpAddr,
) -> Result<Response<Respond>, Fault> {
    if ![Method::GET, Method::POST].contains(request.method()) {
        return Err(respond::not_allowed(request, allow(Way::SocketIo)));
    }
    let query = request.uri().query().unwrap_or_default();
    let is_upgrade = query.split('&').any(|pair| pair == "transport=websocket");
    let place = match front.browsers.known(query) {
        Known::New => front.browsers.place(from, Transport::SocketIo)?,
        Known::Session(place) => place,
        Known::Gone => {
            let mut response = Response::new(Respond::bytes(UNKNOWN_SESSION));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            return Ok(response);
        }
    };
    if is_upgrade {
        return carry(front, request, place);
    }
    let bytes_max = front.limits.websocket_message_bytes_max as u64;
    let bytes = match request.body_mut().take() {
        Some(body) => body::gather(body, request.headers(), bytes_max, &front.limits).await?,
        None => Bytes::new(),
    };
    let request = std::mem::take(request).map(|_| bytes);
    let response = front.browsers.poll(request, &place).await;
    Ok(response.map(Respond::bytes))
}

/// Hands a connection over to socket.io once it is a WebSocket.
fn carry(
    front: &Arc<Front>,
    request: &mut Request<Option<Incoming>>,
    place: Arc<Place>,
) -> Result<Response<Respond>, Fault> {
    let handshake = upgrade::judge(request)?;
    if !request.uri().query().is_some_and(|query| query.contains("EIO=4")) {
        let message = "want EIO=4, which is spoken here".to_owned();
        return Err(SocketFault::BadHandshake { message }.into());
    }
    let stall_max = Duration::from_millis(front.limits.write_stall_ms_max);
    // The connection counts as one to its end.
    let connection = request.extensions_mut().remove::<Arc<accept::Place>>();
    let connection = connection.map(|place| -> Arc<dyn Any + Send + Sync> { place });
    let upgrading = hyper::upgrade::on(&mut *request);
    let (browsers, request) = (front.browsers.clone(), std::mem::take(request).map(drop));
    front.crew.hire("upgrade", move |mut stop| async move {
        let taken = tokio::select! {
            taken = websocket::take(upgrading) => taken,
            () = stop.stopped() => None,
        };
        if let Some((tcp, early)) = taken {
            let carried = Carried::new(tcp, place, stall_max).with(early, connection);
            browsers.carry(request, carried).await;
        }
    });
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(SEC_WEBSOCKET_ACCEPT, handshake.accept);
    Ok(respond::switching(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_browsers_are_told_from_all_others() {
        for path in ["/socket.io", "/socket.io/", "/socket.io/x"] {
            assert_eq!(way(path), Some(Way::SocketIo), "{path}");
        }
        assert_eq!(way("/ws"), Some(Way::WebSocket));
        assert_eq!(way("/events"), Some(Way::Events));
        for path in ["", "/", "*", "/socket.iox", "/services/calc", "/wsx", "/ws/", "/events/a"] {
            assert_eq!(way(path), None, "{path}");
        }
    }
}
