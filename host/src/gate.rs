//! Who may start: a bounded number at once, a bounded line behind them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Decides whether a request may start. Clones share one line.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    inside: AtomicUsize,
    left: Notify,
    queue_max: usize,
    queue_wait: Duration,
}

/// What the gate said. The caller answers each case; there is no fourth.
#[derive(Debug)]
pub(crate) enum Admission {
    /// Go; the place is held as long as the permit lives.
    Granted(Permit),
    /// Too many run and wait already.
    Shed,
    /// Nobody is let in any more.
    Closing,
}

/// Held for as long as the request runs. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Permit {
    _place: Option<OwnedSemaphorePermit>,
    shared: Arc<Shared>,
}

impl Gate {
    /// A gate for `places` at once and `queue_max` in line, each for at most
    /// `queue_wait`.
    pub(crate) fn new(places: usize, queue_max: usize, queue_wait: Duration) -> Self {
        let shared = Shared {
            places: Arc::new(Semaphore::new(places)),
            waiting: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            left: Notify::new(),
            queue_max,
            queue_wait,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes a place, or waits in line for one, at most for `patience`.
    pub(crate) async fn admit(&self, patience: Duration) -> Admission {
        match self.shared.places.clone().try_acquire_owned() {
            Ok(place) => return Admission::Granted(self.permit(Some(place))),
            Err(tokio::sync::TryAcquireError::Closed) => return Admission::Closing,
            Err(tokio::sync::TryAcquireError::NoPermits) => (),
        }
        let Some(_in_line) = InLine::join(&self.shared) else { return Admission::Shed };
        let wait = self.shared.queue_wait.min(patience);
        match tokio::time::timeout(wait, self.shared.places.clone().acquire_owned()).await {
            Ok(Ok(place)) => Admission::Granted(self.permit(Some(place))),
            Ok(Err(_closed)) => Admission::Closing,
            Err(_elapsed) => Admission::Shed,
        }
    }

    /// Lets in a call whose caller already holds a place here further up the
    /// chain; it takes none, so a circle of calls cannot wait for itself.
    pub(crate) fn admit_again(&self) -> Admission {
        if self.shared.places.is_closed() {
            return Admission::Closing;
        }
        Admission::Granted(self.permit(None))
    }

    /// Turns everyone away from now on, those in line included.
    pub(crate) fn close(&self) {
        self.shared.places.close();
    }

    /// Requests inside now.
    pub(crate) fn inside(&self) -> usize {
        self.shared.inside.load(Ordering::Acquire)
    }

    /// Requests in line now.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Resolves when nobody is inside. Only of use after [`Gate::close`].
    pub(crate) async fn emptied(&self) {
        loop {
            let left = self.shared.left.notified();
            if self.inside() == 0 {
                return;
            }
            left.await;
        }
    }

    fn permit(&self, place: Option<OwnedSemaphorePermit>) -> Permit {
        self.shared.inside.fetch_add(1, Ordering::AcqRel);
        Permit { _place: place, shared: self.shared.clone() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.shared.inside.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.left.notify_waiters();
        }
    }
}

struct InLine<'a>(&'a Shared);

impl<'a> InLine<'a> {
    fn join(shared: &'a Shared) -> Option<Self> {
        let joined = shared.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < shared.queue_max).then_some(count + 1)
        });
        joined.ok().map(|_| Self(shared))
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn gate() -> Gate {
        Gate::new(1, 1, Duration::from_millis(20))
    }

    #[tokio::test(start_paused = true)]
    async fn sheds_after_the_wait_and_admits_again_when_a_place_frees() {
        let gate = gate();
        let Admission::Granted(permit) = gate.admit(LONG).await else { panic!("first is let in") };
        assert!(matches!(gate.admit(LONG).await, Admission::Shed));
        drop(permit);
        assert!(matches!(gate.admit(LONG).await, Admission::Granted(_)));
        assert_eq!((gate.inside(), gate.waiting()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_is_bounded_and_patience_shortens_it() {
        let gate = gate();
        let _permit = gate.admit(LONG).await;
        let before = tokio::time::Instant::now();
        let (first, second) = tokio::join!(gate.admit(Duration::from_millis(5)), gate.admit(LONG));
        assert!(matches!(first, Admission::Shed));
        assert!(matches!(second, Admission::Shed), "the line had one place");
        assert!(before.elapsed() < Duration::from_millis(10));
    }

    #[tokio::test]
    async fn a_closed_gate_empties() {
        let gate = gate();
        let Admission::Granted(permit) = gate.admit(LONG).await else { panic!("first is let in") };
        let Admission::Granted(again) = gate.admit_again() else { panic!("the same chain") };
        gate.close();
        assert!(matches!(gate.admit(LONG).await, Admission::Closing));
        let emptied = gate.emptied();
        tokio::pin!(emptied);
        assert!(futures::poll!(&mut emptied).is_pending());
        drop(permit);
        assert!(futures::poll!(&mut emptied).is_pending());
        drop(again);
        emptied.await;
    }
}
