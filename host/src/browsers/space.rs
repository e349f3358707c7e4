//! A namespace: the services that show something there, and the browsers that
//! are in it.

use crate::bus::{Bus, Feed, FeedBounds, Heard};
use crate::crew::{Crew, StopSignal};
use crate::exposed;
use crate::fault::{BrowserFault, Fault};
use crate::live::Live;
use crate::name::Name;
use crate::payload::Content;
use crate::sockets::{Closing, Outlet, SocketId};
use crate::subject::{Subject, SubjectPattern, Subscription};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::yield_now;

/// A namespace. It is there as long as a live service names it.
pub(crate) struct Space {
    pub(crate) name: Name,
    bus: Arc<dyn Bus>,
    crew: Crew,
    inside: Mutex<Inside>,
    /// A browser left that heard everything.
    left: Notify,
}

/// What may change.
#[derive(Default)]
struct Inside {
    /// Nobody is let in any more.
    is_closed: bool,
    shown: Arc<Shown>,
    browsers: HashMap<SocketId, Arc<dyn Outlet>>,
    /// Those of them that hear every event.
    listeners: HashMap<SocketId, Arc<dyn Listener>>,
    /// What these hear, as long as there are any.
    feed: Option<Arc<Feed>>,
}

/// What the services of a namespace show.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Shown {
    pub(crate) services: BTreeSet<Name>,
    pub(crate) subjects: Vec<SubjectPattern>,
}

/// A browser that hears every event of its namespace.
pub(crate) trait Listener: Send + Sync {
    fn tell(&self, told: &Told);
}

/// An event as browsers are told of it.
pub(crate) struct Told {
    pub(crate) subject: Subject,
    pub(crate) content: Content,
    /// Bytes of its payload.
    pub(crate) bytes: usize,
}

/// Events that wait to be told to all.
const WAITING: FeedBounds = FeedBounds { events_max: 4_096, bytes_max: 16 << 20 };
/// Browsers that are told of an event at a stretch.
const STRETCH: usize = 256;

impl Space {
    pub(crate) fn new(name: Name, bus: Arc<dyn Bus>, crew: Crew) -> Self {
        Self { name, bus, crew, inside: Mutex::default(), left: Notify::new() }
    }

    /// What its services show now.
    pub(crate) fn shown(&self) -> Arc<Shown> {
        self.lock().shown.clone()
    }

    /// Whether a browser may subscribe to this.
    pub(crate) fn may_hear(&self, wanted: &SubjectPattern) -> bool {
        exposed::may_hear(&self.lock().shown.subjects, wanted)
    }

    /// Whether browsers may be told of events on this subject.
    pub(crate) fn may_be_told(&self, subject: &Subject) -> bool {
        exposed::may_be_told(&self.lock().shown.subjects, subject)
    }

    /// From now on its services show this.
    pub(super) fn show(&self, shown: Shown) {
        let mut inside = self.lock();
        if !inside.is_closed {
            inside.show(shown);
        }
    }

    /// A browser is in it.
    pub(super) fn enter(&self, id: SocketId, browser: Arc<dyn Outlet>) -> Result<(), Fault> {
        self.open()?.browsers.insert(id, browser);
        Ok(())
    }

    /// A browser in it hears every event.
    pub(super) fn listen(
        self: &Arc<Self>,
        id: SocketId,
        listener: Arc<dyn Listener>,
    ) -> Result<(), Fault> {
        let mut inside = self.open()?;
        inside.listeners.insert(id, listener);
        if inside.feed.is_some() {
            return Ok(());
        }
        let feed = Arc::new(Feed::of_stream(&self.bus, WAITING));
        feed.listen_to(inside.shown.subscriptions());
        inside.feed = Some(feed.clone());
        let space = self.clone();
        self.crew.hire("browser events", |stop| space.tell_all(feed, stop));
        Ok(())
    }

    /// A browser is gone.
    pub(crate) fn leave(&self, id: &SocketId) {
        let mut inside = self.lock();
        let gone = (inside.browsers.remove(id), inside.listeners.remove(id));
        drop(inside);
        if gone.1.is_some() {
            self.left.notify_one();
        }
    }

