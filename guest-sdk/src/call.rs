//! Which call the running code belongs to.
//!
//! An instance may hold several calls that wait. The one being polled is known
//! to [`current`], so nothing has to pass its id along.

use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// The call whose future is being polled; 0 outside of any.
pub(crate) fn current() -> u64 {
    CURRENT.get()
}

/// What runs from here on belongs to this call; gives the one it was before.
pub(crate) fn enter(call: u64) -> u64 {
    CURRENT.replace(call)
}

/// Runs a future as part of a call. In a guest its task does the same.
#[cfg(not(target_family = "wasm"))]
pub(crate) async fn within<F: Future>(call: u64, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        let before = enter(call);
        let poll = future.as_mut().poll(context);
        enter(before);
        poll
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    /// Two calls that wait in turn see their own ids at every poll.
    #[test]
    fn calls_that_wait_side_by_side_keep_their_ids() {
        async fn watch(id: u64) {
            for _ in 0..3 {
                assert_eq!(current(), id);
                let mut waited = false;
                poll_fn(|_| {
                    if waited {
                        return Poll::Ready(());
                    }
                    waited = true;
                    Poll::Pending
                })
                .await;
            }
        }
        let mut context = Context::from_waker(Waker::noop());
        let (mut one, mut two) = (pin!(within(1, watch(1))), pin!(within(2, watch(2))));
        for _ in 0..3 {
            assert!(one.as_mut().poll(&mut context).is_pending());
            assert!(two.as_mut().poll(&mut context).is_pending());
            assert_eq!(current(), 0);
        }
        assert!(one.as_mut().poll(&mut context).is_ready());
        assert!(two.as_mut().poll(&mut context).is_ready());
    }
}
