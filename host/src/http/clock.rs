//! What a connection is doing, how long it has been doing it, and when that is
//! too long.
//!
//! The wrapped socket and the requests leave marks and never look at the time;
//! the [watch](super::watch) reads the marks now and then and knows since when
//! it has seen the same one.

use crate::limits::HostLimits;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::Instant;

/// The marks of one connection.
#[derive(Debug)]
pub(super) struct Clock {
    requests: AtomicUsize,
    requests_total: AtomicU64,
    is_http2: AtomicBool,
    /// The last mark that was given out.
    marks: AtomicU64,
    idle: Mark,
    head: Mark,
    stalled: Mark,
    /// For each HTTP/2 answer, whether its last chunk waits to be taken.
    handed: Mutex<Vec<(Weak<Mark>, Seen)>>,
}

/// 0 while something does not happen; a number of its own each time it begins.
#[derive(Debug, Default)]
struct Mark(AtomicU64);

/// The mark that was there at the last look, and when it was there first.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    mark: u64,
    since: Option<Instant>,
}

impl Mark {
    fn is_set(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    fn set(&self, marks: &AtomicU64) {
        self.0.store(marks.fetch_add(1, Relaxed) + 1, Relaxed);
    }

    fn clear(&self) {
        self.0.store(0, Relaxed);
    }
}

impl Seen {
    /// Whether this has been going on for so long.
    fn is_over(&mut self, mark: &Mark, now: Instant, ms_max: u64) -> bool {
        let mark = mark.0.load(Relaxed);
        if mark != self.mark {
            *self = Self { mark, since: Some(now) };
        }
        let lasted =
            self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        mark != 0 && Duration::from_millis(ms_max) <= lasted
    }
}

/// What earlier looks at a clock have seen.
#[derive(Debug, Default)]
pub(super) struct Looks {
    idle: Seen,
    head: Seen,
    stalled: Seen,
}

impl Clock {
    pub(super) fn new() -> Self {
        let clock = Self {
            requests: AtomicUsize::new(0),
            requests_total: AtomicU64::new(0),
            is_http2: AtomicBool::new(false),
            marks: AtomicU64::new(0),
            idle: Mark::default(),
            head: Mark::default(),
            stalled: Mark::default(),
            handed: Mutex::default(),
        };
        clock.idle.set(&clock.marks);
        clock.head.set(&clock.marks);
        clock
    }

    /// A head has arrived; the request runs until the guard is dropped.
    pub(super) fn request(self: &Arc<Self>, is_http2: bool) -> InRequest {
        self.head.clear();
        self.idle.clear();
        self.is_http2.store(is_http2, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        self.requests_total.fetch_add(1, Relaxed);
        InRequest(self.clone())
    }

    /// Requests that the connection has carried.
    pub(super) fn requests_total(&self) -> u64 {
        self.requests_total.load(Relaxed)
    }

    /// Why the connection should be closed now, if it should.
    pub(super) fn overdue(
        &self,
        looks: &mut Looks,
        now: Instant,
        limits: &HostLimits,
    ) -> Option<&'static str> {
        let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        let stall_ms_max = limits.write_stall_ms_max;
        let mut is_stalled = looks.stalled.is_over(&self.stalled, now, stall_ms_max);
        handed.retain_mut(|(mark, seen)| {
            let Some(mark) = mark.upgrade() else { return false };
            is_stalled |= seen.is_over(&mark, now, stall_ms_max);
            true
        });
        let head_is_over = looks.head.is_over(&self.head, now, limits.head_ms_max);
        let idle_is_over = looks.idle.is_over(&self.idle, now, limits.idle_ms_max);
        if is_stalled {
            return Some("client does not take its answer");
        }
        if 0 < self.requests.load(Relaxed) {
            return None;
        }
        if head_is_over && !self.is_http2.load(Relaxed) {
            return Some("head did not arrive in time");
        }
        idle_is_over.then_some("idle for too long")
    }

    fn on_read(&self) {
        if self.requests.load(Relaxed) == 0 && !self.head.is_set() {
            self.head.set(&self.marks);
        }
    }

