//! WebSockets of services: what happens at one is told by calls.
//!
//! A socket belongs to a service and not to a revision. Each call looks for a
//! version that has the WebSocket now, so a swap is seen by nobody at the other
//! end, and what comes meanwhile goes to the new one.

use super::pace::pause;
use super::{Agreed, Attendant, Bounds, Ended, Outbox, Tally, code, upgrade};
use crate::block::Params;
use crate::call::{Call, CallBody, CallContext, CallHead, Entrance, Properties};
use crate::declaration::{Place, WebSocket};
use crate::fault::{Fault, SocketFault};
use crate::http::access::Whose;
use crate::http::respond::{self, Respond};
use crate::http::{Front, accept, door, version};
use crate::live::Target;
use crate::name::Name;
use crate::pool::{Served, Service};
use crate::route::Pattern;
use crate::sockets::{Closing, Message, Outlet, Owner, Payload, Present, SocketId};
use crate::traffic::Asked;
use crate::travel;
use crate::upgrade::{choose_protocol, judge, own};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use hyper::body::Incoming;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

/// What became of a request that asks for a WebSocket.
pub(in crate::http) enum Opened {
    Answered(Response<Respond>),
    /// There is none where it leads: it is a request like any other.
    NoSocket(Request<Incoming>),
}

/// A socket of a service. It outlives the revisions of it.
struct Session {
    front: Arc<Front>,
    service: Name,
    websocket: Name,
    pattern: Pattern,
    /// Those of the handshake.
    uri: Uri,
    params: Params,
    properties: Properties,
    /// The version that was asked for, and the lot for the others.
    asked: Asked,
    tally: Arc<Tally>,
}

/// A session whose socket is open.
struct OpenSession {
    session: Arc<Session>,
    id: SocketId,
    /// Until it is closed.
    present: Option<Present>,
    /// Whether the service was asked to take it, did not refuse, and was not told
    /// of its end.
    is_known: bool,
    /// The client counts as connected until the service has been told.
    connection: Option<Arc<accept::Place>>,
}

/// Something that happened at a socket, as the service is told of it.
struct Happening {
    head: CallHead,
    body: Bytes,
}

/// No version of the service has the WebSocket any more.
struct Removed;

/// The line of a socket, as the host knows it.
struct Line {
    session: Arc<Session>,
    outbox: Arc<Outbox>,
}

const CLOSE_CODE: HeaderName = HeaderName::from_static("x-close-code");

/// Opens a WebSocket of a service.
pub(in crate::http) async fn open(front: &Arc<Front>, request: Request<Incoming>) -> Opened {
    if request.method() != Method::GET {
        return Opened::NoSocket(request);
    }
    let context = travel::read(request.headers(), &front.ids);
    let Some(found) = find(front, &request, &context) else { return Opened::NoSocket(request) };
    let request_id = context.request_id.clone();
    let whose = front.has_access_log.then(|| Box::new(Whose::to(&found.target, &request_id)));
    let opened = try_open(front, request, found, context).await;
    let mut response = opened.unwrap_or_else(|fault| respond::fault_of(&fault, &request_id));
    if let Some(whose) = whose {
        response.extensions_mut().insert(whose);
    }
    Opened::Answered(response)
}

/// Where a request leads, when that is a WebSocket.
struct Found {
    session: Session,
    protocols: Vec<String>,
    target: Target,
}

fn find<B>(front: &Arc<Front>, request: &Request<B>, context: &CallContext) -> Option<Found> {
    let asked =
        Asked { version: version(request.headers()).ok()?, random: context.request_id.bits() };
    let (live, path) = (front.live.take(), request.uri().path());
    let (target, params, uri) = match door::split(path) {
        Some((name, rest)) => {
            let name = crate::path::decode(name).ok()?;
            front.check_reach(None, &name).ok()?;
            let rest = if rest.is_empty() { "/" } else { rest };
            let (target, params) = live.draw_route(&name, &Method::GET, rest, &asked)?;
            let root = &target.service.declaration.root;
            let uri = match request.uri().query() {
                Some(query) => format!("{root}{rest}?{query}"),
                None => format!("{root}{rest}"),
            };
            (target, params, uri.parse::<Uri>().ok()?)
        }
        None => {
            let (target, params) = live.resolve(&Method::GET, path, &asked).ok()?;
            (target, params, own(request.uri()))
        }
    };
    let Place::WebSocket(index) = target.place else { return None };
    let declaration = &target.service.declaration;
    let WebSocket { name, pattern, protocols, .. } = declaration.websockets.get(index as usize)?;
    let service = declaration.name.clone();
    let session = Session {
        front: front.clone(),
        tally: front.websockets.of(&service),
        service,
        websocket: name.clone(),
        pattern: pattern.clone(),
        uri,
        params,
        properties: context.properties.clone(),
        asked,
    };
    Some(Found { session, protocols: protocols.clone(), target })
}

