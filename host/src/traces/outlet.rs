//! The line to a collector, and what becomes of spans that are to be sent.

use super::Segment;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::mpsc;

/// Where requests wait to be sent. Nobody waits to put one there.
pub(super) struct Outlet {
    line: mpsc::Sender<Segment>,
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// Spans by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SendCounts {
    pub(crate) sent: u64,
    /// The collector did not take them.
    pub(crate) failed: u64,
    /// There was no room for them in the line to the collector.
    pub(crate) dropped: u64,
}

/// Requests that wait to be sent to a collector.
pub(super) const OUTLET_MAX: usize = 4_096;
/// Those that were turned away go in while fewer wait than this, so that there is
/// room for the others.
pub(super) const TURNED_AWAY_MAX: usize = OUTLET_MAX / 16;

impl Outlet {
    /// An outlet, and what comes out of it.
    pub(super) fn new() -> (Self, mpsc::Receiver<Segment>) {
        let (line, sent) = mpsc::channel(OUTLET_MAX);
        let [sent_count, failed, dropped] = [const { AtomicU64::new(0) }; 3];
        (Self { line, sent: sent_count, failed, dropped }, sent)
    }

    /// Puts a request in line; it is dropped where there is no room.
    pub(super) fn offer(&self, segment: &Segment) {
        if let Err(error) = self.line.try_send(segment.clone()) {
            self.drop_spans(&error.into_inner());
        }
    }

    /// The same for one that was turned away.
    pub(super) fn offer_turned_away(&self, segment: &Segment) {
        if OUTLET_MAX - TURNED_AWAY_MAX < self.line.capacity() {
            self.offer(segment);
        } else {
            self.drop_spans(segment);
        }
    }

    fn drop_spans(&self, segment: &Segment) {
        self.dropped.fetch_add(segment.len() as u64, Relaxed);
    }

    /// So many spans were sent, or not taken.
    pub(super) fn note(&self, sent: u64, failed: u64) {
        self.sent.fetch_add(sent, Relaxed);
        self.failed.fetch_add(failed, Relaxed);
    }

    /// What became of spans so far.
    pub(super) fn counts(&self) -> SendCounts {
        let read = |count: &AtomicU64| count.load(Relaxed);
        let (sent, failed, dropped) = (read(&self.sent), read(&self.failed), read(&self.dropped));
        SendCounts { sent, failed, dropped }
    }
}
