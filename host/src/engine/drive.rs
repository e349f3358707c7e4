//! Drives a call: the event loop of its store, the errands it sends out, and
//! the bound on its time, all in the task of whoever waits for the answer.
//!
//! The bound is kept outside the store: a guest that computes, or sits in a
//! host call, keeps its own event loop from noticing the time.

use super::meter::CpuMeter;
use super::state::Errands;
use crate::fault::Fault;
use futures::Stream;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// A call under way. Dropping it cancels the call.
pub(crate) struct Drive {
    call: BoxFuture<'static, Result<(), Fault>>,
    beside: Beside,
    under_way: FuturesUnordered<BoxFuture<'static, ()>>,
    until: Instant,
    late: Fault,
    alarm: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

/// What a store shares with whoever drives it.
pub(super) struct Beside {
    pub(super) errands: Arc<Errands>,
    pub(super) meter: Arc<CpuMeter>,
}

impl Drive {
    pub(super) fn new(
        call: BoxFuture<'static, Result<(), Fault>>,
        beside: Beside,
        until: Instant,
        late: Fault,
    ) -> Self {
        let under_way = FuturesUnordered::new();
        Self { call, beside, under_way, until, late, alarm: None, ended: false }
    }

    /// Whether the call is over.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Does errands until all of them wait. True when one was done, which may
    /// have woken the guest.
    fn run_errands(&mut self, cx: &mut Context<'_>) -> bool {
        self.under_way.extend(self.beside.errands.take());
        let mut done = false;
        while !self.under_way.is_empty() {
            match Pin::new(&mut self.under_way).poll_next(cx) {
                Poll::Ready(Some(())) => done = true,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        done
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let until = self.until;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
        alarm.as_mut().poll(cx).is_ready()
    }
}

impl Future for Drive {
    type Output = Result<(), Fault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if let Poll::Ready(outcome) = self.call.as_mut().poll(cx) {
                self.ended = true;
                return Poll::Ready(outcome);
            }
            self.beside.meter.paused(Instant::now());
            if !self.run_errands(cx) {
                break;
            }
        }
        if self.is_late(cx) {
            self.ended = true;
            return Poll::Ready(Err(self.late.clone()));
        }
        Poll::Pending
    }
}