    fn on_write(&self, is_pending: bool) {
        if is_pending != self.stalled.is_set() {
            if is_pending { self.stalled.set(&self.marks) } else { self.stalled.clear() }
        }
    }
}

/// One answer on a connection that carries several at once: there, a client
/// that takes nothing does not hold up the socket.
#[derive(Debug)]
pub(super) struct Handing {
    clock: Arc<Clock>,
    mark: Arc<Mark>,
}

impl Handing {
    /// An answer begins.
    pub(super) fn new(clock: &Arc<Clock>) -> Self {
        let mark = Arc::default();
        let mut handed = clock.handed.lock().unwrap_or_else(PoisonError::into_inner);
        handed.retain(|(mark, _)| 0 < mark.strong_count());
        handed.push((Arc::downgrade(&mark), Seen::default()));
        Self { clock: clock.clone(), mark }
    }

    /// The client is ready for more.
    pub(super) fn wanted(&self) {
        self.mark.clear();
    }

    /// A chunk was handed over and waits to be taken.
    pub(super) fn handed(&self) {
        self.mark.set(&self.clock.marks);
    }
}

/// How often clocks should be looked at.
pub(super) fn interval(limits: &HostLimits) -> Duration {
    let shortest = limits.head_ms_max.min(limits.idle_ms_max).min(limits.write_stall_ms_max);
    Duration::from_millis((shortest / 4).clamp(25, 1_000))
}

/// A request under way.
#[derive(Debug)]
pub(super) struct InRequest(Arc<Clock>);

impl Drop for InRequest {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Relaxed) == 1 {
            self.0.idle.set(&self.0.marks);
        }
    }
}

/// A socket that reports to a clock, and writes small answers behind whatever
/// else is ready: every write may wake a client, which costs more than many an
/// answer, and a client that finds several answers is woken once.
#[derive(Debug)]
pub(super) struct Clocked<T> {
    io: T,
    clock: Arc<Clock>,
    has_waited: bool,
}

/// What is larger is written at once.
const SMALL_WRITE: usize = 16 << 10;

impl<T> Clocked<T> {
    pub(super) fn new(io: T, clock: Arc<Clock>) -> Self {
        Self { io, clock, has_waited: false }
    }

    /// The socket, which nobody looks at any more.
    pub(super) fn into_inner(self) -> T {
        self.io
    }

    /// Lets others go first, once for each write.
    fn wait_for_others(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<()> {
        let waits = bytes <= SMALL_WRITE && !self.has_waited;
        self.has_waited = waits;
        if !waits {
            return Poll::Ready(());
        }
        // Woken when the runtime has run and polled everything else.
        pin!(yield_now()).poll(cx)
    }
}

impl<T: Read + Unpin> Read for Clocked<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if read.is_ready() {
            self.clock.on_read();
        }
        read
    }
}

impl<T: Write + Unpin> Write for Clocked<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.wait_for_others(cx, bytes.len()));
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.clock.on_write(written.is_pending());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.wait_for_others(cx, buffers.iter().map(|buffer| buffer.len()).sum()));
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, buffers);
        self.clock.on_write(written.is_pending());
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_has_its_own_bound() {
        let limits = HostLimits::DEFAULT;
        let (clock, mut looks) = (Arc::new(Clock::new()), Looks::default());
        let mut now = Instant::now();
        let mut after = |clock: &Clock, ms| {
            now += Duration::from_millis(ms);
            clock.overdue(&mut looks, now, &limits)
        };
        assert_eq!(after(&clock, 0), None);
        assert_eq!(after(&clock, 9_000), None);
        assert_eq!(after(&clock, 1_000), Some("head did not arrive in time"));

        let request = clock.request(false);
        assert_eq!(after(&clock, 100_000), None, "a request has bounds of its own");
        drop(request);
        assert_eq!(after(&clock, 1), None, "the first look after the request");
        assert_eq!(after(&clock, 74_000), None);
        assert_eq!(after(&clock, 1_000), Some("idle for too long"));

        clock.on_read();
        clock.on_write(true);
        assert_eq!(after(&clock, 1), Some("idle for too long"), "not taken back by a byte");
        clock.on_write(true);
        assert_eq!(after(&clock, 30_000), Some("client does not take its answer"));
    }
}
