//! Services hear events.
//!
//! Every service that subscribes has a feed, which outlives its revisions: what
//! waits in it while one takes the place of another is heard by the new one. One
//! task for each service takes events from there, several at once, and makes a
//! call of each.

use crate::block::Params;
use crate::bus::{Bus, Feed, FeedBounds, Heard};
use crate::call::{Call, CallBody, CallContext, CallHead, Entrance, mix};
use crate::cores::Cores;
use crate::crew::{Crew, StopSignal};
use crate::fault::Fault;
use crate::live::Live;
use crate::name::Name;
use crate::pool::{Served, Service};
use crate::publish::Snapshots;
use crate::subject::Subscription;
use crate::traffic::Asked;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Uri};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tracing::warn;

/// All services that hear events. Clones share them.
#[derive(Clone)]
pub(crate) struct Hearing {
    shared: Arc<Shared>,
}

struct Shared {
    bus: Arc<dyn Bus>,
    live: Snapshots<Live>,
    crew: Crew,
    cores: Arc<Cores>,
    listeners: Mutex<BTreeMap<Name, Arc<Listener>>>,
}

/// A service that hears events.
struct Listener {
    service: Name,
    feed: Feed,
    heard: AtomicU64,
    failed: AtomicU64,
    gone: Notify,
    warned: Mutex<Option<Instant>>,
}

/// How a service hears.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct ListenerView {
    /// Events that wait for it.
    pub(crate) waiting: usize,
    /// Events that it was given.
    pub(crate) heard: u64,
    /// Of these, those that ended in a fault.
    pub(crate) failed: u64,
    /// Events that were lost because too many waited.
    pub(crate) dropped: u64,
}

/// Bytes of events that wait for one service, about.
const WAITING_BYTES_MAX: usize = 16 << 20;
/// When a service that had no place is asked again.
const AGAIN: Duration = Duration::from_millis(20);
/// How often the log says of a service that it does not take events.
const WARN_EVERY: Duration = Duration::from_secs(1);

const EVENT_ID: HeaderName = HeaderName::from_static("x-event-id");
const PUBLISHER: HeaderName = HeaderName::from_static("x-publisher");

impl Hearing {
    /// Nobody hears anything before [`follow`](Self::follow).
    pub(crate) fn new(
        bus: Arc<dyn Bus>,
        live: Snapshots<Live>,
        crew: Crew,
        cores: Arc<Cores>,
    ) -> Self {
        let listeners = Mutex::default();
        Self { shared: Arc::new(Shared { bus, live, crew, cores, listeners }) }
    }

    /// Takes up what the services want to hear that are live now. Called after
    /// each change of the table, by who changed it.
    pub(crate) fn follow(&self) {
        let live = self.shared.live.take();
        let mut listeners = self.shared.listeners();
        listeners.retain(|name, listener| {
            let stays = !wanted(live.versions(name.as_str())).is_empty();
            if !stays {
                listener.feed.listen_to([]);
                listener.gone.notify_one();
            }
            stays
        });
        for name in live.names() {
            let versions = live.versions(name.as_str());
            let wanted = wanted(versions);
            if wanted.is_empty() {
                continue;
            }
            let bounds = bounds(versions);
            let listener = listeners.entry(name.clone()).or_insert_with(|| {
                let feed = Feed::of_service(&self.shared.bus, bounds);
                self.shared.hire(Listener::new(name.clone(), feed))
            });
            listener.feed.set_bounds(bounds);
            listener.feed.listen_to(wanted.into_iter().cloned());
        }
    }

    /// How the services hear, by name.
    pub(crate) fn views(&self) -> BTreeMap<Name, ListenerView> {
        let listeners = self.shared.listeners();
        listeners.iter().map(|(name, listener)| (name.clone(), listener.view())).collect()
    }

    /// How one service hears; none when it hears nothing.
    pub(crate) fn view(&self, service: &Name) -> Option<ListenerView> {
        self.shared.listeners().get(service).map(|listener| listener.view())
    }
}

/// What the versions of a service want to hear, each once.
fn wanted(versions: &[Arc<Service>]) -> BTreeSet<&Subscription> {
    let subscribed = versions.iter().flat_map(|service| &service.declaration.subscriptions);
    subscribed.map(|subscribed| &subscribed.to).collect()
}

fn bounds(versions: &[Arc<Service>]) -> FeedBounds {
    let events_max = versions.iter().map(|service| service.limits().events).max();
    FeedBounds { events_max: events_max.unwrap_or_default(), bytes_max: WAITING_BYTES_MAX }
}

