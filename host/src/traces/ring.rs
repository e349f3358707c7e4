//! The newest entries, of each sort so many.

use super::{Segment, Which};
use std::collections::VecDeque;
use std::time::Duration;

/// One place where requests are noted.
#[derive(Debug)]
pub(super) struct Rings {
    pub(super) newest: Ring,
    pub(super) slow: Ring,
    pub(super) failed: Ring,
    /// Requests that were turned away before a service was called; they are in
    /// no other.
    pub(super) turned_away: Ring,
}

/// Entries, of which the oldest goes when there is no room.
#[derive(Debug)]
pub(super) struct Ring {
    segments: VecDeque<Segment>,
    segments_max: usize,
    /// Spans of all of them.
    spans: usize,
}

/// Entries that had to go: mostly one, for which there is no need to allocate.
pub(super) type Gone = (Option<Segment>, Vec<Segment>);

/// What entries may have on average.
const SPANS_EACH: usize = 16;
/// The rings of what was slow and of what failed have this part of the places.
const PART: usize = 4;
/// That of requests that were turned away has this part.
const TURNED_AWAY_PART: usize = 16;

impl Rings {
    pub(super) fn new(segments_max: usize) -> Self {
        let part = segments_max.div_ceil(PART);
        let (slow, failed) = (Ring::new(part), Ring::new(part));
        let turned_away = Ring::new(segments_max.div_ceil(TURNED_AWAY_PART));
        Self { newest: Ring::new(segments_max), slow, failed, turned_away }
    }

    /// Entries of a kind; slow are those that lasted so long.
    pub(super) fn of(&self, which: Which, slow: Duration) -> impl Iterator<Item = &Segment> {
        let ring = match which {
            Which::Newest => &self.newest,
            Which::Slow => &self.slow,
            Which::Failed => &self.failed,
        };
        let is_meant = move |segment: &&Segment| match which {
            Which::Newest => true,
            Which::Slow => slow <= segment.lasted(),
            Which::Failed => segment.is_failed(),
        };
        ring.segments.iter().chain(self.turned_away.segments.iter().filter(is_meant))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Segment> {
        let rings = [&self.newest, &self.slow, &self.failed, &self.turned_away];
        rings.into_iter().flat_map(|ring| &ring.segments)
    }
}

impl Ring {
    fn new(segments_max: usize) -> Self {
        Self { segments: VecDeque::new(), segments_max: segments_max.max(1), spans: 0 }
    }

    /// Adds an entry; gives those that had to go.
    pub(super) fn push(&mut self, segment: Segment) -> Gone {
        self.spans += segment.len();
        self.segments.push_back(segment);
        let mut gone = Gone::default();
        while self.is_over() {
            let Some(oldest) = self.segments.pop_front() else { break };
            self.spans -= oldest.len();
            gone.1.extend(gone.0.replace(oldest));
        }
        gone
    }

    fn is_over(&self) -> bool {
        let spans_max = self.segments_max * SPANS_EACH;
        let count = self.segments.len();
        self.segments_max < count || spans_max < self.spans && 1 < count
    }
}
