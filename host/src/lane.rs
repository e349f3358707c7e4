//! A line in which the newest goes first.
//!
//! Whoever saves a file waits for that file, not for the three hundred that
//! came before it.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// So many places, and a line for them. Clones are the same lane.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    free: usize,
    waiting: Vec<oneshot::Sender<LanePlace>>,
}

/// A place that is taken. Dropping it passes it on.
#[derive(Debug)]
pub(crate) struct LanePlace {
    lane: Lane,
}

impl Lane {
    /// A lane with so many places.
    pub(crate) fn new(places: usize) -> Self {
        let shared = Shared { free: places, waiting: Vec::new() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Takes a place, before everyone who waits by now.
    pub(crate) async fn enter(&self) -> LanePlace {
        let waits = {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            if 0 < shared.free {
                shared.free -= 1;
                return LanePlace { lane: self.clone() };
            }
            let (give, given) = oneshot::channel();
            shared.waiting.push(give);
            given
        };
        match waits.await {
            Ok(place) => place,
            // Nobody drops a sender unsent while its receiver lives.
            Err(_) => std::future::pending().await,
        }
    }

    fn pass_on(&self) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.waiting.retain(|give| !give.is_closed());
        let Some(newest) = shared.waiting.pop() else {
            shared.free += 1;
            return;
        };
        drop(shared);
        // To one that left just now it cannot be sent; dropped, it is passed on.
        drop(newest.send(LanePlace { lane: self.clone() }));
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
}
