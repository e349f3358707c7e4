//! The front: connections on `--listen`, and the way of a request through the
//! host.
//!
//! accept → connection → judge the head → take the live table → find the
//! route → admit → call → answer. Nothing here waits for a deploy: the table is
//! a value taken once for each request.

mod accept;
mod access;
mod body;
mod browsers;
mod clock;
mod connection;
mod door;
mod gateway;
mod head;
mod health;
mod openapi;
mod refused;
mod respond;
mod watch;
mod websocket;

pub(crate) use accept::bind;
pub(crate) use websocket::Tally;

use crate::block::Params;
use crate::browsers::Browsers;
use crate::call::{Answer, Call, CallBody, CallHead, Entrance, RequestIds};
use crate::client::Client;
use crate::cookie;
use crate::cores::Cores;
use crate::crew::{Crew, StopSignal};
use crate::edges::{OUTSIDE, Went};
use crate::fault::Fault;
use crate::gate::{Admission, Gate};
use crate::gateway::Gateway;
use crate::limits::HostLimits;
use crate::live::{Live, Target};
use crate::pool::Served;
use crate::publish::Snapshots;
use crate::registry::Registry;
use crate::selector::read_requirement;
use crate::sockets::Sockets;
use crate::traces::Traces;
use crate::traffic::Asked;
use crate::travel::{self, VERSION};
use crate::upgrade::{self, Origins};
use ::http::{HeaderMap, Method, Request, Response};
use accept::Connections;
use access::Whose;
use gateway::{Arrived, Paces};
use hyper::body::{Body as _, Incoming};
use openapi::Documents;
use respond::Respond;
use semver::VersionReq;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use watch::Watch;
use websocket::{Opened, Tallies};

/// What the front needs to know of the host.
pub(crate) struct Front {
    pub(crate) live: Snapshots<Live>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) limits: HostLimits,
    traces: Traces,
    client: Client,
    pub(crate) browsers: Browsers,
    /// Messages of those of them that came by plain WebSocket.
    pub(crate) browser_tally: Arc<Tally>,
    cores: Arc<Cores>,
    /// Connections, and what outlives them for a while.
    pub(crate) crew: Crew,
    /// Tasks of HTTP/2 streams, which their connections wait for.
    pub(crate) streams: Crew,
    pub(crate) sockets: Sockets,
    /// How the WebSockets of services do.
    pub(crate) websockets: Tallies,
    /// Whose pages may open sockets.
    origins: Origins,
    gateway: Gateway,
    paces: Option<Paces>,
    ids: RequestIds,
    documents: Documents,
    connections: Arc<Connections>,
    requests: Gate,
    /// Requests that found no place among all of them.
    sheds: AtomicU64,
    /// Whether there is a line for each request.
    has_access_log: bool,
    watch: Watch,
    stopping: AtomicBool,
}

/// What `OPTIONS *` is told.
const ALLOW_ALL: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Time a request waits when the whole host is full.
const HOST_QUEUE_WAIT: Duration = Duration::from_millis(100);

/// What the front stands on.
pub(crate) struct Ground {
    pub(crate) live: Snapshots<Live>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) client: Client,
    pub(crate) browsers: Browsers,
    pub(crate) crew: Crew,
    pub(crate) cores: Arc<Cores>,
    pub(crate) sockets: Sockets,
    pub(crate) origins: Origins,
    pub(crate) has_access_log: bool,
    pub(crate) gateway: Gateway,
    pub(crate) traces: Traces,
    /// What its services are reached at from outside.
    pub(crate) domain: String,
}

impl Front {
    pub(crate) fn new(ground: Ground, limits: HostLimits) -> Arc<Self> {
        let Ground { live, registry, client, browsers, crew, cores, sockets, .. } = ground;
        let Ground { origins, domain, has_access_log, gateway, traces, .. } = ground;
        let requests = Gate::new(limits.requests_max, limits.requests_max, HOST_QUEUE_WAIT);
        let (ids, stopping) = (RequestIds::default(), AtomicBool::new(false));
        let streams = Crew::default();
        let watch = Watch::default();
        Arc::new(Self {
            live,
            registry,
            client,
            browsers,
            browser_tally: Arc::default(),
            cores,
            limits,
            traces,
            crew,
            streams,
            sockets,
            websockets: Tallies::default(),
            origins,
            gateway,
            paces: Paces::of(&limits),
            ids,
            documents: Documents::new(domain),
            connections: Arc::default(),
            requests,
            sheds: AtomicU64::new(0),
            has_access_log,
            watch,
            stopping,
        })
    }

    /// Watches over the connections until told to stop.
    pub(crate) async fn keep_watch(self: Arc<Self>, stop: StopSignal) {
        let forget = || self.forget_addresses();
        self.watch.keep(&self.limits, self.crew.stop_signal(), stop, forget).await;
    }

    /// From now on the host says that it is going down.
    pub(crate) fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the host is going down.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Requests that run now.
    pub(crate) fn requests(&self) -> usize {
        self.requests.inside()
    }

    /// Requests that were turned away since too many ran.
    pub(crate) fn sheds(&self) -> u64 {
        self.sheds.load(Ordering::Relaxed)
    }

    /// Connections that are open, and those that there was no place for.
    pub(crate) fn connections(&self) -> (usize, u64) {
        (self.connections.count_open(), self.connections.count_turned_away())
    }

