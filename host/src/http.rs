//! The front: connections on `--listen`, and the way of a request through the
//! host.
//!
//! accept → connection → judge the head → take the live table → find the
//! route → admit → call → answer. Nothing here waits for a deploy: the table is
//! a value taken once for each request.

mod accept;
mod body;
mod clock;
mod connection;
mod head;
mod health;
mod respond;
mod watch;

pub(crate) use accept::{Connections, bind};

use crate::block::Params;
use crate::call::{Answer, Call, CallBody, CallHead, RequestIds};
use crate::crew::{Crew, StopSignal};
use crate::fault::Fault;
use crate::gate::{Admission, Gate};
use crate::limits::HostLimits;
use crate::live::{Live, Target};
use crate::pool::Served;
use crate::publish::Snapshots;
use crate::registry::Registry;
use crate::route::Found;
use crate::travel;
use ::http::{Method, Request, Response, Uri};
use hyper::body::{Body as _, Incoming};
use respond::Respond;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use watch::Watch;

/// What the front needs to know of the host.
pub(crate) struct Front {
    pub(crate) live: Snapshots<Live>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) limits: HostLimits,
    /// Connections, and what outlives them for a while.
    pub(crate) crew: Crew,
    /// Tasks of HTTP/2 streams, which their connections wait for.
    pub(crate) streams: Crew,
    ids: RequestIds,
    requests: Gate,
    watch: Watch,
    stopping: AtomicBool,
}

/// What `OPTIONS *` is told.
const ALLOW_ALL: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Time a request waits when the whole host is full.
const HOST_QUEUE_WAIT: Duration = Duration::from_millis(100);

impl Front {
    pub(crate) fn new(
        live: Snapshots<Live>,
        registry: Arc<Registry>,
        limits: HostLimits,
        crew: Crew,
    ) -> Arc<Self> {
        let requests = Gate::new(limits.requests_max, limits.requests_max, HOST_QUEUE_WAIT);
        let (ids, stopping) = (RequestIds::default(), AtomicBool::new(false));
        let streams = Crew::default();
        let watch = Watch::default();
        Arc::new(Self { live, registry, limits, crew, streams, ids, requests, watch, stopping })
    }

    /// Watches over the connections until told to stop.
    pub(crate) async fn keep_watch(self: Arc<Self>, stop: StopSignal) {
        self.watch.keep(&self.limits, self.crew.stop_signal(), stop).await;
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

    /// Answers one request.
    async fn answer(&self, request: Request<Incoming>) -> Response<Respond> {
        if let Some(answer) = self.answer_alone(&request) {
            return answer;
        }
        let permit = match self.requests.admit(|| HOST_QUEUE_WAIT).await {
            Admission::Granted(permit) => permit,
            Admission::Shed => return respond::fault(&Fault::HostOverloaded),
            Admission::Closing => return respond::fault(&Fault::Stopping),
        };
        let (call, body) = self.begin(request);
        let (verb, request_id) = (call.head.verb.clone(), call.context.request_id.clone());
        match self.call(call, body).await {
            Ok(answer) => respond::answer(answer, &verb, permit),
            Err(Away::Fault(fault)) => respond::fault_of(&fault, &request_id),
            Err(Away::Options(allow)) => respond::options(&allow),
        }
    }

    /// Answers what needs no service.
    fn answer_alone(&self, request: &Request<Incoming>) -> Option<Response<Respond>> {
        if let Err(fault) = head::judge(request, &self.limits) {
            return Some(respond::fault(&fault));
        }
        if request.uri().path() == "*" {
            return Some(respond::options(ALLOW_ALL));
        }
        health::answer(self, request)
    }

    fn begin(&self, request: Request<Incoming>) -> (Box<Call>, Incoming) {
        let (parts, body) = request.into_parts();
        let context = travel::read(&parts.headers, &self.ids);
        let (verb, uri, params) = (parts.method, parts.uri, Params::default());
        let head = CallHead { verb, uri, params, headers: parts.headers };
        (Box::new(Call { method: 0, head, body: CallBody::Empty, context }), body)
    }

    /// Makes the call that a request is.
    async fn call(&self, mut call: Box<Call>, body: Incoming) -> Result<Answer, Away> {
        let (mut arriving, mut stripped) = (Some(body), None);
        loop {
            let Target { service, method } = self.find(&mut call)?;
            call.method = method;
            if service.manifest.strip {
                stripped = Some(strip_root(&mut call.head, &service.declaration.root));
            }
            if let Some(body) = arriving.take_if(|body| !body.is_end_stream()) {
                let bytes_max = service.limits().request_body_bytes;
                call.body = body::begin(body, &call.head.headers, bytes_max, &self.limits).await?;
            }
            match service.call(call).await {
                Served::Answered(outcome) => return Ok(outcome?),
                // Replaced between the look-up and the gate: look again.
                Served::Closing(again) => {
                    call = again;
                    if let Some(uri) = stripped.take() {
                        call.head.uri = uri;
                    }
                }
            }
        }
    }

    /// Finds the route of a call and captures its parameters.
    fn find(&self, call: &mut Call) -> Result<Target, Away> {
        let live = self.live.peek();
        let (verb, path) = (&call.head.verb, call.head.uri.path());
        let (target, captured) = match live.routes().find(verb, path) {
            Found::Route(target, captured) => (target, captured),
            Found::OtherVerbs(allow) if *verb == Method::OPTIONS => {
                return Err(Away::Options(allow));
            }
            Found::OtherVerbs(allow) => {
                let (verb, path) = (verb.to_string(), path.to_owned());
                return Err(Away::Fault(Fault::VerbNotAllowed { verb, path, allow }));
            }
            Found::Nothing => {
                let (verb, path) = (verb.to_string(), path.to_owned());
                return Err(Away::Fault(Fault::NoRoute { verb, path }));
            }
        };
        let mut params = Params::with_capacity(path.len() * 2);
        for segment in captured.segments() {
            match crate::path::decode(segment) {
                Ok(param) => params.push(&param),
                Err(error) => {
                    return Err(Away::Fault(Fault::BadRequest { message: error.to_string() }));
                }
            }
        }
        let target = target.clone();
        call.head.params = params;
        Ok(target)
    }
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

/// Takes the root off a path, for guests that want to see only what follows.
/// Gives what was there before.
fn strip_root(head: &mut CallHead, root: &str) -> Uri {
    let rest = head.uri.path().strip_prefix(root).unwrap_or(head.uri.path());
    let path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let target = match head.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = head.uri.clone().into_parts();
    parts.path_and_query = target.parse().ok();
    std::mem::replace(&mut head.uri, Uri::from_parts(parts).unwrap_or_default())
}
