//! Calls that leave a guest, the gateway or the command line for a service by
//! name: in process when it is live here, over HTTP otherwise.

mod options;
mod remote;

pub(crate) use options::CallOptions;

use crate::call::{
    Answer, Call, CallContext, CallHead, DirectoryEntry, Hop, Neighbours, OutgoingCall,
};
use crate::declaration::Method;
use crate::fault::Fault;
use crate::outbound::Outbound;
use crate::pool::{Served, Service};
use crate::record::Status;
use crate::registry::{Endpoint, Registry};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::{Instant, timeout_at};

/// Finds services of this host.
pub(crate) trait Locals: Send + Sync {
    /// The live service of this name.
    fn find(&self, name: &str) -> Option<Arc<Service>>;
}

/// Makes calls. Clones share what they know.
#[derive(Clone)]
pub(crate) struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    locals: Box<dyn Locals>,
    registry: Arc<Registry>,
    outbound: Outbound,
    depth_max: usize,
    turn: AtomicUsize,
}

/// Where a call can go.
enum Way {
    Here(Arc<Service>),
    There(Endpoint),
    /// The service is known, but nobody may be called now.
    NobodyUp,
    /// Nobody knows such a service.
    Unknown,
}

/// How one attempt went.
enum Attempt {
    Done(Result<Answer, Fault>),
    /// Nothing was begun; the call may go elsewhere.
    Elsewhere(OutgoingCall, Fault),
}

impl Client {
    /// A client over what is live here and what the registry knows.
    pub(crate) fn new(
        locals: Box<dyn Locals>,
        registry: Arc<Registry>,
        outbound: Outbound,
        depth_max: usize,
    ) -> Self {
        let turn = AtomicUsize::new(0);
        Self { shared: Arc::new(Shared { locals, registry, outbound, depth_max, turn }) }
    }

    /// Calls a service by name. `by` is the method that makes the call.
    pub(crate) async fn call(
        &self,
        mut context: CallContext,
        by: Option<Arc<Hop>>,
        call: OutgoingCall,
    ) -> Result<Answer, Fault> {
        let options = CallOptions::parse(&call.options)?;
        if let Some(timeout) = options.timeout {
            context.deadline = context.deadline.min(Instant::now() + timeout);
        }
        if let Some(by) = by {
            context.chain = context.chain.with(by);
        }
        self.check_depth(&context, &call)?;
        let deadline = context.deadline;
        match timeout_at(deadline, self.attempts(context, &options, call)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(Fault::Deadline { doing: "a service was called" }),
        }
    }

