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

pub(crate) use accept::{Connections, bind};

use crate::call::{Call, CallHead, RequestIds};
use crate::crew::Crew;
use crate::fault::Fault;
use crate::gate::{Admission, Gate};
use crate::limits::HostLimits;
use crate::live::{Live, Target};
use crate::pool::Served;
use crate::publish::Snapshots;
use crate::registry::Registry;
use crate::route::Found;
use crate::travel;
use ::http::{Method, Request, Response};
use hyper::body::Incoming;
use respond::Respond;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
        Arc::new(Self { live, registry, limits, crew, streams, ids, requests, stopping })
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
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Respond> {
        if let Err(fault) = head::judge(&request, &self.limits) {
            return respond::fault(&fault);
        }
        if request.uri().path() == "*" {
            return respond::options(ALLOW_ALL);
        }
        if let Some(answer) = health::answer(&self, &request) {
            return answer;
        }
        let permit = match self.requests.admit(HOST_QUEUE_WAIT).await {
            Admission::Granted(permit) => permit,
            Admission::Shed => return respond::fault(&Fault::HostOverloaded),
            Admission::Closing => return respond::fault(&Fault::Stopping),
        };
        let verb = request.method().clone();
        let (parts, body) = request.into_parts();
        let context = travel::read(&parts.headers, &self.ids);
        let request_id = context.request_id.clone();
        let mut call = Call {
            method: 0,
            head: CallHead {
                verb: parts.method,
                uri: parts.uri,
                params: Vec::new(),
                headers: parts.headers,
            },
            body: crate::call::CallBody::Empty,
            context,
        };
        let mut arriving = Some(body);
        let uri = call.head.uri.clone();
        let outcome = loop {
            let target = match self.find(&verb, &mut call) {
                Ok(target) => target,
                Err(Away::Options(allow)) => return respond::options(&allow),
                Err(Away::Fault(fault)) => break Err(fault),
            };
            call.method = target.method;
            if let Some(body) = arriving.take() {
                let bytes_max = target.service.limits().request_body_bytes;
                match body::begin(body, &call.head.headers, bytes_max, &self.limits).await {
                    Ok(body) => call.body = body,
                    Err(fault) => break Err(fault),
                }
            }
            match target.service.call(call).await {
                Served::Answered(outcome) => break outcome,
                // Replaced between the look-up and the gate: look again.
                Served::Closing(again) => {
                    call = *again;
                    call.head.uri = uri.clone();
                }
            }
        };
        match outcome {
            Ok(answer) => respond::answer(answer, &verb, permit),
            Err(fault) => respond::fault_of(&fault, &request_id),
        }
    }

    /// Finds the route of a call and captures its parameters.
    fn find(&self, verb: &Method, call: &mut Call) -> Result<Target, Away> {
        let live = self.live.peek();
        let path = call.head.uri.path();
        let (target, raw) = match live.routes().find(verb, path) {
            Found::Route(target, raw) => (target, raw),
            Found::OtherVerbs(allow) if verb == Method::OPTIONS => {
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
        let params: Result<Vec<String>, _> = raw.into_iter().map(crate::path::decode).collect();
        let params = params
            .map_err(|error| Away::Fault(Fault::BadRequest { message: error.to_string() }))?;
        let target = target.clone();
        call.head.params = params;
        if target.service.manifest.strip {
            strip_root(&mut call.head, &target.service.declaration.root);
        }
        Ok(target)
    }
}

/// A request that reaches no service.
enum Away {
    Options(String),
    Fault(Fault),
}

/// Takes the root off a path, for guests that want to see only what follows.
fn strip_root(head: &mut CallHead, root: &str) {
    let rest = head.uri.path().strip_prefix(root).unwrap_or(head.uri.path());
    let path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let target = match head.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = std::mem::take(&mut head.uri).into_parts();
    parts.path_and_query = target.parse().ok();
    head.uri = ::http::Uri::from_parts(parts).unwrap_or_default();
}