impl Shared {
    fn listeners(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<Listener>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a task take the events of a listener, on one of the threads that
    /// serve.
    fn hire(self: &Arc<Self>, listener: Listener) -> Arc<Listener> {
        let listener = Arc::new(listener);
        let Some(seat) = self.cores.seat() else { return listener };
        let (shared, hears) = (self.clone(), listener.clone());
        let threads = seat.handle().clone();
        self.crew.hire_on(&threads, "events", |stop| async move {
            let _seat = seat;
            shared.hear(&hears, stop).await;
        });
        listener
    }

    async fn hear(&self, listener: &Listener, mut stop: StopSignal) {
        let mut under_way = FuturesUnordered::new();
        loop {
            let may_more = under_way.len() < self.at_once(&listener.service);
            tokio::select! {
                heard = listener.feed.next(), if may_more => {
                    under_way.push(self.deliver(listener, heard));
                }
                Some(()) = under_way.next() => (),
                () = listener.gone.notified() => break,
                () = stop.stopped() => break,
            }
        }
        while under_way.next().await.is_some() {}
    }

    fn at_once(&self, service: &Name) -> usize {
        let live = self.live.peek();
        let versions = live.versions(service.as_str()).iter();
        versions.map(|service| service.limits().events_at_once).max().unwrap_or(1)
    }

    /// Makes a call of an event. A service that has no place for it now is asked
    /// again, for as long as it wants to hear it.
    async fn deliver(&self, listener: &Listener, heard: Heard) {
        while let Some((service, index)) = self.choose(&listener.service, &heard) {
            match service.call(Box::new(call(&service, index, &heard))).await {
                Served::Closing(_)
                | Served::Answered(Err(Fault::Overloaded { .. } | Fault::HostOverloaded)) => {
                    sleep(AGAIN).await;
                }
                Served::Answered(outcome) => {
                    listener.heard.fetch_add(1, Relaxed);
                    if let Err(fault) = outcome {
                        listener.note_failure(&heard, &fault);
                    }
                    return;
                }
            }
        }
    }

    /// A version of a service that wants to hear an event, and which of its
    /// subscriptions it is.
    fn choose(&self, service: &Name, heard: &Heard) -> Option<(Arc<Service>, u32)> {
        let asked = Asked { version: None, random: mix(heard.event.id.number()) };
        let hears = |version: &Service| {
            let subscribed = &version.declaration.subscriptions;
            let index = subscribed.iter().position(|one| one.to == *heard.subscription)?;
            u32::try_from(index).ok()
        };
        self.live.peek().draw(service.as_str(), &asked, hears)
    }
}

impl Listener {
    fn new(service: Name, feed: Feed) -> Self {
        let (heard, failed) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { service, feed, heard, failed, gone: Notify::new(), warned: Mutex::default() }
    }

    fn view(&self) -> ListenerView {
        ListenerView {
            waiting: self.feed.waiting(),
            heard: self.heard.load(Relaxed),
            failed: self.failed.load(Relaxed),
            dropped: self.feed.dropped(),
        }
    }

    fn note_failure(&self, heard: &Heard, fault: &Fault) {
        let failed = self.failed.fetch_add(1, Relaxed) + 1;
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_some_and(|last| last.elapsed() < WARN_EVERY) {
            return;
        }
        *warned = Some(Instant::now());
        let news = &heard.event.news;
        let (service, subject, request_id) =
            (&self.service, &news.subject, &news.origin.request_id);
        let trace_id = request_id.trace_id();
        warn!(%service, %subject, %request_id, trace_id, %fault, failed, "event ended in a fault");
    }
}

/// An event as the call that a service hears it by.
fn call(service: &Service, index: u32, heard: &Heard) -> Call {
    let news = &heard.event.news;
    let captured = heard.subscription.pattern.captures(&news.subject).unwrap_or_default();
    let mut headers = HeaderMap::with_capacity(3);
    if let Some(content_type) = &news.content_type {
        headers.insert(CONTENT_TYPE, content_type.clone());
    }
    if let Ok(id) = HeaderValue::try_from(heard.event.id.to_string()) {
        headers.insert(EVENT_ID, id);
    }
    let publisher = news.origin.publisher.as_ref();
    if let Some(Ok(publisher)) = publisher.map(|name| HeaderValue::from_str(name.as_str())) {
        headers.insert(PUBLISHER, publisher);
    }
    // What a subject may be made of is fine in a path.
    let uri = Uri::from_maybe_shared(format!("/{}", news.subject)).unwrap_or_default();
    let deadline = Instant::now() + service.limits().wall();
    let mut context = CallContext::outermost(news.origin.request_id.clone(), deadline);
    context.properties = news.origin.properties.clone();
    context.events_before = news.origin.events_before + 1;
    Call {
        entrance: Entrance::Subscription(index),
        head: CallHead {
            verb: Method::from_bytes(b"EVENT").unwrap_or_default(),
            uri,
            params: captured.into_iter().collect::<Params>(),
            headers,
        },
        body: CallBody::Bytes(news.payload.clone()),
        context,
    }
}
