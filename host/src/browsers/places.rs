//! Who of the browsers is there: how many in all and from one address, by what
//! they are connected, and how they left.

use super::pace::{Pace, Paced};
use crate::addresses::Addresses;
use crate::fault::BrowserFault;
use futures::task::AtomicWaker;
use std::fmt;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// By what a browser is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    SocketIo,
    WebSocket,
    Events,
}

/// How a browser left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It went, or its connection broke.
    Left,
    /// It did not take what was sent.
    Slow,
    /// It sent more than it may.
    Flood,
    /// A service closed it.
    Service,
    /// Nobody is in its namespace any more.
    Namespace,
    /// The host is stopping.
    Stopping,
}

/// Places for browsers.
#[derive(Debug)]
pub(crate) struct Places {
    browsers_max: usize,
    per_address_max: usize,
    messages_per_second: u32,
    open: Mutex<Open>,
    closed: [AtomicU64; Cause::ALL.len()],
}

#[derive(Debug, Default)]
struct Open {
    by_transport: [usize; Transport::ALL.len()],
    by_address: Addresses,
}

/// The place of one browser. Dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    from: IpAddr,
    transport: Transport,
    cause: OnceLock<Cause>,
    is_cut: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
    /// Ends its session, where one goes on beyond its connection.
    ending: OnceLock<Ending>,
    /// How fast it sends, in all its namespaces.
    pace: Mutex<Pace>,
    /// Room for calls that are under way.
    calls: Arc<Semaphore>,
    /// Bytes put in its line since the line was empty.
    behind: AtomicUsize,
}

/// Ends a session.
struct Ending(Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ending")
    }
}

/// Calls that one browser may have under way.
pub(crate) const CALLS_AT_ONCE: usize = 64;
/// Bytes that a browser may be behind.
const BEHIND_BYTES_MAX: usize = 1 << 20;

impl Transport {
    pub(crate) const ALL: [Self; 3] = [Self::SocketIo, Self::WebSocket, Self::Events];

    /// As metrics name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SocketIo => "socketio",
            Self::WebSocket => "ws",
            Self::Events => "events",
        }
    }
}

impl Cause {
    pub(crate) const ALL: [Self; 6] =
        [Self::Left, Self::Slow, Self::Flood, Self::Service, Self::Namespace, Self::Stopping];

    /// As metrics name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Slow => "slow",
            Self::Flood => "flood",
            Self::Service => "service",
            Self::Namespace => "namespace",
            Self::Stopping => "stopping",
        }
    }
}

impl Places {
    pub(crate) fn new(
        browsers_max: usize,
        per_address_max: usize,
        messages_per_second: u32,
    ) -> Arc<Self> {
        let (open, closed) = (Mutex::default(), Default::default());
        Arc::new(Self { browsers_max, per_address_max, messages_per_second, open, closed })
    }

    /// A place for one more. Loopback is not counted by address.
    pub(crate) fn take(
        self: &Arc<Self>,
        from: IpAddr,
        transport: Transport,
    ) -> Result<Arc<Place>, BrowserFault> {
        let mut open = self.lock();
        if self.browsers_max <= open.by_transport.iter().sum::<usize>() {
            return Err(BrowserFault::TooManyBrowsers { of: "the host" });
        }
        if !open.by_address.enter(from, self.per_address_max) {
            return Err(BrowserFault::TooManyBrowsers { of: "this address" });
        }
        if let Some(count) = open.by_transport.get_mut(transport as usize) {
            *count += 1;
        }
        Ok(Arc::new(Place {
            places: self.clone(),
            from,
            transport,
            cause: OnceLock::new(),
            is_cut: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            ending: OnceLock::new(),
            pace: Mutex::new(Pace::new(self.messages_per_second, Instant::now())),
            calls: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
            behind: AtomicUsize::new(0),
        }))
    }

    /// Browsers by what they are connected.
    pub(crate) fn open(&self) -> Vec<(Transport, usize)> {
        let open = self.lock();
        Transport::ALL.into_iter().zip(open.by_transport).collect()
    }

