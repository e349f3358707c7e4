//! How WebSockets do: how many are open, what came and went, why they ended.

use crate::fault::Fault;
use crate::name::Name;
use crate::telemetry::Seldom;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::warn;

/// Why a socket was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The peer closed it.
    Client,
    /// Whom it is of closed it.
    Service,
    /// The peer took too little of what was sent.
    Slow,
    /// A message was over the limit.
    TooLarge,
    /// What came was no protocol, or no text.
    Garbled,
    /// The peer did not answer any more, or did not end what it had begun.
    Silent,
    /// Nothing happened for longer than may be.
    Idle,
    /// The host stopped.
    Shutdown,
    /// The connection broke.
    Gone,
    /// Nobody serves it any more.
    Removed,
}

impl Cause {
    /// All of them, in the order of their discriminants.
    pub(crate) const ALL: [Self; 10] = [
        Self::Client,
        Self::Service,
        Self::Slow,
        Self::TooLarge,
        Self::Garbled,
        Self::Silent,
        Self::Idle,
        Self::Shutdown,
        Self::Gone,
        Self::Removed,
    ];

    /// As metrics name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Service => "service",
            Self::Slow => "slow",
            Self::TooLarge => "too-large",
            Self::Garbled => "garbled",
            Self::Silent => "silent",
            Self::Idle => "idle",
            Self::Shutdown => "shutdown",
            Self::Gone => "gone",
            Self::Removed => "removed",
        }
    }
}

/// The sockets of one service, or of one kind of browsers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    open: AtomicUsize,
    came: AtomicU64,
    went: AtomicU64,
    failed: AtomicU64,
    closed: [AtomicU64; Cause::ALL.len()],
    warned: Seldom,
}

/// A socket that is counted as open.
#[derive(Debug)]
pub(crate) struct Open(Arc<Tally>);

impl Tally {
    /// Counts a socket, until what is given back is dropped.
    pub(crate) fn open(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Relaxed);
        Open(self.clone())
    }

    /// A message came.
    pub(crate) fn note_came(&self) {
        self.came.fetch_add(1, Relaxed);
    }

    /// A message is on its way.
    pub(crate) fn note_went(&self) {
        self.went.fetch_add(1, Relaxed);
    }

    /// A socket was closed.
    pub(crate) fn closed(&self, cause: Cause) {
        if let Some(count) = self.closed.get(cause as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// What happened at a socket ended in a fault.
    pub(crate) fn note_failure(&self, service: &Name, websocket: &Name, fault: &Fault) {
        let failed = self.failed.fetch_add(1, Relaxed) + 1;
        if self.warned.is_due() {
            warn!(%service, %websocket, %fault, failed, "message of a websocket ended in a fault");
        }
    }

    /// Sockets that are open.
    pub(crate) fn count_open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Messages that came.
    pub(crate) fn count_came(&self) -> u64 {
        self.came.load(Relaxed)
    }

    /// Messages that were sent.
    pub(crate) fn count_went(&self) -> u64 {
        self.went.load(Relaxed)
    }

    /// Messages, openings and closings that ended in a fault.
    pub(crate) fn count_failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Sockets that were closed, by cause.
    pub(crate) fn counts_closed(&self) -> impl Iterator<Item = (Cause, u64)> {
        Cause::ALL.into_iter().zip(self.closed.iter().map(|count| count.load(Relaxed)))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// The tallies of all services that had a WebSocket open, by name.
#[derive(Debug, Default)]
pub(crate) struct Tallies(Mutex<BTreeMap<Name, Arc<Tally>>>);

impl Tallies {
    /// That of one service.
    pub(crate) fn of(&self, service: &Name) -> Arc<Tally> {
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.entry(service.clone()).or_default().clone()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(Name, Arc<Tally>)> {
        let tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.iter().map(|(service, tally)| (service.clone(), tally.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_count_of_its_own() {
        let tally = Arc::<Tally>::default();
        let open = tally.open();
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            (0..=index).for_each(|_| tally.closed(cause));
        }
        let counts: Vec<u64> = tally.counts_closed().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(tally.count_open(), 1);
        drop(open);
        assert_eq!(tally.count_open(), 0);
    }
}
