//! Publish and subscribe.
//!
//! Whoever subscribes has a feed: a queue of its own, which it empties at its
//! own pace. Publishing puts an event into the queues of those it concerns and
//! waits for nobody; a queue that is full loses its oldest event.

mod asked;
mod backlog;
mod history;
mod told;

pub(crate) use asked::{EventQuery, EventQueryError};
pub(crate) use history::{EventId, Replay};
pub(crate) use told::{READER_BOUNDS, Told};

use crate::call::{CallContext, Properties, RequestId, mix};
use crate::name::Name;
use crate::subject::{Subject, Subscription};
use crate::subscriptions::Subscriptions;
use backlog::Backlog;
use bytes::Bytes;
use history::History;
use http::HeaderValue;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::Notify;

/// Carries events from publishers to feeds.
pub(crate) trait Bus: Send + Sync {
    /// Publishes an event; gives how many feeds got it.
    fn publish(&self, news: News) -> usize;

    /// From now on the queue gets what the subscription covers.
    fn subscribe(&self, subscription: &Arc<Subscription>, queue: &Arc<Queue>);

    /// Ends that.
    fn unsubscribe(&self, subscription: &Subscription, queue: &Arc<Queue>);

    /// What was published after an event, as far as it is known.
    fn replay(&self, after: EventId) -> Replay;

    /// What it has done so far.
    fn counts(&self) -> BusCounts;
}

/// An event that is about to be published.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) subject: Subject,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) payload: Bytes,
    pub(crate) origin: Origin,
}

/// Where an event comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The service that published it; none when it came from outside.
    pub(crate) publisher: Option<Name>,
    pub(crate) request_id: RequestId,
    pub(crate) properties: Properties,
    /// Events before it, each heard by the publisher of the next.
    pub(crate) events_before: u8,
}

/// An event that was published. Nobody changes it; all who hear it share it.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: EventId,
    pub(crate) news: News,
    /// The same for events that have to be heard in order.
    order: u64,
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BusCounts {
    pub(crate) published: u64,
    /// Events put into queues.
    pub(crate) delivered: u64,
    /// Published, and nobody wanted to hear it.
    pub(crate) unheard: u64,
    /// Subscriptions there are now.
    pub(crate) subscriptions: usize,
}

/// How much waits for one feed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FeedBounds {
    pub(crate) events_max: usize,
    pub(crate) bytes_max: usize,
}

/// Where a subscriber hears events. Dropping it ends its subscriptions.
pub(crate) struct Feed {
    bus: Arc<dyn Bus>,
    queue: Arc<Queue>,
    subscriptions: Mutex<Vec<Arc<Subscription>>>,
}

/// An event on its way to one subscriber. The next one that has to come after
/// it waits until this is dropped.
pub(crate) struct Heard {
    pub(crate) event: Arc<Event>,
    pub(crate) subscription: Arc<Subscription>,
    key: u64,
    queue: Arc<Queue>,
}

/// Events that wait for one feed.
pub(crate) struct Queue {
    backlog: Mutex<Backlog>,
    filled: Notify,
}

/// The bus of one host.
#[derive(Default)]
pub(crate) struct LocalBus {
    members: RwLock<Subscriptions<Member>>,
    history: Mutex<History>,
    delivered: AtomicU64,
    unheard: AtomicU64,
}

/// A feed with one of its subscriptions.
#[derive(Debug)]
struct Member {
    subscription: Arc<Subscription>,
    queue: Arc<Queue>,
}

impl Event {
    fn new(id: EventId, news: News) -> Self {
        let mut hasher = DefaultHasher::new();
        (&news.origin.publisher, &news.subject).hash(&mut hasher);
        Self { id, news, order: hasher.finish() }
    }

    /// Bytes it takes while it waits, about.
    fn weight(&self) -> usize {
        self.news.payload.len() + 512
    }
}

impl Origin {
    /// Of an event that a call publishes.
    pub(crate) fn of_call(context: &CallContext, publisher: Option<Name>) -> Self {
        Self {
            publisher,
            request_id: context.request_id.clone(),
            properties: context.properties.clone(),
            events_before: context.events_before,
        }
    }
}