    fn check_depth(&self, context: &CallContext, call: &OutgoingCall) -> Result<(), Fault> {
        let depth_max = self.shared.depth_max;
        if context.hops_before + context.chain.len() <= depth_max {
            return Ok(());
        }
        let hops = context.chain.latest_first();
        let next = format!("{}.{}", call.service, call.method);
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

    async fn attempts(
        &self,
        context: CallContext,
        options: &CallOptions,
        mut call: OutgoingCall,
    ) -> Result<Answer, Fault> {
        // Before the first look, so that no change after it is missed.
        let mut changes = options.wait.then(|| self.shared.registry.watch());
        let mut left = options.attempts();
        let mut reason = None;
        loop {
            if let Some(changes) = &mut changes {
                changes.mark_unchanged();
            }
            let attempt = match self.find(options, &call.service) {
                Way::Here(service) => here(&service, &context, call).await,
                Way::There(endpoint) => self.there(endpoint, &context, call).await,
                nobody => {
                    let Some(changes) = &mut changes else {
                        return Err(reason.unwrap_or(match nobody {
                            Way::Unknown => Fault::NoSuchService { name: call.service },
                            _ => Fault::NoEndpoint { service: call.service },
                        }));
                    };
                    if changes.changed().await.is_err() {
                        return Err(Fault::Stopping);
                    }
                    continue;
                }
            };
            match attempt {
                Attempt::Done(outcome) => return outcome,
                Attempt::Elsewhere(_, fault) if left == 0 => return Err(fault),
                Attempt::Elsewhere(again, fault) => {
                    call = again;
                    reason = Some(fault);
                    left -= 1;
                }
            }
        }
    }

    fn find(&self, options: &CallOptions, service: &str) -> Way {
        let local = self.shared.locals.find(service);
        if let Some(local) = local
            && options.takes_local(&local)
        {
            return Way::Here(local);
        }
        let endpoints: Vec<Endpoint> = self
            .shared
            .registry
            .endpoints(options.key(), service)
            .into_iter()
            .filter(|endpoint| options.takes(&endpoint.record))
            .collect();
        let known = !endpoints.is_empty();
        let mut up: Vec<Endpoint> =
            endpoints.into_iter().filter(|endpoint| endpoint.status == Status::Up).collect();
        if up.is_empty() {
            return if known { Way::NobodyUp } else { Way::Unknown };
        }
        let turn = self.shared.turn.fetch_add(1, Ordering::Relaxed) % up.len();
        Way::There(up.swap_remove(turn))
    }

    async fn there(
        &self,
        endpoint: Endpoint,
        context: &CallContext,
        call: OutgoingCall,
    ) -> Attempt {
        let attempt = remote::send(&self.shared.outbound, &endpoint, context, call).await;
        if let Attempt::Elsewhere(..) = attempt {
            self.shared.registry.call_failed(&endpoint);
        }
        attempt
    }
}

async fn here(service: &Arc<Service>, context: &CallContext, outgoing: OutgoingCall) -> Attempt {
    let Some((index, method)) = service.declaration.method(&outgoing.method) else {
        let (service, method) = (outgoing.service, outgoing.method);
        return Attempt::Done(Err(Fault::NoSuchMethod { service, method }));
    };
    let uri = match uri_of(service, method, &outgoing) {
        Ok(uri) => uri,
        Err(fault) => return Attempt::Done(Err(fault)),
    };
    let OutgoingCall { service: name, method: method_name, options, params, query, .. } = outgoing;
    let (verb, headers) = (method.verb.method(), outgoing.headers);
    let head = CallHead { verb, uri, params: params.iter().collect(), headers };
    let call = Call { method: index, head, body: outgoing.body, context: context.clone() };
    match service.call(Box::new(call)).await {
        Served::Answered(outcome) => Attempt::Done(outcome),
        Served::Closing(call) => {
            let Call { head: CallHead { headers, .. }, body, .. } = *call;
            let (service, method) = (name, method_name);
            let again = OutgoingCall { service, method, options, params, query, headers, body };
            Attempt::Elsewhere(again, Fault::Stopping)
        }
    }
}

fn uri_of(service: &Service, method: &Method, call: &OutgoingCall) -> Result<Uri, Fault> {
    let bad = |message: String| Fault::BadCall { message };
    let filled = method.pattern.fill(&call.params).map_err(|error| bad(error.to_string()))?;
    let path = format!("{}{filled}", service.declaration.root);
    let path = if path.is_empty() { "/".to_owned() } else { path };
    let target = format!("{path}{}", render_query(&call.query));
    target.parse().map_err(|_| bad("parameters make no path".to_owned()))
}

/// Query pairs as they follow a path.
fn render_query(query: &[(String, String)]) -> String {
    let pair = |(name, value): &(String, String)| {
        format!("{}={}", crate::path::encode(name), crate::path::encode(value))
    };
    if query.is_empty() {
        return String::new();
    }
    format!("?{}", query.iter().map(pair).collect::<Vec<_>>().join("&"))
}

impl Neighbours for Client {
    fn invoke(
        &self,
        from: CallContext,
        by: Arc<Hop>,
        call: OutgoingCall,
    ) -> BoxFuture<'static, Result<Answer, Fault>> {
        let client = self.clone();
        async move { client.call(from, Some(by), call).await }.boxed()
    }

    fn entries(&self, key: &str) -> Vec<DirectoryEntry> {
        let entry = |(record, status): (Arc<crate::record::Record>, Status)| DirectoryEntry {
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
}

/// Entries a guest gets at once.
const DIRECTORY_MAX: usize = 1_000;
