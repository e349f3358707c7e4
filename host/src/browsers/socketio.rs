//! socket.io: the protocol is that of the crate, its places and its namespaces
//! are those of the host.
//!
//! The crate starts the tasks of its transports by itself. What a call needs
//! beyond reading its message is done by the host's crew.

mod carried;
mod session;
mod spoken;

pub(crate) use carried::Carried;

use super::places::{Cause, Place};
use super::space::Space;
use super::{Browsers, Shared};
use crate::name::Name;
use crate::upgrade::own;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use session::Door;
use socketioxide::service::SocketIoService;
use socketioxide::{ParserConfig, SocketIo};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tower_service::Service;

/// How often a browser is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(25);
/// Time in which it has to say so.
const PONG_TIME: Duration = Duration::from_secs(20);
/// Messages that a browser may be behind.
const BEHIND_MAX: usize = 256;
/// Time in which a browser has to enter a namespace.
const ENTER_TIME: Duration = Duration::from_secs(20);
/// Time in which the attachments of a message have to come.
const ATTACHMENTS_TIME: Duration = Duration::from_secs(10);
/// Attachments of one message.
const ATTACHMENTS_MAX: usize = 16;
/// Time in which browsers are told that the host stops.
const CLOSE_TIME: Duration = Duration::from_millis(500);
/// Bytes that a connection is read by.
const READ_BUFFER_BYTES: usize = 4 << 10;

/// The packet of engine.io that ends a session.
const CLOSE: &[u8] = b"1";

/// The path of socket.io, and all below it.
const PATH: &str = "/socket.io";

/// socket.io of this host.
pub(super) struct SocketIoSide {
    service: SocketIoService<Nowhere>,
    io: SocketIo,
    /// Places of sessions that are there, by session.
    sessions: Sessions,
}

#[derive(Default)]
struct Sessions {
    by_id: Mutex<HashMap<String, Weak<Place>>>,
}

/// What is known of the session that a request belongs to.
pub(crate) enum Known {
    /// It begins one.
    New,
    Session(Arc<Place>),
    /// It says that it belongs to one, and there is none.
    Gone,
}

/// What stands behind socket.io: nothing.
#[derive(Clone)]
struct Nowhere;

impl SocketIoSide {
    pub(super) fn new(message_bytes_max: usize) -> Self {
        let parser = ParserConfig::common()
            .max_incoming_binary_buf_size(message_bytes_max)
            .max_incoming_binaries(ATTACHMENTS_MAX)
            .packet_completion_timeout(ATTACHMENTS_TIME);
        let (service, io) = SocketIo::builder()
            .req_path(PATH)
            .ping_interval(PING_EVERY)
            .ping_timeout(PONG_TIME)
            .max_buffer_size(BEHIND_MAX)
            .max_payload(message_bytes_max as u64)
            .ws_read_buffer_size(READ_BUFFER_BYTES)
            .ws_max_message_size(message_bytes_max)
            .ws_max_frame_size(message_bytes_max)
            .connect_timeout(ENTER_TIME)
            .with_parser(parser)
            .build_with_inner_svc(Nowhere);
        Self { service, io, sessions: Sessions::default() }
    }

    /// A namespace is there.
    pub(super) fn open(&self, browsers: &Browsers, space: &Arc<Space>) {
        let door = Door::new(Arc::downgrade(&browsers.shared), space.clone());
        self.io.ns(format!("/{}", space.name), door);
    }

    /// A namespace is gone. Its browsers were sent away.
    pub(super) fn forget(&self, namespace: &Name) {
        self.io.delete_ns(format!("/{namespace}"));
    }

    /// Sends everybody away.
    pub(super) async fn close(&self) {
        let told = timeout(CLOSE_TIME, self.io.close()).await;
        if told.is_err() {
            tracing::debug!("browsers that do not read are cut off");
        }
        let places: Vec<Arc<Place>> =
            self.sessions.lock().values().filter_map(Weak::upgrade).collect();
        for place in places {
            place.cut(Cause::Stopping);
        }
    }
}

impl Browsers {
    /// What is known of the session of a request.
    pub(crate) fn known(&self, query: &str) -> Known {
        let id = query.split('&').find_map(|pair| pair.strip_prefix("sid="));
        let Some(id) = id else { return Known::New };
        let place = self.shared.socketio.sessions.lock().get(id).and_then(Weak::upgrade);
        match place.filter(|place| !place.is_cut()) {
            Some(place) => Known::Session(place),
            None => Known::Gone,
        }
    }

