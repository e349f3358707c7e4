//! How long a connection has been doing what it does, and when that is too
//! long.
//!
//! The wrapped socket and the requests report; the connection's task asks now
//! and then. One connection is served by one task at a time, so plain relaxed
//! atomics do.

use crate::limits::HostLimits;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// What a connection is doing, and since when.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    requests: AtomicUsize,
    requests_total: AtomicU64,
    is_http2: AtomicBool,
    /// Milliseconds since `started`; 0 is "not now".
    idle_since: AtomicU64,
    head_since: AtomicU64,
    stalled_since: AtomicU64,
    /// For each HTTP/2 answer, since when its last chunk waits to be taken.
    handed: Mutex<Vec<Weak<AtomicU64>>>,
}

impl Clock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            requests: AtomicUsize::new(0),
            requests_total: AtomicU64::new(0),
            is_http2: AtomicBool::new(false),
            idle_since: AtomicU64::new(1),
            head_since: AtomicU64::new(1),
            stalled_since: AtomicU64::new(0),
            handed: Mutex::default(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// A head has arrived; the request runs until the guard is dropped.
    pub(super) fn request(self: &Arc<Self>, is_http2: bool) -> InRequest {
        self.head_since.store(0, Relaxed);
        self.idle_since.store(0, Relaxed);
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
    pub(super) fn overdue(&self, limits: &HostLimits) -> Option<&'static str> {
        let now = self.now();
        let is_over = |since: &AtomicU64, ms_max: u64| {
            let since = since.load(Relaxed);
            since != 0 && ms_max <= now.saturating_sub(since)
        };
        if is_over(&self.stalled_since, limits.write_stall_ms_max) {
            return Some("client does not take its answer");
        }
        let handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answers = handed.iter().filter_map(Weak::upgrade);
        if answers.any(|since| is_over(&since, limits.write_stall_ms_max)) {
            return Some("client does not take its answer");
        }
        if 0 < self.requests.load(Relaxed) {
            return None;
        }
        if !self.is_http2.load(Relaxed) && is_over(&self.head_since, limits.head_ms_max) {
            return Some("head did not arrive in time");
        }
        is_over(&self.idle_since, limits.idle_ms_max).then_some("idle for too long")
    }

    fn on_read(&self) {
        if self.requests.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    fn on_write(&self, is_pending: bool) {
        if !is_pending {
            self.stalled_since.store(0, Relaxed);
        } else if self.stalled_since.load(Relaxed) == 0 {
            self.stalled_since.store(self.now(), Relaxed);
        }
    }
}

/// One answer on a connection that carries several at once: there, a client
/// that takes nothing does not hold up the socket.
#[derive(Debug)]
pub(super) struct Handing {
    clock: Arc<Clock>,
    since: Arc<AtomicU64>,
}

impl Handing {
    /// An answer begins.
    pub(super) fn new(clock: &Arc<Clock>) -> Self {
        let since = Arc::new(AtomicU64::new(0));
        let mut handed = clock.handed.lock().unwrap_or_else(PoisonError::into_inner);
        handed.retain(|since| 0 < since.strong_count());
        handed.push(Arc::downgrade(&since));
        Self { clock: clock.clone(), since }
    }

    /// The client is ready for more.
    pub(super) fn wanted(&self) {
        self.since.store(0, Relaxed);
    }

    /// A chunk was handed over and waits to be taken.
    pub(super) fn handed(&self) {
        self.since.store(self.clock.now(), Relaxed);
    }
}

/// How often a connection should look at its clock.
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
            self.0.idle_since.store(self.0.now(), Relaxed);
        }
    }
}

/// A socket that reports to a clock.
#[derive(Debug)]
pub(super) struct Clocked<T> {
    io: T,
    clock: Arc<Clock>,
}

impl<T> Clocked<T> {
    pub(super) fn new(io: T, clock: Arc<Clock>) -> Self {
        Self { io, clock }
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
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, buffers);
        self.clock.on_write(written.is_pending());
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_bound() {
        let limits = HostLimits::DEFAULT;
        let clock = Clock::new();
        let wait = |ms| tokio::time::advance(Duration::from_millis(ms));
        wait(9_000).await;
        assert_eq!(clock.overdue(&limits), None);
        wait(1_000).await;
        assert_eq!(clock.overdue(&limits), Some("head did not arrive in time"));

        let request = clock.request(false);
        wait(100_000).await;
        assert_eq!(clock.overdue(&limits), None, "a request has bounds of its own");
        drop(request);
        wait(74_000).await;
        assert_eq!(clock.overdue(&limits), None);
        wait(1_000).await;
        assert_eq!(clock.overdue(&limits), Some("idle for too long"));

        clock.on_read();
        clock.on_write(true);
        wait(1_000).await;
        clock.on_write(true);
        wait(29_000).await;
        assert_eq!(clock.overdue(&limits), Some("client does not take its answer"));
    }
}