    /// Browsers that are gone, by how they left.
    pub(crate) fn closed(&self) -> Vec<(Cause, u64)> {
        let counts = self.closed.iter().map(|count| count.load(Ordering::Relaxed));
        Cause::ALL.into_iter().zip(counts).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Says how the browser leaves; the first word counts.
    pub(crate) fn leave(&self, cause: Cause) {
        let _ = self.cause.set(cause);
    }

    /// Breaks its connection, and ends its session.
    pub(crate) fn cut(&self, cause: Cause) {
        self.leave(cause);
        if self.is_cut.swap(true, Ordering::AcqRel) {
            return;
        }
        self.reader.wake();
        self.writer.wake();
        self.end();
    }

    /// Says how its session is ended, which is done when it is cut.
    pub(super) fn ends_by(&self, ending: impl Fn() + Send + Sync + 'static) {
        let _ = self.ending.set(Ending(Box::new(ending)));
        // It may have been cut before there was a way to end it.
        if self.is_cut() {
            self.end();
        }
    }

    /// Ends its session, if that goes on beyond its connection.
    pub(super) fn end(&self) {
        if let Some(Ending(end)) = self.ending.get() {
            end();
        }
    }

    /// Judges one more message of it.
    pub(super) fn judge(&self) -> Paced {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.judge(Instant::now())
    }

    /// Room for its calls.
    pub(crate) fn calls(&self) -> &Arc<Semaphore> {
        &self.calls
    }

    /// Whether its connection was broken.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }

    /// The same for who reads from it, who is woken when that changes.
    pub(crate) fn is_cut_for_reader(&self, cx: &Context<'_>) -> bool {
        self.reader.register(cx.waker());
        self.is_cut()
    }

    /// The same for who writes to it.
    pub(crate) fn is_cut_for_writer(&self, cx: &Context<'_>) -> bool {
        self.writer.register(cx.waker());
        self.is_cut()
    }

    /// Resolves when its connection was broken.
    pub(crate) async fn was_cut(&self) {
        poll_fn(|cx| if self.is_cut_for_reader(cx) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    /// Whether it may be sent something of this size now.
    pub(crate) fn may_be_sent(&self, bytes: usize) -> bool {
        self.behind.fetch_add(bytes, Ordering::Relaxed) <= BEHIND_BYTES_MAX
    }

    /// It took all that there was.
    pub(crate) fn caught_up(&self) {
        self.behind.store(0, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let cause = self.cause.get().copied().unwrap_or(Cause::Left);
        if let Some(count) = self.places.closed.get(cause as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let mut open = self.places.lock();
        if let Some(count) = open.by_transport.get_mut(self.transport as usize) {
            *count -= 1;
        }
        open.by_address.leave(self.from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn places_are_counted_in_all_and_by_address() {
        let places = Places::new(3, 2, 1);
        let taken: Vec<_> =
            (0..2).map(|_| places.take(address(1), Transport::SocketIo).unwrap()).collect();
        let third = places.take(address(1), Transport::SocketIo).unwrap_err();
        assert_eq!(third, BrowserFault::TooManyBrowsers { of: "this address" });
        let other = places.take(address(2), Transport::Events).unwrap();
        let fourth = places.take(address(3), Transport::Events).unwrap_err();
        assert_eq!(fourth, BrowserFault::TooManyBrowsers { of: "the host" });
        drop(taken);
        let counts: Vec<usize> = places.open().into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [0, 0, 1]);
        other.cut(Cause::Slow);
        other.cut(Cause::Stopping);
        drop(other);
        let closed: Vec<u64> = places.closed().into_iter().map(|(_, count)| count).collect();
        assert_eq!(closed, [2, 1, 0, 0, 0, 0]);
        assert_eq!(places.lock().by_address, Addresses::default());
    }

    #[test]
    fn loopback_is_not_counted_by_address() {
        let places = Places::new(10, 1, 1);
        let local = IpAddr::from([127, 0, 0, 1]);
        let taken: Vec<_> =
            (0..3).map(|_| places.take(local, Transport::WebSocket).unwrap()).collect();
        assert_eq!(taken.len(), 3);
    }

    #[test]
    fn who_is_far_behind_is_sent_no_more_until_it_caught_up() {
        let places = Places::new(1, 1, 1);
        let place = places.take(address(1), Transport::SocketIo).unwrap();
        assert!(place.may_be_sent(BEHIND_BYTES_MAX + 1));
        assert!(!place.may_be_sent(1));
        place.caught_up();
        assert!(place.may_be_sent(1));
    }

    #[test]
    fn a_session_is_ended_when_its_place_is_cut_however_late_it_is_known() {
        let places = Places::new(2, 1, 1);
        for cut_first in [true, false] {
            let place = places.take(address(1), Transport::SocketIo).unwrap();
            let ended = Arc::new(AtomicUsize::new(0));
            let count = ended.clone();
            let ending = move || {
                count.fetch_add(1, Ordering::Relaxed);
            };
            if cut_first {
                place.cut(Cause::Flood);
                place.ends_by(ending);
            } else {
                place.ends_by(ending);
                assert_eq!(ended.load(Ordering::Relaxed), 0);
                place.cut(Cause::Flood);
            }
            place.cut(Cause::Slow);
            assert_eq!(ended.load(Ordering::Relaxed), 1, "{cut_first}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_of_a_browser_is_that_of_its_connection() {
        let places = Places::new(1, 1, 2);
        let place = places.take(address(1), Transport::SocketIo).unwrap();
        let seen: Vec<Paced> = (0..5).map(|_| place.judge()).collect();
        let (granted, refused) = (Paced::Granted, Paced::Refused);
        assert_eq!(seen, [granted, granted, refused, refused, Paced::Flood]);
    }
}
