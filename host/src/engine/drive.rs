//! Drives a call: the event loop of its store, the errands it sends out, and
//! the bound on its time, all in the task of whoever waits for the answer.
//!
//! The bound is kept outside the store: a guest that computes, or sits in a
//! host call, keeps its own event loop from noticing the time.

use super::pulse::ticks;
use super::state::Beside;
use futures::Stream;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// Drives what a store does for one call, from its beginning to its end. Most
/// calls end without errands and before anyone has to watch the time.
pub(super) struct Driver {
    beside: Arc<Beside>,
    under_way: Option<FuturesUnordered<BoxFuture<'static, ()>>>,
    /// None where the callers keep the time, each of them its own.
    until: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // An errand that nobody has taken up keeps alive what it lies in.
        drop(self.beside.take_errands());
    }
}

/// The time of the call is over.
#[derive(Debug)]
pub(super) struct Late;

impl Driver {
    pub(super) fn new(beside: Arc<Beside>, until: Instant) -> Self {
        Self { beside, under_way: None, until: Some(until), alarm: None }
    }

    /// For an instance with several calls. What is bounded there is how long
    /// all of them compute without a rest.
    pub(super) fn of_many(beside: Arc<Beside>) -> Self {
        Self { beside, under_way: None, until: None, alarm: None }
    }

    /// Moves the bound on the time.
    pub(super) fn extend(&mut self, until: Instant) {
        if Some(until) != self.until {
            self.until = Some(until);
            self.alarm = None;
        }
    }

    /// Runs the store until this work in it is done. Dropping the future
    /// leaves the store in the middle of it.
    ///
    /// Pinned by the caller: a future that is handed over by value lies in the
    /// future of the call twice, and all of that is moved for each request.
    pub(super) async fn run<T>(
        &mut self,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Late> {
        poll_fn(|cx| {
            loop {
                self.beside.met.go_on(ticks());
                if let Poll::Ready(outcome) = work.as_mut().poll(cx) {
                    return Poll::Ready(Ok(outcome));
                }
                let is_resting = self.beside.meter.paused(Instant::now);
                if is_resting && self.until.is_none() {
                    self.beside.meter.reset();
                }
                if !self.run_errands(cx) {
                    break;
                }
            }
            if self.is_late(cx) { Poll::Ready(Err(Late)) } else { Poll::Pending }
        })
        .await
    }

    /// Does errands until all of them wait. True when one was done, which may
    /// have woken the guest.
    fn run_errands(&mut self, cx: &mut Context<'_>) -> bool {
        let new = self.beside.take_errands();
        if !new.is_empty() {
            self.under_way.get_or_insert_default().extend(new);
        }
        let Some(under_way) = self.under_way.as_mut() else { return false };
        let mut done = false;
        while let Poll::Ready(Some(())) = Pin::new(&mut *under_way).poll_next(cx) {
            done = true;
        }
        done
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(until) = self.until else { return false };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
        alarm.as_mut().poll(cx).is_ready()
    }
}
