//! Calls that leave a guest, the gateway or the command line for a service by
//! name: in process when it is live here, over HTTP otherwise.

mod begun;
mod course;
mod directory;
mod fleets;
mod here;
mod line;
mod options;
mod remote;
mod steps;
mod traced;
mod versions;

pub(crate) use directory::EndpointWatch;

use crate::balance::Strategy;
use crate::block::Params;
use crate::call::{
    Answer, CallContext, DirectoryEntry, EndpointEvent, Hop, Neighbours, OutgoingCall,
};
use crate::edges::Edges;
use crate::fault::Fault;
use crate::limits::HostLimits;
use crate::outbound::Outbound;
use crate::pool::Service;
use crate::record::{Record, Status};
use crate::registry::Registry;
use crate::traces::Traces;
use course::Course;
use fleets::Fleets;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use http::{HeaderMap, Method};
use line::Lines;
use options::CallOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Finds services of this host.
pub(crate) trait Locals: Send + Sync {
    /// The live version of a service that has this registration.
    fn find(&self, name: &str, registration: &str) -> Option<Arc<Service>>;

    /// The method of a version that answers a request, with its parameters, and
    /// the service as it is live now: it may have been replaced.
    fn resolve(
        &self,
        within: &Service,
        verb: &Method,
        path: &str,
    ) -> Result<(Arc<Service>, u32, Params), Fault>;
}

/// Makes calls. Clones share what they know.
#[derive(Clone)]
pub(crate) struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    locals: Box<dyn Locals>,
    registry: Arc<Registry>,
    fleets: Fleets,
    lines: Lines,
    edges: Arc<Edges>,
    outbound: Outbound,
    limits: HostLimits,
    traces: Traces,
    tally: ClientTally,
}

/// What calls came to.
#[derive(Debug, Default)]
struct ClientTally {
    calls: AtomicU64,
    tries: AtomicU64,
    faults: AtomicU64,
}

/// The same at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientCounts {
    pub(crate) calls: u64,
    /// Times that an endpoint was called.
    pub(crate) tries: u64,
    /// Calls that ended in a fault.
    pub(crate) faults: u64,
}

/// What calls are made with.
pub(crate) struct Means {
    pub(crate) locals: Box<dyn Locals>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) outbound: Outbound,
    pub(crate) traces: Traces,
}

impl Client {
    /// A client over what is live here and what the registry knows.
    pub(crate) fn new(means: Means, limits: HostLimits, balance: Strategy) -> Self {
        let Means { locals, registry, outbound, traces } = means;
        let (fleets, lines) = (Fleets::new(registry.clone(), balance), Lines::default());
        let (tally, edges) = (ClientTally::default(), Arc::default());
        let shared =
            Shared { locals, registry, fleets, lines, edges, outbound, limits, traces, tally };
        Self { shared: Arc::new(shared) }
    }

    /// Calls a service by name. `by` is the method that makes the call.
    ///
    /// What is awaited holds the call in one place, as most who await it box it.
    pub(crate) fn call(
        &self,
        context: CallContext,
        by: Option<Arc<Hop>>,
        call: OutgoingCall,
    ) -> impl Future<Output = Result<Answer, Fault>> + Send + use<> {
        let (shared, course) = (self.shared.clone(), self.begin(context, by, call));
        async move {
            let outcome = course?.run().await;
            let tally = &shared.tally;
            tally.calls.fetch_add(1, Relaxed);
            if outcome.is_err() {
                tally.faults.fetch_add(1, Relaxed);
            }
            outcome
        }
    }

    /// A call with all that is asked of it, where that can be done.
    fn begin(
        &self,
        mut context: CallContext,
        by: Option<Arc<Hop>>,
        call: OutgoingCall,
    ) -> Result<Box<Course>, Fault> {
        let mut options = CallOptions::parse(&call.service, &call.options)?;
        options.timeout = options.timeout.or(call.timeout);
        if let Some(by) = by {
            context.chain = context.chain.with(by);
            // It is the caller that came by a socket.
            context.socket = None;
        }
        if let Some(trace) = &options.trace {
            context.request_id = context.request_id.under(trace.clone());
            // What is gathered there belongs to another trace.
            context.trail = None;
        }
        if let Some(properties) = &options.properties {
            context.properties = properties.clone();
        }
        self.check_depth(&context, &call)?;
        self.check_headers(&call.headers)?;
        Ok(Box::new(Course::new(self.shared.clone(), options, context, call)))
    }

    /// What calls came to that have ended.
    pub(crate) fn counts(&self) -> ClientCounts {
        let ClientTally { calls, tries, faults } = &self.shared.tally;
        let read = |count: &AtomicU64| count.load(Relaxed);
        ClientCounts { calls: read(calls), tries: read(tries), faults: read(faults) }
    }

    fn check_depth(&self, context: &CallContext, call: &OutgoingCall) -> Result<(), Fault> {
        let depth_max = self.shared.limits.call_depth_max;
        if context.hops_before + context.chain.len() <= depth_max {
            return Ok(());
        }
        let hops = context.chain.latest_first();
        let next = format!("{}.{}", call.service, call.target);
        let mut names = vec![next];
        names.extend(hops.map(|hop| format!("{}.{}", hop.service, hop.method)));
        names.reverse();
        let chain = names.join(" -> ");
        let mut seen = std::collections::BTreeSet::new();
        if names.iter().all(|name| seen.insert(name)) {
            Err(Fault::CallDepth { depth_max, chain })
        } else {
            Err(Fault::CallCycle { chain })
        }
    }

    /// Holds calls to what requests from outside are held to.
    fn check_headers(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let HostLimits { headers_max, head_bytes_max, .. } = self.shared.limits;
        if headers_max < headers.len() {
            let message = format!("the call has more than {headers_max} headers");
            return Err(Fault::HeadTooLarge { message });
        }
        let sizes = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
        if head_bytes_max < sizes.sum() {
            let message = format!("the call has headers of more than {head_bytes_max} bytes");
            return Err(Fault::HeadTooLarge { message });
        }
        Ok(())
    }

    /// Who calls whom.
    pub(crate) fn edges(&self) -> &Arc<Edges> {
        &self.shared.edges
    }

    /// Calls that wait for an endpoint.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.lines.waiting()
    }
}

impl Neighbours for Client {
    fn invoke(
        &self,
        from: CallContext,
        by: Arc<Hop>,
        call: OutgoingCall,
    ) -> BoxFuture<'static, Result<Answer, Fault>> {
        self.call(from, Some(by), call).boxed()
    }

    fn entries(&self, key: &str) -> Vec<DirectoryEntry> {
        let entry = |(record, status): (Arc<Record>, Status)| DirectoryEntry {
            name: record.name.to_string(),
            version: record.version().unwrap_or_default().to_owned(),
            registration: record.registration.clone(),
            domain: record.domain.clone(),
            root: record.root.clone(),
            up: status == Status::Up,
            methods: record.methods.iter().map(|method| method.name.clone()).collect(),
        };
        let mut entries: Vec<DirectoryEntry> =
            self.shared.registry.entries(key).into_iter().map(entry).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.truncate(DIRECTORY_MAX);
        entries
    }

    fn endpoint_events(&self) -> BoxStream<'static, Vec<EndpointEvent>> {
        let next = |mut watch: EndpointWatch| async move { Some((watch.next().await, watch)) };
        stream::unfold(self.watch_endpoints(), next).boxed()
    }
}

/// Entries a guest gets at once.
const DIRECTORY_MAX: usize = 1_000;
