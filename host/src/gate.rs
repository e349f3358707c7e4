//! Who may start: a bounded number at once, a bounded line behind them.
//!
//! How many are inside, how many wait and whether the gate is closed is one
//! word, so coming and going touch nothing else as long as there is no line.
//! With a line, a place passes from who leaves to who has waited longest.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

mod count;

use count::{Count, Entry};

/// Decides whether a request may start. Clones share one line.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    count: Count,
    /// Inside without a place of their own; see [`Gate::admit_again`].
    again: AtomicUsize,
    places: AtomicUsize,
    /// Changes together with how many wait, which changes nowhere else.
    line: Mutex<Line>,
    left: Notify,
    queue_max: usize,
    queue_wait: Duration,
}

/// Who waits, the longest first.
#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
    tickets: u64,
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
    has_place: bool,
    shared: Arc<Shared>,
}

impl Gate {
    /// A gate for `places` at once and `queue_max` in line, each for at most
    /// `queue_wait`.
    pub(crate) fn new(places: usize, queue_max: usize, queue_wait: Duration) -> Self {
        let shared = Shared {
            count: Count::default(),
            again: AtomicUsize::new(0),
            places: AtomicUsize::new(places),
            line: Mutex::default(),
            left: Notify::new(),
            queue_max,
            queue_wait,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes a place, or waits in line for one, at most for `patience`.
    pub(crate) async fn admit(&self, patience: impl FnOnce() -> Duration) -> Admission {
        match self.shared.count.enter(self.shared.places.load(SeqCst)) {
            Entry::Entered => return Admission::Granted(self.permit(true)),
            Entry::Closed => return Admission::Closing,
            Entry::Full => (),
        }
        let mut in_line = match InLine::join(&self.shared) {
            Joined::Waits(in_line) => in_line,
            Joined::Entered => return Admission::Granted(self.permit(true)),
            Joined::Closed => return Admission::Closing,
            Joined::Full => return Admission::Shed,
        };
        let wait = self.shared.queue_wait.min(patience());
        match tokio::time::timeout(wait, &mut in_line.granted).await {
            Ok(Ok(())) => {
                in_line.is_over = true;
                Admission::Granted(self.permit(true))
            }
            Ok(Err(_closed)) => Admission::Closing,
            Err(_elapsed) => Admission::Shed,
        }
    }

    /// Lets in a call whose caller already holds a place here further up the
    /// chain; it takes none, so a circle of calls cannot wait for itself.
    pub(crate) fn admit_again(&self) -> Admission {
        let permit = self.admit_beside();
        if self.shared.count.is_closed() {
            return Admission::Closing;
        }
        Admission::Granted(permit)
    }

    /// Lets in whoever comes before the first or after the last.
    pub(crate) fn admit_beside(&self) -> Permit {
        self.shared.again.fetch_add(1, SeqCst);
        self.permit(false)
    }

    /// Turns everyone away from now on, those in line included.
    pub(crate) fn close(&self) {
        let mut line = self.shared.lock();
        self.shared.count.close();
        for _ in line.waiting.drain(..) {
            self.shared.count.no_longer_waits();
        }
    }

    /// How many may be inside at once.
    pub(crate) fn places(&self) -> usize {
        self.shared.places.load(SeqCst)
    }

    /// Changes how many may be inside at once. Who is inside stays.
    pub(crate) fn set_places(&self, places: usize) {
        let mut line = self.shared.lock();
        self.shared.places.store(places, SeqCst);
        while self.shared.count.inside() < places
            && let Some((_, grant)) = line.waiting.pop_front()
        {
            self.shared.count.promote();
            let _ = grant.send(());
        }
    }

    /// Requests inside now.
    pub(crate) fn inside(&self) -> usize {
        self.shared.inside()
    }

    /// Requests in line now.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.count.waiting()
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

    fn permit(&self, has_place: bool) -> Permit {
        Permit { has_place, shared: self.shared.clone() }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inside(&self) -> usize {
        self.count.inside() + self.again.load(SeqCst)
    }

    /// Passes a place on to who has waited longest, or frees it.
    fn leave(&self) {
        if self.count.leave_unless_someone_waits() {
            return;
        }
        let mut line = self.lock();
        match line.waiting.pop_front() {
            Some((_, grant)) if self.count.inside() <= self.places.load(SeqCst) => {
                self.count.no_longer_waits();
                // Who gave up meanwhile finds it and passes it on.
                let _ = grant.send(());
            }
            // There are fewer places than there were.
            Some(first) => {
                line.waiting.push_front(first);
                self.count.leave();
            }
            None => self.count.leave(),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.has_place {
            self.shared.leave();
        } else {
            self.shared.again.fetch_sub(1, SeqCst);
        }
        if self.shared.count.is_closed() && self.shared.inside() == 0 {
            self.shared.left.notify_waiters();
        }
    }
}

/// Somebody who waits.
struct InLine<'a> {
    shared: &'a Arc<Shared>,
    ticket: u64,
    granted: oneshot::Receiver<()>,
    is_over: bool,
}

enum Joined<'a> {
    Waits(InLine<'a>),
    /// A place became free at the last moment.
    Entered,
    Closed,
    Full,
}

impl<'a> InLine<'a> {
    fn join(shared: &'a Arc<Shared>) -> Joined<'a> {
        let mut line = shared.lock();
        if shared.queue_max <= line.waiting.len() {
            return Joined::Full;
        }
        match shared.count.enter_or_wait(shared.places.load(SeqCst)) {
            Entry::Entered => return Joined::Entered,
            Entry::Closed => return Joined::Closed,
            Entry::Full => (),
        }
        line.tickets += 1;
        let (grant, granted) = oneshot::channel();
        let ticket = line.tickets;
        line.waiting.push_back((ticket, grant));
        Joined::Waits(Self { shared, ticket, granted, is_over: false })
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut line = self.shared.lock();
        let place = line.waiting.iter().position(|(ticket, _)| *ticket == self.ticket);
        if let Some(place) = place {
            line.waiting.remove(place);
            self.shared.count.no_longer_waits();
            return;
        }
        drop(line);
        if self.granted.try_recv().is_ok() {
            drop(Permit { has_place: true, shared: self.shared.clone() });
        }
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
        let Admission::Granted(permit) = gate.admit(|| LONG).await else {
            panic!("first is let in")
        };
        assert!(matches!(gate.admit(|| LONG).await, Admission::Shed));
        drop(permit);
        assert!(matches!(gate.admit(|| LONG).await, Admission::Granted(_)));
        assert_eq!((gate.inside(), gate.waiting()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_is_bounded_and_patience_shortens_it() {
        let gate = gate();
        let _permit = gate.admit(|| LONG).await;
        let before = tokio::time::Instant::now();
        let (first, second) =
            tokio::join!(gate.admit(|| Duration::from_millis(5)), gate.admit(|| LONG));
        assert!(matches!(first, Admission::Shed));
        assert!(matches!(second, Admission::Shed), "the line had one place");
        assert!(before.elapsed() < Duration::from_millis(10));
    }

    #[tokio::test]
    async fn places_change_while_some_are_inside_and_some_wait() {
        let gate = Gate::new(1, 8, LONG);
        let first = gate.admit(|| LONG).await;
        let mut line: Vec<_> = (0..3).map(|_| Box::pin(gate.admit(|| LONG))).collect();
        for waiter in &mut line {
            assert!(futures::poll!(waiter.as_mut()).is_pending());
        }
        gate.set_places(3);
        let mut inside = vec![first];
        for waiter in line.drain(..2) {
            inside.push(waiter.await);
        }
        assert_eq!((gate.inside(), gate.waiting()), (3, 1));
        gate.set_places(1);
        inside.truncate(1);
        assert!(futures::poll!(line[0].as_mut()).is_pending(), "one is inside, as many as may");
        inside.clear();
        assert!(futures::poll!(line[0].as_mut()).is_ready());
    }

    #[tokio::test]
    async fn a_closed_gate_empties() {
        let gate = gate();
        let Admission::Granted(permit) = gate.admit(|| LONG).await else {
            panic!("first is let in")
        };
        let Admission::Granted(again) = gate.admit_again() else { panic!("the same chain") };
        gate.close();
        assert!(matches!(gate.admit(|| LONG).await, Admission::Closing));
        let emptied = gate.emptied();
        tokio::pin!(emptied);
        assert!(futures::poll!(&mut emptied).is_pending());
        drop(permit);
        assert!(futures::poll!(&mut emptied).is_pending());
        drop(again);
        emptied.await;
    }

    #[tokio::test]
    async fn a_place_passes_along_the_line_in_order() {
        let gate = Gate::new(1, 3, LONG);
        let Admission::Granted(permit) = gate.admit(|| LONG).await else {
            panic!("first is let in")
        };
        let mut line: Vec<_> = (0..3).map(|_| Box::pin(gate.admit(|| LONG))).collect();
        for waiter in &mut line {
            assert!(futures::poll!(waiter.as_mut()).is_pending());
        }
        assert!(matches!(gate.admit(|| LONG).await, Admission::Shed), "the line is full");
        drop(permit);
        // The first has been given the place and leaves without taking it up.
        drop(line.remove(0));
        assert!(futures::poll!(line[1].as_mut()).is_pending());
        let std::task::Poll::Ready(Admission::Granted(second)) = futures::poll!(line[0].as_mut())
        else {
            panic!("the second is next")
        };
        // A newcomer does not overtake who waits.
        drop(second);
        let mut newcomer = Box::pin(gate.admit(|| LONG));
        assert!(futures::poll!(newcomer.as_mut()).is_pending());
        let third = futures::poll!(line[1].as_mut());
        assert!(matches!(third, std::task::Poll::Ready(Admission::Granted(_))));
        drop(third);
        assert!(futures::poll!(newcomer.as_mut()).is_ready());
        drop((newcomer, line));
        assert_eq!((gate.inside(), gate.waiting()), (0, 0));
    }
}