    /// Answers one request, which the gateway has seen to.
    async fn serve(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        arrived: Arrived,
    ) -> Response<Respond> {
        if let Err(fault) = self.keep_pace(arrived.from) {
            return self.turn_away(&request, &fault);
        }
        if let Some(answer) = self.answer_alone(&request) {
            return answer;
        }
        if request.uri().path().starts_with(cookie::SESSION_PATH) {
            cookie::withhold(request.headers_mut());
        }
        if let Some(way) = browsers::way(request.uri().path()) {
            return Box::pin(browsers::answer(self, way, request, arrived.from)).await;
        }
        let mut waits_since = None;
        let patience = || {
            waits_since = Some(Instant::now());
            HOST_QUEUE_WAIT
        };
        let permit = match self.requests.admit(patience).await {
            Admission::Granted(permit) => permit,
            Admission::Shed => {
                self.sheds.fetch_add(1, Ordering::Relaxed);
                return self.turn_away_late(&request, &Fault::HostOverloaded, waits_since);
            }
            Admission::Closing => {
                return self.turn_away_late(&request, &Fault::Stopping, waits_since);
            }
        };
        if !request.extensions().is_empty() && upgrade::is_wanted(request.headers()) {
            // Boxed: hardly any request goes this way, and all would be as large.
            match Box::pin(websocket::open(self, request)).await {
                Opened::Answered(answer) => return answer,
                Opened::NoSocket(unopened) => request = unopened,
            }
        }
        let (call, body) = self.begin(request);
        let mut whose = self.has_access_log.then(|| Box::new(Whose::of(&call)));
        let mut response = if arrived.way.is_some() {
            // Boxed, too.
            Box::pin(gateway::answer(self, arrived, call, body, permit)).await
        } else {
            let (verb, request_id) = (call.head.verb.clone(), call.context.request_id.clone());
            match self.call(call, body, &mut whose).await {
                Ok(answer) => respond::answer_of(answer, &verb, &request_id, permit),
                Err(Away::Fault(fault)) => respond::fault_of(&fault, &request_id),
                Err(Away::Options(allow)) => respond::options(&allow),
            }
        };
        if let Some(whose) = whose {
            response.extensions_mut().insert(whose);
        }
        response
    }

    /// Answers what needs no service.
    fn answer_alone(&self, request: &Request<Incoming>) -> Option<Response<Respond>> {
        if let Err(fault) = head::judge(request, &self.limits) {
            return Some(self.turn_away(request, &fault));
        }
        if request.uri().path() == "*" {
            return Some(respond::options(ALLOW_ALL));
        }
        health::answer(self, request).or_else(|| openapi::answer(self, request))
    }

    fn begin(&self, request: Request<Incoming>) -> (Box<Call>, Incoming) {
        let (parts, body) = request.into_parts();
        let context = travel::read(&parts.headers, &self.ids);
        let (verb, uri, params) = (parts.method, parts.uri, Params::default());
        let head = CallHead { verb, uri, params, headers: parts.headers };
        (
            Box::new(Call { entrance: Entrance::Method(0), head, body: CallBody::Empty, context }),
            body,
        )
    }

    /// Makes the call that a request is.
    async fn call(
        &self,
        mut call: Box<Call>,
        body: Incoming,
        whose: &mut Option<Box<Whose>>,
    ) -> Result<Answer, Away> {
        let mut arriving = Some(body);
        loop {
            let target = match self.find(&mut call) {
                Ok(target) => target,
                Err(Away::Fault(fault)) => return Err(self.note_unmade(&call, fault).into()),
                Err(options) => return Err(options),
            };
            if let Some(whose) = whose {
                whose.note(&target);
            }
            let method = target.method().map_err(|fault| self.note_unmade(&call, fault))?;
            call.entrance = Entrance::Method(method);
            let service = target.service;
            if let Some(body) = arriving.take_if(|body| !body.is_end_stream()) {
                let bytes_max = service.limits().request_body_bytes;
                let begun = body::begin(body, &call.head.headers, bytes_max, &self.limits).await;
                call.body = begun.map_err(|fault| self.note_unmade(&call, fault))?;
            }
            match service.call(call).await {
                Served::Answered(outcome) => {
                    let name = service.declaration.name.as_str();
                    self.client.edges().count(OUTSIDE, name, Went::of(&outcome));
                    return Ok(outcome?);
                }
                // Replaced between the look-up and the gate: look again.
                Served::Closing(again) => call = again,
            }
        }
    }

    /// Finds the route of a call and captures its parameters.
    fn find(&self, call: &mut Call) -> Result<Target, Away> {
        let version = version(&call.head.headers)?;
        let asked = Asked { version, random: call.context.request_id.bits() };
        match self.live.peek().resolve(&call.head.verb, call.head.uri.path(), &asked) {
            Ok((target, params)) => {
                call.head.params = params;
                Ok(target)
            }
            Err(Fault::VerbNotAllowed { allow, .. }) if call.head.verb == Method::OPTIONS => {
                Err(Away::Options(allow))
            }
            Err(fault) => Err(Away::Fault(fault)),
        }
    }
}

/// The version that a request asks for.
fn version(headers: &HeaderMap) -> Result<Option<VersionReq>, Fault> {
    let Some(value) = headers.get(VERSION) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let wanted = read_requirement(&text);
    wanted.map(Some).map_err(|error| Fault::BadCall { message: error.to_string() })
}

/// A request that gets no answer of a service.
enum Away {
    Options(String),
    Fault(Fault),
}

impl From<Fault> for Away {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
