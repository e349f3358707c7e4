//! What is kept as one: a request, or what went on when it was over.

use crate::call::{Span, TraceId};
use std::time::Duration;

/// What of a trace was done at once at this host: a request from its beginning
/// to its end, and what was done for it meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(super) trace: TraceId,
    pub(super) first: Span,
    pub(super) below: Vec<Span>,
    /// Spans that there was no room for.
    pub(super) lost: u32,
}

impl Segment {
    /// Of which trace it is.
    pub(crate) fn trace(&self) -> TraceId {
        self.trace
    }

    pub(super) fn spans(&self) -> impl Iterator<Item = &Span> {
        std::iter::once(&self.first).chain(&self.below)
    }

    /// How many spans it counts for.
    pub(super) fn len(&self) -> usize {
        1 + self.below.len()
    }

    pub(super) fn is_failed(&self) -> bool {
        self.spans().any(|span| span.end.is_failure())
    }

    pub(super) fn lasted(&self) -> Duration {
        self.first.lasted.duration()
    }
}