    /// Answers a request of the transport that polls. A place is kept by the
    /// session that the request begins.
    pub(crate) async fn poll(
        &self,
        request: Request<Bytes>,
        place: &Arc<Place>,
    ) -> Response<Bytes> {
        let socketio = &self.shared.socketio;
        let (mut service, is_post) = (socketio.service.clone(), request.method() == Method::POST);
        let request = kept(request.map(Full::new), place);
        let answering = Service::<Request<Full<Bytes>>>::call(&mut service, request);
        let answered = if is_post {
            answering.await
        } else {
            // It may wait until there is something to say.
            tokio::select! {
                answered = answering => answered,
                () = place.was_cut() => return Response::new(Bytes::from_static(CLOSE)),
            }
        };
        let Ok(response) = answered;
        let (parts, body) = response.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(never) => match never {},
        };
        if !is_post {
            // It took what there was.
            place.caught_up();
            if let Some(id) = begun(&body) {
                self.begin(id, place);
            }
        }
        Response::from_parts(parts, body)
    }

    /// A session that polls is there, and has a place.
    fn begin(&self, id: String, place: &Arc<Place>) {
        let (shared, threads, ended) =
            (Arc::downgrade(&self.shared), Handle::current(), id.clone());
        place.ends_by(move || {
            if let Some(shared) = shared.upgrade() {
                shared.end(&ended, &threads);
            }
        });
        self.shared.socketio.sessions.add(id, place);
        self.cut_if_closing(place);
    }

    /// Who comes while everybody is sent away has been overlooked.
    fn cut_if_closing(&self, place: &Place) {
        if self.is_closing() {
            place.cut(Cause::Stopping);
        }
    }

    /// Carries a connection of the transport by WebSocket, to its end or that of
    /// its session. It goes on by itself.
    pub(crate) async fn carry<C>(&self, request: Request<()>, connection: Carried<C>)
    where
        C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let socketio = &self.shared.socketio;
        let place = connection.place().clone();
        let request = kept(request, &place);
        socketio.sessions.note(&place);
        self.cut_if_closing(&place);
        let mut service = socketio.service.clone();
        let call = Service::<(Carried<C>, Request<()>)>::call(&mut service, (connection, request));
        if let Err(error) = call.await {
            tracing::debug!(%error, "socket.io connection refused");
        }
    }
}

impl Shared {
    /// Ends a session that polls as its browser would, which is the one way that
    /// the crate has from outside. One by WebSocket ends with its connection and
    /// takes no notice.
    fn end(&self, id: &str, threads: &Handle) {
        let path = format!("{PATH}/?EIO=4&transport=polling&sid={id}");
        let Ok(uri) = path.parse::<Uri>() else { return };
        let mut request = Request::new(Full::new(Bytes::from_static(CLOSE)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let mut service = self.socketio.service.clone();
        let ending = Service::<Request<Full<Bytes>>>::call(&mut service, request);
        self.crew.hire_on(threads, "browser end", |_stop| async move {
            let Ok(_known_or_not) = ending.await;
        });
    }
}

/// A request without what nobody asks a session for. It keeps its place as long
/// as the session is there.
fn kept<B>(request: Request<B>, place: &Arc<Place>) -> Request<B> {
    let (mut parts, body) = request.into_parts();
    let content_type: Option<HeaderValue> = parts.headers.remove(CONTENT_TYPE);
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = own(&parts.uri);
    if let Some(content_type) = content_type {
        request.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    request.extensions_mut().insert(place.clone());
    request
}

/// The session that an answer begins: an open packet of engine.io.
fn begun(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Opened {
        sid: String,
    }
    let packet = body.strip_prefix(b"0")?;
    serde_json::from_slice(packet).ok().map(|Opened { sid }| sid)
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<Place>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, id: String, place: &Arc<Place>) {
        let mut by_id = self.lock();
        // Those that are gone are taken out now and then, at no cost for each.
        if by_id.len() == by_id.capacity() {
            by_id.retain(|_, place| 0 < place.strong_count());
        }
        by_id.insert(id, Arc::downgrade(place));
    }

    /// One that is carried by a WebSocket. Nobody asks for it by this name.
    fn note(&self, place: &Arc<Place>) {
        self.add(format!("ws {:p}", Arc::as_ptr(place)), place);
    }
}

impl Service<Request<Full<Bytes>>> for Nowhere {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Full<Bytes>>) -> Self::Future {
        let mut response = Response::new(Full::default());
        *response.status_mut() = http::StatusCode::NOT_FOUND;
        ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_session_is_known_by_the_packet_that_opens_it() {
        let packet = br#"0{"sid":"AAAA","upgrades":["websocket"],"pingInterval":25000}"#;
        assert_eq!(begun(packet).as_deref(), Some("AAAA"));
        assert_eq!(begun(b"2"), None);
        assert_eq!(begun(b"0{}"), None);
        assert_eq!(begun(b""), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_read(body in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = begun(&body);
        }
    }
}
