//! The endpoints of the services that are called, kept as the registry has
//! them, and what is known of each.

use super::begun::Begun;
use super::options::CallOptions;
use super::versions::{Drawn, Versions};
use crate::balance::Strategy;
use crate::breaker::{Cause, Change, Standing, Verdict};
use crate::call::{CallTarget, Fares, mix};
use crate::fault::Fault;
use crate::fleet::{
    Choice, Chosen, Fit, Fleet, Listed, Outcome, Place, Prefer, Resting, Ticket, Turn, Wish,
};
use crate::record::{Now, Status};
pub(super) use crate::registry::Endpoint;
use crate::registry::Registry;
use crate::selector::Offer;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

/// All that were called.
pub(super) struct Fleets {
    registry: Arc<Registry>,
    strategy: Strategy,
    started: Instant,
    by_service: Mutex<HashMap<Box<str>, Arc<Crowd>>>,
    random: Arc<AtomicU64>,
    changed: Arc<watch::Sender<u64>>,
}

/// The endpoints of what one text names.
pub(super) struct Crowd {
    service: String,
    started: Instant,
    random: Arc<AtomicU64>,
    changed: Arc<watch::Sender<u64>>,
    inner: Mutex<Inner>,
}

struct Inner {
    versions: Versions,
    /// The registry's, when it was last looked at.
    version: u64,
    endpoints: Vec<Endpoint>,
    fleet: Fleet<Endpoint>,
}

/// What a call asks for.
#[derive(Clone, Copy)]
pub(super) struct Sought<'c> {
    pub(super) options: &'c CallOptions,
    pub(super) service: &'c str,
    pub(super) target: &'c CallTarget,
}

/// How an endpoint fares with its callers.
#[derive(Clone, Debug)]
pub(super) struct Fared {
    /// `serving`, `resting` or `probing`.
    pub(super) state: Fares,
    pub(super) rests_ms: Option<u64>,
    pub(super) in_flight: u32,
    pub(super) latency_us: Option<u64>,
}

/// Nobody to call: why, and when there may be somebody.
type Nobody = (Fault, Option<Instant>);

impl Fleets {
    pub(super) fn new(registry: Arc<Registry>, strategy: Strategy) -> Self {
        let seed = uuid::Uuid::new_v4().as_u64_pair().0;
        let random = Arc::new(AtomicU64::new(seed));
        let (started, by_service) = (Instant::now(), Mutex::default());
        let changed = Arc::new(watch::Sender::new(0));
        Self { registry, strategy, started, by_service, random, changed }
    }

    /// Chooses an endpoint among those that fit, and begins the call to it.
    pub(super) fn choose(
        &self,
        sought: Sought<'_>,
        turn: Turn,
        fit: impl Fn(&Endpoint) -> Fit,
    ) -> Result<Begun, Nobody> {
        let Some(crowd) = self.crowd(sought.options) else {
            let name = sought.service.to_owned();
            return Err((Fault::NoSuchService { name }, None));
        };
        crowd.choose(sought, turn, fit)
    }

    /// How the endpoints of all that was called fare, by their ids. One that
    /// several names stand for fares as badly as under the worst of them.
    pub(super) fn states(&self) -> HashMap<Arc<str>, Fared> {
        let crowds: Vec<Arc<Crowd>> = self.lock().values().cloned().collect();
        let mut all: HashMap<Arc<str>, Fared> = HashMap::new();
        for (id, fared) in crowds.iter().flat_map(|crowd| crowd.states()) {
            match all.get_mut(&id) {
                None => drop(all.insert(id, fared)),
                Some(known) => {
                    let in_flight = known.in_flight + fared.in_flight;
                    if known.state == Fares::Serving {
                        *known = fared;
                    }
                    known.in_flight = in_flight;
                }
            }
        }
        all
    }

