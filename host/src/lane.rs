//! A line in which the newest goes first.
//!
//! Whoever saves a file waits for that file, not for the three hundred that
//! came before it, nor for one that takes its time: who has had a place for
//! long is asked to let others go first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// So many places, and a line for them. Clones are the same lane.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    shared: Arc<Mutex<Shared>>,
    /// Told whenever somebody begins to wait.
    crowded: Arc<Notify>,
}

#[derive(Debug)]
struct Shared {
    free: usize,
    /// The one that goes next is the last.
    waiting: Vec<Waiting>,
}

type Waiting = oneshot::Sender<LanePlace>;

/// A place that is taken. Dropping it passes it on.
#[derive(Debug)]
pub(crate) struct LanePlace {
    lane: Lane,
}

impl Lane {
    /// A lane with so many places.
    pub(crate) fn new(places: usize) -> Self {
        let shared = Shared { free: places, waiting: Vec::new() };
        Self { shared: Arc::new(Mutex::new(shared)), crowded: Arc::default() }
    }

    /// Takes a place, before everyone who waits by now.
    pub(crate) async fn enter(&self) -> LanePlace {
        self.queue(|waiting, give| waiting.push(give)).await
    }

    /// Takes a place, after everyone who waits by now.
    pub(crate) async fn enter_last(&self) -> LanePlace {
        self.queue(|waiting, give| waiting.insert(0, give)).await
    }

    async fn queue(&self, line_up: impl FnOnce(&mut Vec<Waiting>, Waiting)) -> LanePlace {
        let waits = {
            let mut shared = self.lock();
            if 0 < shared.free {
                shared.free -= 1;
                return LanePlace { lane: self.clone() };
            }
            let (give, given) = oneshot::channel();
            line_up(&mut shared.waiting, give);
            given
        };
        self.crowded.notify_waiters();
        match waits.await {
            Ok(place) => place,
            // Nobody drops a sender unsent while its receiver lives.
            Err(_) => std::future::pending().await,
        }
    }

    fn pass_on(&self) {
        let mut shared = self.lock();
        shared.waiting.retain(|give| !give.is_closed());
        let Some(newest) = shared.waiting.pop() else {
            shared.free += 1;
            return;
        };
        drop(shared);
        // To one that left just now it cannot be sent; dropped, it is passed on.
        drop(newest.send(LanePlace { lane: self.clone() }));
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LanePlace {
    /// Resolves when somebody waits for a place.
    pub(crate) async fn wanted(&self) {
        let crowded = self.lane.crowded.notified();
        let is_waited_for = self.lane.lock().waiting.iter().any(|give| !give.is_closed());
        if !is_waited_for {
            crowded.await;
        }
    }
}

impl Drop for LanePlace {
    fn drop(&mut self) {
        self.lane.pass_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::task::Poll;

    #[tokio::test]
    async fn the_newest_goes_first_and_who_left_is_passed_over() {
        let lane = Lane::new(1);
        let place = lane.enter().await;
        let mut line: Vec<_> = (0..3).map(|_| lane.enter().boxed()).collect();
        for waiter in &mut line {
            assert!(futures::poll!(waiter).is_pending());
        }
        drop(line.pop());
        drop(place);
        let Poll::Ready(second) = futures::poll!(&mut line[1]) else { panic!("newest that waits") };
        assert!(futures::poll!(&mut line[0]).is_pending());
        drop(second);
        let Poll::Ready(first) = futures::poll!(&mut line[0]) else { panic!("the last in line") };
        drop(first);
        assert!(lane.enter().now_or_never().is_some(), "the place is free again");
    }

    #[tokio::test]
    async fn who_has_a_place_hears_of_the_line_and_may_go_to_its_end() {
        let lane = Lane::new(1);
        let place = lane.enter().await;
        assert!(place.wanted().now_or_never().is_none());
        let mut wanted = Box::pin(place.wanted());
        assert!(futures::poll!(&mut wanted).is_pending());
        let mut newer = lane.enter().boxed();
        assert!(futures::poll!(&mut newer).is_pending());
        assert!(futures::poll!(&mut wanted).is_ready());
        assert!(place.wanted().now_or_never().is_some());
        drop(wanted);
        let mut again = lane.enter_last().boxed();
        assert!(futures::poll!(&mut again).is_pending());
        drop(place);
        let Poll::Ready(newer) = futures::poll!(&mut newer) else { panic!("the newest") };
        assert!(futures::poll!(&mut again).is_pending());
        drop(newer);
        assert!(futures::poll!(&mut again).is_ready());
    }
}