impl LocalBus {
    fn members(&self) -> RwLockReadGuard<'_, Subscriptions<Member>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn members_mut(&self) -> RwLockWriteGuard<'_, Subscriptions<Member>> {
        self.members.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bus for LocalBus {
    fn publish(&self, news: News) -> usize {
        let event = self.history().note(|id| Event::new(id, news));
        let mut heard_by = 0;
        let mut chosen: Vec<&Member> = Vec::new();
        let members = self.members();
        members.each(&event.news.subject, |member| {
            let Some(group) = &member.subscription.group else {
                heard_by += usize::from(member.queue.push(&event, &member.subscription));
                return;
            };
            let same = |other: &&mut &Member| other.subscription.group.as_ref() == Some(group);
            match chosen.iter_mut().find(same) {
                None => chosen.push(member),
                Some(rival) if member.claim(&event) < rival.claim(&event) => *rival = member,
                Some(_) => (),
            }
        });
        for member in &chosen {
            heard_by += usize::from(member.queue.push(&event, &member.subscription));
        }
        self.delivered.fetch_add(heard_by as u64, Relaxed);
        if heard_by == 0 {
            self.unheard.fetch_add(1, Relaxed);
        }
        heard_by
    }

    fn subscribe(&self, subscription: &Arc<Subscription>, queue: &Arc<Queue>) {
        let member = Member { subscription: subscription.clone(), queue: queue.clone() };
        self.members_mut().add(&subscription.pattern, member);
    }

    fn unsubscribe(&self, subscription: &Subscription, queue: &Arc<Queue>) {
        let is_meant = |member: &Member| {
            *member.subscription == *subscription && Arc::ptr_eq(&member.queue, queue)
        };
        self.members_mut().remove(&subscription.pattern, is_meant);
    }

    fn replay(&self, after: EventId) -> Replay {
        self.history().after(after)
    }

    fn counts(&self) -> BusCounts {
        BusCounts {
            published: self.history().count(),
            delivered: self.delivered.load(Relaxed),
            unheard: self.unheard.load(Relaxed),
            subscriptions: self.members().len(),
        }
    }
}

impl Member {
    /// Of a group, the least gets the event: who has the least to do, and by lot
    /// among equals.
    fn claim(&self, event: &Event) -> (usize, u64) {
        let itself = Arc::as_ptr(&self.queue).addr() as u64;
        (self.queue.lock().waiting(), mix(event.id.number() ^ itself))
    }
}

impl Queue {
    /// True when it was not there yet.
    fn push(&self, event: &Arc<Event>, subscription: &Arc<Subscription>) -> bool {
        let is_new = self.lock().push(event, subscription);
        self.filled.notify_one();
        is_new
    }

    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Queue({})", self.lock().waiting())
    }
}

impl Feed {
    /// One that hears every event for each of its subscriptions that covers it.
    pub(crate) fn of_service(bus: &Arc<dyn Bus>, bounds: FeedBounds) -> Self {
        Self::new(bus, Backlog::per_subscription(bounds))
    }

    /// One that hears every event once, whatever covers it.
    pub(crate) fn of_stream(bus: &Arc<dyn Bus>, bounds: FeedBounds) -> Self {
        Self::new(bus, Backlog::once(bounds))
    }

    fn new(bus: &Arc<dyn Bus>, backlog: Backlog) -> Self {
        let queue = Queue { backlog: Mutex::new(backlog), filled: Notify::new() };
        Self { bus: bus.clone(), queue: Arc::new(queue), subscriptions: Mutex::default() }
    }

    /// Hears these from now on, and no others. Who goes on to be heard misses
    /// nothing.
    pub(crate) fn listen_to(&self, wanted: impl IntoIterator<Item = Subscription>) {
        let mut there = self.lock();
        let wanted: Vec<Subscription> = wanted.into_iter().collect();
        let gone = there.extract_if(.., |subscription| !wanted.contains(subscription));
        for subscription in gone {
            self.bus.unsubscribe(&subscription, &self.queue);
        }
        for subscription in wanted {
            if !there.iter().any(|known| **known == subscription) {
                let subscription = Arc::new(subscription);
                self.bus.subscribe(&subscription, &self.queue);
                there.push(subscription);
            }
        }
    }

    /// The next event, when there is one.
    pub(crate) async fn next(&self) -> Heard {
        loop {
            // Before the look, so that what comes after it is noticed.
            let filled = self.queue.filled.notified();
            if let Some(heard) = self.take() {
                return heard;
            }
            filled.await;
        }
    }

    /// The next event, if there is one.
    pub(crate) fn take(&self) -> Option<Heard> {
        let (event, subscription, key) = self.queue.lock().take()?;
        Some(Heard { event, subscription, key, queue: self.queue.clone() })
    }

    /// Changes how much may wait.
    pub(crate) fn set_bounds(&self, bounds: FeedBounds) {
        self.queue.lock().set_bounds(bounds);
    }

    /// Events that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.lock().waiting()
    }

    /// Events that were lost because too many waited.
    pub(crate) fn dropped(&self) -> u64 {
        self.queue.lock().dropped()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Subscription>>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.listen_to([]);
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        if self.queue.lock().done(self.key) {
            self.queue.filled.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