    /// Sends everybody away; nothing is shown and nobody is let in any more.
    pub(super) fn close_for_good(&self, closing: &Closing) {
        let mut inside = self.lock();
        inside.is_closed = true;
        inside.show(Shown::default());
        let browsers: Vec<Arc<dyn Outlet>> = inside.browsers.values().cloned().collect();
        drop(inside);
        for browser in browsers {
            browser.close(closing.clone());
        }
    }

    async fn tell_all(self: Arc<Self>, feed: Arc<Feed>, mut stop: StopSignal) {
        loop {
            tokio::select! {
                heard = feed.next() => self.tell(&heard).await,
                () = self.left.notified() => {
                    let mut inside = self.lock();
                    if inside.listeners.is_empty() {
                        inside.feed = None;
                        return;
                    }
                }
                () = stop.stopped() => return,
            }
        }
    }

    async fn tell(&self, heard: &Heard) {
        let news = &heard.event.news;
        let (subject, bytes) = (news.subject.clone(), news.payload.len());
        let told = Told { subject, content: heard.event.content(), bytes };
        let listeners: Vec<Arc<dyn Listener>> = self.lock().listeners.values().cloned().collect();
        for some in listeners.chunks(STRETCH) {
            some.iter().for_each(|listener| listener.tell(&told));
            // Others have something to do, too.
            yield_now().await;
        }
    }

    /// What is inside, as long as browsers are let in.
    fn open(&self) -> Result<MutexGuard<'_, Inside>, Fault> {
        let inside = self.lock();
        if inside.is_closed {
            return Err(BrowserFault::NoSuchNamespace { namespace: self.name.to_string() }.into());
        }
        Ok(inside)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn show(&mut self, shown: Shown) {
        if *self.shown == shown {
            return;
        }
        self.shown = Arc::new(shown);
        if let Some(feed) = &self.feed {
            feed.listen_to(self.shown.subscriptions());
        }
    }
}

impl Shown {
    /// What the live services of a namespace show.
    pub(super) fn of(live: &Live, namespace: &Name) -> Self {
        let mut shown = Self::default();
        for service in live.services() {
            let exposed = &service.declaration.exposed;
            if exposed.namespace() != Some(namespace) {
                continue;
            }
            shown.services.insert(service.declaration.name.clone());
            for pattern in exposed.subjects() {
                if !shown.subjects.contains(pattern) {
                    shown.subjects.push(pattern.clone());
                }
            }
        }
        shown
    }

    fn subscriptions(&self) -> impl Iterator<Item = Subscription> {
        self.subjects.iter().cloned().map(|pattern| Subscription { pattern, group: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::LocalBus;
    use crate::sockets::Message;

    #[derive(Default)]
    struct Browser {
        closed: Mutex<Vec<u16>>,
    }

    impl Outlet for Browser {
        fn send(&self, _message: &Arc<Message>) {}

        fn close(&self, closing: Closing) {
            self.closed.lock().unwrap().push(closing.code);
        }
    }

    impl Listener for Browser {
        fn tell(&self, _told: &Told) {}
    }

    #[tokio::test]
    async fn a_namespace_that_is_gone_lets_nobody_in_and_shows_nothing() {
        let crew = Crew::default();
        let name = Name::parse("shop").unwrap();
        let space = Arc::new(Space::new(name.clone(), Arc::new(LocalBus::default()), crew.clone()));
        let shown = || Shown { services: BTreeSet::from([name.clone()]), subjects: Vec::new() };
        space.show(shown());
        let browser = Arc::new(Browser::default());
        space.enter(SocketId::draw(), browser.clone()).unwrap();
        space.close_for_good(&Closing::new(4404, "gone"));
        assert_eq!(*browser.closed.lock().unwrap(), [4404]);
        space.show(shown());
        assert_eq!(*space.shown(), Shown::default());
        let gone = BrowserFault::NoSuchNamespace { namespace: "shop".to_owned() };
        let refused = space.enter(SocketId::draw(), browser.clone());
        assert_eq!(refused, Err(gone.clone().into()));
        assert_eq!(space.listen(SocketId::draw(), browser.clone()), Err(gone.into()));
        assert_eq!(crew.len(), 0);
        assert_eq!(Arc::strong_count(&browser), 2);
    }
}