/// Judges the handshake, tells the service, and goes on as a WebSocket.
async fn try_open(
    front: &Arc<Front>,
    mut request: Request<Incoming>,
    found: Found,
    context: CallContext,
) -> Result<Response<Respond>, Fault> {
    let unmade = |fault: Fault| {
        front.note_refused(request.method(), &context.request_id, Instant::now(), &fault);
        fault
    };
    let handshake = judge(&request).map_err(unmade)?;
    front.origins.judge(&request).map_err(unmade)?;
    let Found { session, protocols, target } = found;
    let protocol = choose_protocol(&protocols, &handshake.protocols).map(str::to_owned);
    let (outbox, tally) = (Arc::<Outbox>::default(), session.tally.clone());
    let (owner, session) = (Owner::Service(session.service.clone()), Arc::new(session));
    let line = Arc::new(Line { session: session.clone(), outbox: outbox.clone() });
    let present = front.sockets.enter(owner, line.clone());
    let too_many = |max| unmade(SocketFault::TooMany { max }.into());
    let present = present.map_err(|error| too_many(error.max))?;
    let connection = request.extensions().get::<Arc<accept::Place>>().cloned();
    let mut session = OpenSession::new(session, present, connection);
    session.begin(target, context, request.headers()).await?;
    // It may have been removed before the socket was there to be told.
    line.follow();
    if front.crew.is_disbanding() {
        Box::new(session).closed(Closing::new(code::AWAY, "the host is stopping")).await;
        return Err(Fault::Stopping);
    }
    let (bounds, attendant) = (Bounds::of(&front.limits), Box::new(session));
    let agreed = Agreed { handshake, protocol, outbox, bounds, tally, attendant };
    Ok(upgrade(front, &mut request, agreed))
}

impl OpenSession {
    fn new(
        session: Arc<Session>,
        present: Present,
        connection: Option<Arc<accept::Place>>,
    ) -> Self {
        let (id, present) = (present.id().clone(), Some(present));
        Self { session, id, present, is_known: false, connection }
    }

    /// Asks the service whether it wants the socket: the version that the
    /// request was found to lead to, or who is in its place.
    async fn begin(
        &mut self,
        target: Target,
        mut context: CallContext,
        headers: &HeaderMap,
    ) -> Result<(), Fault> {
        let happening = self.session.happening("OPEN", headers.clone(), Bytes::new());
        context.socket = Some(self.id.clone());
        let mut found = match target.place {
            Place::WebSocket(index) => Some((target.service, index)),
            Place::Method(_) => None,
        };
        loop {
            let Some((service, index)) = found else { return Err(self.session.no_route()) };
            let mut context = context.clone();
            context.deadline = context.deadline.min(Instant::now() + service.limits().wall());
            let call = happening.call(index, context);
            // Who leaves meanwhile has this dropped.
            self.is_known = true;
            let served = service.call(Box::new(call)).await;
            self.is_known = matches!(served, Served::Answered(Ok(_)));
            match served {
                Served::Answered(outcome) => return outcome.map(drop),
                // Replaced between the look-up and the gate: look again.
                Served::Closing(_) => found = self.session.find(),
            }
        }
    }

    /// From now on it can be sent nothing. What is given back tells the service
    /// of the end.
    fn end(&mut self, closing: Closing) -> BoxFuture<'static, ()> {
        self.is_known = false;
        self.present = None;
        let (session, id) = (self.session.clone(), self.id.clone());
        let headers = HeaderMap::from_iter([(CLOSE_CODE, HeaderValue::from(closing.code))]);
        let happening = session.happening("CLOSE", headers, closing.reason.into());
        async move {
            // Who is not there any more need not be told.
            let _ = session.tell(&id, happening).await;
        }
        .boxed()
    }
}

