//! Events that wait for one subscriber: bounded, and handed out so that those
//! of one publisher on one subject follow each other.

use super::{Event, EventId, FeedBounds};
use crate::call::mix;
use crate::subject::Subscription;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// A queue that loses its oldest when it is full.
///
/// It is made of lines, one for each order of events, whose heads are known by
/// their age. So neither a long line whose first event is out nor many lines
/// cost who takes the next event more than a look at those that are out.
#[derive(Debug)]
pub(super) struct Backlog {
    lines: HashMap<u64, VecDeque<Waiting>>,
    /// The key of each line, by the number of its head.
    heads: BTreeMap<u64, u64>,
    next_number: u64,
    waiting: usize,
    bytes: usize,
    bounds: FeedBounds,
    dropped: u64,
    sort: Sort,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    event: Arc<Event>,
    subscription: Arc<Subscription>,
}

#[derive(Debug)]
enum Sort {
    /// Every event for each subscription, those of one order after each other.
    PerSubscription {
        /// Keys of lines of which an event is out.
        out: Vec<u64>,
    },
    /// Every event once, one after the other.
    Once { last: Option<EventId> },
}

impl Backlog {
    pub(super) fn per_subscription(bounds: FeedBounds) -> Self {
        Self::new(bounds, Sort::PerSubscription { out: Vec::new() })
    }

    pub(super) fn once(bounds: FeedBounds) -> Self {
        Self::new(bounds, Sort::Once { last: None })
    }

    fn new(bounds: FeedBounds, sort: Sort) -> Self {
        Self {
            lines: HashMap::new(),
            heads: BTreeMap::new(),
            next_number: 0,
            waiting: 0,
            bytes: 0,
            bounds,
            dropped: 0,
            sort,
        }
    }

    pub(super) fn set_bounds(&mut self, bounds: FeedBounds) {
        self.bounds = bounds;
        self.shrink();
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Adds an event at the end, unless it is there.
    pub(super) fn push(&mut self, event: &Arc<Event>, subscription: &Arc<Subscription>) -> bool {
        let key = match &mut self.sort {
            Sort::PerSubscription { .. } => {
                event.order ^ mix(Arc::as_ptr(subscription).addr() as u64)
            }
            Sort::Once { last } if *last == Some(event.id) => return false,
            Sort::Once { last } => {
                *last = Some(event.id);
                0
            }
        };
        let number = self.next_number;
        self.next_number += 1;
        self.waiting += 1;
        self.bytes += event.weight();
        let (event, subscription) = (event.clone(), subscription.clone());
        let line = self.lines.entry(key).or_default();
        if line.is_empty() {
            self.heads.insert(number, key);
        }
        line.push_back(Waiting { number, event, subscription });
        self.shrink();
        true
    }

    fn shrink(&mut self) {
        while self.bounds.events_max < self.waiting || self.bounds.bytes_max < self.bytes {
            let Some((_, key)) = self.heads.first_key_value() else { return };
            self.pop(*key);
            self.dropped += 1;
        }
    }

    /// The head of a line.
    fn pop(&mut self, key: u64) -> Option<Waiting> {
        let line = self.lines.get_mut(&key)?;
        let head = line.pop_front()?;
        self.heads.remove(&head.number);
        match line.front() {
            Some(next) => drop(self.heads.insert(next.number, key)),
            None => drop(self.lines.remove(&key)),
        }
        self.waiting -= 1;
        self.bytes -= head.event.weight();
        Some(head)
    }

    /// The first event that may be heard now. Its key is [`done`](Self::done)
    /// when it was.
    pub(super) fn take(&mut self) -> Option<(Arc<Event>, Arc<Subscription>, u64)> {
        let is_free = |key: &&u64| match &self.sort {
            Sort::PerSubscription { out } => !out.contains(*key),
            Sort::Once { .. } => true,
        };
        let key = *self.heads.values().find(is_free)?;
        let Waiting { event, subscription, .. } = self.pop(key)?;
        if let Sort::PerSubscription { out } = &mut self.sort {
            out.push(key);
        }
        Some((event, subscription, key))
    }

    /// An event was heard. True when that lets another one out.
    pub(super) fn done(&mut self, key: u64) -> bool {
        let Sort::PerSubscription { out } = &mut self.sort else { return false };
        out.retain(|other| *other != key);
        self.lines.contains_key(&key)
    }
}
