//! Events that wait for one subscriber: bounded, and handed out so that those
//! of one publisher on one subject follow each other.

use super::{Event, FeedBounds};
use crate::call::mix;
use crate::subject::Subscription;
use std::collections::VecDeque;
use std::sync::Arc;

/// A queue that loses its oldest when it is full.
#[derive(Debug)]
pub(super) struct Backlog {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    bounds: FeedBounds,
    dropped: u64,
    sort: Sort,
}

#[derive(Debug)]
struct Waiting {
    event: Arc<Event>,
    subscription: Arc<Subscription>,
    key: u64,
}

#[derive(Debug)]
enum Sort {
    /// Every event for each subscription, those of one order after each other.
    PerSubscription {
        /// Orders of which an event is out.
        out: Vec<u64>,
    },
    /// Every event once, one after the other.
    Once,
}

impl Backlog {
    pub(super) fn per_subscription(bounds: FeedBounds) -> Self {
        Self::new(bounds, Sort::PerSubscription { out: Vec::new() })
    }

    pub(super) fn once(bounds: FeedBounds) -> Self {
        Self::new(bounds, Sort::Once)
    }

    fn new(bounds: FeedBounds, sort: Sort) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, bounds, dropped: 0, sort }
    }

    pub(super) fn set_bounds(&mut self, bounds: FeedBounds) {
        self.bounds = bounds;
        self.shrink();
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Adds an event at the end, unless it is there.
    pub(super) fn push(&mut self, event: &Arc<Event>, subscription: &Arc<Subscription>) -> bool {
        let key = match self.sort {
            Sort::PerSubscription { .. } => {
                event.order ^ mix(Arc::as_ptr(subscription).addr() as u64)
            }
            Sort::Once => {
                let is_last = |last: &Waiting| Arc::ptr_eq(&last.event, event);
                if self.waiting.back().is_some_and(is_last) {
                    return false;
                }
                0
            }
        };
        self.bytes += event.weight();
        let (event, subscription) = (event.clone(), subscription.clone());
        self.waiting.push_back(Waiting { event, subscription, key });
        self.shrink();
        true
    }

    fn shrink(&mut self) {
        while self.bounds.events_max < self.waiting.len() || self.bounds.bytes_max < self.bytes {
            let Some(oldest) = self.waiting.pop_front() else { return };
            self.bytes -= oldest.event.weight();
            self.dropped += 1;
        }
    }

    /// The first event that may be heard now. Its key is [`done`](Self::done)
    /// when it was.
    pub(super) fn take(&mut self) -> Option<(Arc<Event>, Arc<Subscription>, u64)> {
        let index = match &self.sort {
            Sort::PerSubscription { out } => {
                self.waiting.iter().position(|waiting| !out.contains(&waiting.key))?
            }
            Sort::Once => 0,
        };
        let Waiting { event, subscription, key } = self.waiting.remove(index)?;
        self.bytes -= event.weight();
        if let Sort::PerSubscription { out } = &mut self.sort {
            out.push(key);
        }
        Some((event, subscription, key))
    }

    /// An event was heard. True when that lets another one out.
    pub(super) fn done(&mut self, key: u64) -> bool {
        let Sort::PerSubscription { out } = &mut self.sort else { return false };
        out.retain(|other| *other != key);
        !self.waiting.is_empty()
    }
}