impl Drop for OpenSession {
    /// The peer left while the service was asked, or nobody is hired to carry the
    /// socket any more.
    fn drop(&mut self) {
        if !self.is_known {
            return;
        }
        let (told, connection) = (self.end(Ended::gone().closing), self.connection.take());
        let front = &self.session.front;
        // A host that stops hires for streams for as long as there are connections.
        let crew = if front.crew.is_disbanding() { &front.streams } else { &front.crew };
        if let Ok(threads) = Handle::try_current() {
            crew.hire_on(&threads, "websocket end", |_stop| async move {
                told.await;
                drop(connection);
            });
        }
    }
}

impl Attendant for OpenSession {
    fn hear(&mut self, payload: Payload) -> BoxFuture<'_, Result<(), Closing>> {
        let verb = match &payload {
            Payload::Text(_) => "TEXT",
            Payload::Binary(_) => "BINARY",
        };
        let happening = self.session.happening(verb, HeaderMap::new(), payload.bytes());
        let told = self.session.tell(&self.id, happening);
        let gone = |Removed| Ended::removed().closing;
        told.map(move |told| told.map_err(gone)).boxed()
    }

    fn closed(mut self: Box<Self>, closing: Closing) -> BoxFuture<'static, ()> {
        self.end(closing)
    }
}

impl Session {
    /// Tells the service what has happened. One that has no place for it now is
    /// asked again, less and less often, for as long as a call may take.
    async fn tell(&self, socket: &SocketId, happening: Happening) -> Result<(), Removed> {
        let (mut given_up, mut pauses) = (None, 0);
        loop {
            let Some((service, index)) = self.find() else { return Err(Removed) };
            let given_up =
                *given_up.get_or_insert_with(|| Instant::now() + service.limits().wall());
            let mut context = CallContext::outermost(self.front.ids.next(None, None), given_up);
            context.properties = self.properties.clone();
            context.socket = Some(socket.clone());
            let call = happening.call(index, context);
            let (fault, may_again) = match service.call(Box::new(call)).await {
                Served::Answered(Ok(_)) => return Ok(()),
                Served::Answered(Err(fault)) => {
                    let is_full = matches!(fault, Fault::Overloaded { .. } | Fault::HostOverloaded);
                    (fault, is_full)
                }
                Served::Closing(_) => (Fault::Stopping, true),
            };
            let now = Instant::now();
            if !may_again || given_up <= now {
                self.tally.note_failure(&self.service, &self.websocket, &fault);
                return Ok(());
            }
            sleep_until(given_up.min(now + pause(pauses, self.asked.random))).await;
            pauses += 1;
        }
    }

    /// A version that has the WebSocket, and where. The one that was asked for,
    /// or who takes traffic, or who is there.
    fn find(&self) -> Option<(Arc<Service>, u32)> {
        let live = self.front.live.peek();
        let (name, asked) = (self.service.as_str(), &self.asked);
        let has = |version: &Service| version.declaration.websocket(&self.websocket, &self.pattern);
        let anybody = Asked { version: None, random: asked.random };
        let drawn = live.draw(name, asked, has).or_else(|| live.draw(name, &anybody, has));
        drawn.or_else(|| {
            let mut versions = live.versions(name).iter();
            versions.find_map(|version| Some((version.clone(), has(version)?)))
        })
    }

    fn happening(&self, verb: &str, headers: HeaderMap, body: Bytes) -> Happening {
        let verb = Method::from_bytes(verb.as_bytes()).unwrap_or_default();
        let (uri, params) = (self.uri.clone(), self.params.clone());
        Happening { head: CallHead { verb, uri, params, headers }, body }
    }

    fn no_route(&self) -> Fault {
        Fault::NoRoute { verb: "GET".to_owned(), path: self.uri.path().to_owned() }
    }
}

impl Happening {
    /// The call that the service knows it by.
    fn call(&self, index: u32, context: CallContext) -> Call {
        let (head, body) = (self.head.clone(), self.body.clone());
        let body = if body.is_empty() { CallBody::Empty } else { CallBody::Bytes(body) };
        Call { entrance: Entrance::Socket(index), head, body, context }
    }
}

impl Outlet for Line {
    fn send(&self, message: &Arc<Message>) {
        self.outbox.send(message.payload.clone());
    }

    fn close(&self, closing: Closing) {
        self.outbox.close(closing);
    }

    fn follow(&self) {
        if self.session.find().is_none() {
            self.outbox.end(Ended::removed());
        }
    }
}
