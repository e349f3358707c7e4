//! Watches over all connections: closes those that overstay, and tells them
//! when the host stops. One task looks at all of them, so that a connection
//! costs no timer and a request no look at the time.

use super::clock::{self, Clock, Looks};
use crate::crew::StopSignal;
use crate::limits::HostLimits;
use futures::task::AtomicWaker;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Context;
use tokio::time::Instant;
use tracing::debug;

/// Every connection that is open.
#[derive(Debug, Default)]
pub(super) struct Watch {
    connections: Mutex<Vec<(Weak<Watched>, Looks)>>,
    is_draining: AtomicBool,
}

/// A connection, as the watch sees it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) clock: Arc<Clock>,
    order: AtomicU8,
    task: AtomicWaker,
}

/// What a connection is told. Later ones outrank those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// Carry on.
    Carry,
    /// Take no further request, and end after those that run.
    Drain,
    /// End now.
    Close,
}

impl Watch {
    /// A connection has been opened.
    pub(super) fn enter(&self) -> Arc<Watched> {
        let watched = Arc::new(Watched {
            clock: Arc::new(Clock::new()),
            order: AtomicU8::new(Order::Carry as u8),
            task: AtomicWaker::new(),
        });
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.push((Arc::downgrade(&watched), Looks::default()));
        // Under the lock, so that none slips past [`Watch::drain`].
        if self.is_draining.load(Ordering::Relaxed) {
            watched.tell(Order::Drain);
        }
        watched
    }

    /// Looks at all connections until told to stop. When `draining` resolves
    /// they are told to end, and looked at further. `beside` is done with each
    /// look, once a second or more often.
    pub(super) async fn keep(
        &self,
        limits: &HostLimits,
        mut draining: StopSignal,
        mut stop: StopSignal,
        beside: impl Fn(),
    ) {
        let mut looks = tokio::time::interval(clock::interval(limits));
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_draining = false;
        loop {
            tokio::select! {
                () = stop.stopped() => return,
                () = draining.stopped(), if !is_draining => {
                    is_draining = true;
                    self.drain();
                }
                now = looks.tick() => {
                    self.look(now, limits);
                    beside();
                }
            }
        }
    }

    fn drain(&self) {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_draining.store(true, Ordering::Relaxed);
        for connection in connections.iter().filter_map(|(connection, _)| connection.upgrade()) {
            connection.tell(Order::Drain);
        }
    }

    fn look(&self, now: Instant, limits: &HostLimits) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain_mut(|(connection, looks)| {
            let Some(connection) = connection.upgrade() else { return false };
            if let Some(reason) = connection.clock.overdue(looks, now, limits) {
                debug!(reason, "connection closed");
                connection.tell(Order::Close);
            }
            true
        });
    }
}

impl Watched {
    fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        self.task.wake();
    }

    /// What the connection is told; its task is woken when that changes.
    pub(super) fn order(&self, cx: &Context<'_>) -> Order {
        self.task.register(cx.waker());
        match self.order.load(Ordering::Acquire) {
            order if order == Order::Carry as u8 => Order::Carry,
            order if order == Order::Drain as u8 => Order::Drain,
            _ => Order::Close,
        }
    }
}