    /// A number that grows when an endpoint begins or ends to rest.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The endpoints of a service as they are now; none when there are none.
    fn crowd(&self, options: &CallOptions) -> Option<Arc<Crowd>> {
        let wanted = options.selector.wanted();
        let name = match wanted.exact() {
            Some(name) => Cow::Borrowed(name.as_str()),
            None => Cow::Owned(wanted.to_string()),
        };
        let id = match &options.key {
            None => name,
            Some(key) => Cow::Owned(format!("{key}/{name}")),
        };
        // Before the look, so that a change after it leads to another one.
        let version = self.registry.version();
        let mut crowds = self.lock();
        let known = crowds.get(&*id).cloned();
        if let Some(crowd) = &known
            && crowd.lock().version == version
        {
            return known;
        }
        let endpoints = self.registry.endpoints(options.key.as_deref(), &options.selector);
        if endpoints.is_empty() {
            crowds.remove(&*id);
            return None;
        }
        let crowd = known.unwrap_or_else(|| {
            let crowd = Arc::new(self.empty(&id));
            crowds.insert(id.into(), crowd.clone());
            crowd
        });
        drop(crowds);
        crowd.refresh(endpoints, version);
        Some(crowd)
    }

    fn empty(&self, service: &str) -> Crowd {
        let fleet = Fleet::new(self.strategy);
        Crowd {
            service: service.to_owned(),
            started: self.started,
            random: self.random.clone(),
            changed: self.changed.clone(),
            inner: Mutex::new(Inner {
                versions: Versions::One,
                version: 0,
                endpoints: Vec::new(),
                fleet,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Crowd>>> {
        self.by_service.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crowd {
    fn choose(
        self: &Arc<Self>,
        sought: Sought<'_>,
        turn: Turn,
        fit: impl Fn(&Endpoint) -> Fit,
    ) -> Result<Begun, Nobody> {
        let wish = Wish { now: self.now(), random: self.random(), turn, prefer: Prefer::Here };
        let selector = &sought.options.selector;
        let mut inner = self.lock();
        let Inner { endpoints, fleet, versions, .. } = &mut *inner;
        let choice = if selector.is_name_alone() && *versions == Versions::One {
            fleet.choose(wish, fit)
        } else {
            let scope = selector.among(endpoints.iter().map(offer));
            let fit = |endpoint: &Endpoint| match scope.check(offer(endpoint)) {
                Ok(()) => fit(endpoint),
                Err(_miss) => Fit::No,
            };
            let drawn = Drawn::draw(endpoints, fit, selector.asks_for_a_version(), self.random());
            fleet.choose(wish, |endpoint| drawn.narrow(endpoint, fit(endpoint)))
        };
        match choice {
            Choice::Call(Chosen { endpoint, place, ticket }) => {
                let (crowd, open) = (self.clone(), Some(ticket));
                Ok(Begun { endpoint, place, at: Instant::now(), crowd, open })
            }
            Choice::Resting(resting) => Err(self.resting(endpoints, &sought, &resting)),
            Choice::Spent => {
                let service = sought.service.to_owned();
                Err((Fault::NoRetryLeft { service }, None))
            }
            Choice::Nobody => Err((why_nobody(endpoints, &sought), None)),
        }
    }

    fn resting(&self, endpoints: &[Endpoint], sought: &Sought<'_>, resting: &Resting) -> Nobody {
        let due = self.started + resting.due;
        let due_ms = millis(due.saturating_duration_since(Instant::now()));
        let rest = endpoints.iter().filter(|endpoint| resting.ids.contains(&endpoint.id()));
        let named: Vec<&str> = rest.map(|rests| rests.record.registration.as_str()).collect();
        let mut endpoints = named.join(", ");
        if named.len() < resting.count {
            endpoints.push_str(&format!(" and {} more", resting.count - named.len()));
        }
        let service = sought.service.to_owned();
        (Fault::AllRest { service, endpoints, due_ms }, Some(due))
    }

    /// Takes the list of the registry. Who was down and is up again may be
    /// tried at once.
    fn refresh(&self, endpoints: Vec<Endpoint>, version: u64) {
        let now = self.now();
        let mut inner = self.lock();
        let is_down = |endpoint: &&Endpoint| endpoint.status == Status::Down;
        let down: BTreeSet<Arc<str>> =
            inner.endpoints.iter().filter(is_down).map(Endpoint::id).collect();
        let listed = |endpoint: &Endpoint| Listed {
            id: endpoint.id(),
            place: if endpoint.is_local { Place::Here } else { Place::There },
            weight: endpoint.weight(),
            endpoint: endpoint.clone(),
        };
        inner.fleet.refresh(endpoints.iter().map(listed), now);
        for endpoint in &endpoints {
            if endpoint.status == Status::Up && down.contains(&endpoint.id()) {
                inner.fleet.seen_alive(&endpoint.id(), now);
            }
        }
        inner.versions = Versions::of(&endpoints);
        inner.endpoints = endpoints;
        inner.version = version;
    }

    pub(super) fn ended(&self, ticket: Ticket, verdict: Verdict, latency: Duration) {
        let outcome = Outcome { verdict, latency };
        let id = ticket.id().clone();
        let change = self.lock().fleet.ended(ticket, outcome, self.now(), self.random());
        self.tell(&id, change);
    }

    /// An answer that had begun did not end.
    pub(super) fn broke_off(&self, id: &str) {
        let change = self.lock().fleet.broke_off(id, self.now(), self.random());
        self.tell(id, change);
    }

    /// A call to an endpoint has come to nothing.
    pub(super) fn abandoned(&self, ticket: Ticket) {
        let now = self.now();
        self.lock().fleet.abandoned(ticket, now);
    }

    /// Whether an endpoint is not called for a while.
    pub(super) fn rests(&self, id: &str) -> bool {
        let now = self.now();
        let inner = self.lock();
        let mut states = inner.fleet.states(now);
        let known = states.find(|state| *state.listed.id == *id);
        known.is_some_and(|state| state.standing != Standing::Serving)
    }

    fn tell(&self, id: &str, change: Change) {
        let service = &self.service;
        if change != Change::Unchanged {
            self.changed.send_modify(|count| *count += 1);
        }
        match change {
            Change::Unchanged => (),
            Change::Serves => info!(%service, endpoint = %id, "endpoint serves again"),
            Change::Rests { until, cause } => {
                let rests_ms = millis(until.saturating_sub(self.now()));
                let cause = match cause {
                    Cause::Silent => "it does not answer",
                    Cause::Failing => "it fails",
                    Cause::Asked => "it asked to be left alone",
                };
                warn!(%service, endpoint = %id, cause, rests_ms, "endpoint is not called for a while");
            }
        }
    }

    fn states(&self) -> Vec<(Arc<str>, Fared)> {
        let now = self.now();
        let inner = self.lock();
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let states = inner.fleet.states(now).map(|state| {
            let (name, until) = match state.standing {
                Standing::Serving => (Fares::Serving, None),
                Standing::Due { .. } => (Fares::Resting, Some(now)),
                Standing::Resting { until, .. } => (Fares::Resting, Some(until)),
                Standing::Probing { until, .. } => (Fares::Probing, Some(until)),
            };
            let fared = Fared {
                state: name,
                rests_ms: until.map(|until| millis(until.saturating_sub(now))),
                in_flight: state.in_flight,
                latency_us: state.latency.map(micros),
            };
            (state.listed.id.clone(), fared)
        });
        states.collect()
    }

    fn now(&self) -> Now {
        self.started.elapsed()
    }

    fn random(&self) -> u64 {
        mix(self.random.fetch_add(1, Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn offer(endpoint: &Endpoint) -> Offer<'_> {
    Offer::from(&*endpoint.record)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Why none of the endpoints that the registry lists can be called.
fn why_nobody(endpoints: &[Endpoint], sought: &Sought<'_>) -> Fault {
    let service = sought.service.to_owned();
    let selector = &sought.options.selector;
    let scope = selector.among(endpoints.iter().map(offer));
    let (suit, missed): (Vec<_>, Vec<_>) =
        endpoints.iter().partition(|endpoint| scope.check(offer(endpoint)).is_ok());
    if suit.is_empty() {
        let misses = missed.iter().filter_map(|endpoint| scope.check(offer(endpoint)).err());
        let wanted = misses.max().map(|miss| scope.describe(miss)).unwrap_or_default();
        return Fault::NoSuchEndpoint { service, wanted };
    }
    if let CallTarget::Method { name, .. } = sought.target
        && !suit.iter().any(|endpoint| endpoint.record.method(name).is_some())
    {
        return Fault::NoSuchMethod { service, method: name.clone() };
    }
    let is_warm = |endpoint: &&Endpoint| endpoint.is_local && endpoint.traffic() == 0;
    if !selector.asks_for_a_version() && suit.iter().all(is_warm) {
        return Fault::NoTraffic { service };
    }
    let down = suit.iter().filter(|endpoint| endpoint.status == Status::Down);
    let down: Vec<&str> =
        down.take(8).map(|endpoint| endpoint.record.registration.as_str()).collect();
    Fault::NoEndpoint { service, endpoints: down.join(", ") }
}
