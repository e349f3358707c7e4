//! The last events, for subscribers that were away for a moment.

use super::Event;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Events that are kept.
const EVENTS_MAX: usize = 1_000;
/// Bytes of all of them, about.
const BYTES_MAX: usize = 8 << 20;

/// Names an event: the run of the host, and a number that grows with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventId {
    run: u32,
    number: u64,
}

/// The last events of this run of the host.
#[derive(Debug)]
pub(super) struct History {
    run: u32,
    count: u64,
    kept: VecDeque<Arc<Event>>,
    bytes: usize,
}

/// What followed an event.
#[derive(Debug)]
pub(crate) struct Replay {
    /// What is known of it, in order.
    pub(crate) events: Vec<Arc<Event>>,
    /// Whether there was more.
    pub(crate) has_gap: bool,
}

impl Default for History {
    fn default() -> Self {
        let run = uuid::Uuid::new_v4().as_fields().0;
        Self { run, count: 0, kept: VecDeque::new(), bytes: 0 }
    }
}

impl EventId {
    /// Of no event: before all there are, and of another run.
    pub(crate) const UNKNOWN: Self = Self { run: 0, number: 0 };

    /// How many there were before it in this run, and it.
    pub(crate) fn number(self) -> u64 {
        self.number
    }

    /// Reads what [`Display`](fmt::Display) wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (run, number) = text.split_once('-')?;
        Some(Self { run: u32::from_str_radix(run, 16).ok()?, number: number.parse().ok()? })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.run, self.number)
    }
}

impl History {
    /// Events so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Gives the next event its id and keeps it for a while.
    pub(super) fn note(&mut self, make: impl FnOnce(EventId) -> Event) -> Arc<Event> {
        self.count += 1;
        let event = Arc::new(make(EventId { run: self.run, number: self.count }));
        self.bytes += event.weight();
        self.kept.push_back(event.clone());
        while EVENTS_MAX < self.kept.len() || BYTES_MAX < self.bytes {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.weight();
        }
        event
    }

    /// What followed an event. After one of another run that is everything.
    pub(super) fn after(&self, id: EventId) -> Replay {
        let from = if id.run == self.run { id.number } else { 0 };
        let first = self.kept.front().map_or(self.count + 1, |event| event.id.number);
        let is_other_run = id.run != self.run;
        Replay {
            events: self.kept.iter().filter(|event| from < event.id.number).cloned().collect(),
            has_gap: is_other_run || from + 1 < first,
        }
    }
}
