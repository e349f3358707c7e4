//! Calls that wait for an endpoint of a service that has none: in line, so that
//! the first to come is the first to go.

use crate::fault::Fault;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls that wait for one service.
const LINE_MAX: usize = 1_000;

/// One line for each service that somebody waits for.
#[derive(Default)]
pub(super) struct Lines {
    by_service: Mutex<HashMap<String, Line>>,
    waiting: AtomicUsize,
}

struct Line {
    front: Arc<Semaphore>,
    len: usize,
}

/// A place in a line. Dropping it leaves the line.
pub(super) struct LinePlace<'l> {
    lines: &'l Lines,
    service: String,
    /// Held by whoever is first.
    _front: Option<OwnedSemaphorePermit>,
}

impl Lines {
    /// Waits until nobody is before the caller, who then looks for an endpoint
    /// and leaves the line with the first it finds.
    pub(super) async fn reach_front(&self, service: &str) -> Result<LinePlace<'_>, Fault> {
        let (mut place, front) = self.join(service)?;
        place._front = front.acquire_owned().await.ok();
        Ok(place)
    }

    /// Calls in all lines.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    fn join(&self, service: &str) -> Result<(LinePlace<'_>, Arc<Semaphore>), Fault> {
        let mut lines = self.lock();
        let line = lines
            .entry(service.to_owned())
            .or_insert_with(|| Line { front: Arc::new(Semaphore::new(1)), len: 0 });
        if LINE_MAX <= line.len {
            let (service, line_max) = (service.to_owned(), LINE_MAX);
            return Err(Fault::LineTooLong { service, line_max });
        }
        line.len += 1;
        self.waiting.fetch_add(1, Relaxed);
        let place = LinePlace { lines: self, service: service.to_owned(), _front: None };
        Ok((place, line.front.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Line>> {
        self.by_service.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LinePlace<'_> {
    fn drop(&mut self) {
        self.lines.waiting.fetch_sub(1, Relaxed);
        let mut lines = self.lines.lock();
        let Some(line) = lines.get_mut(&self.service) else { return };
        line.len -= 1;
        if line.len == 0 {
            lines.remove(&self.service);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::pin::pin;

    #[tokio::test]
    async fn the_first_to_come_is_the_first_to_go_and_no_line_is_left() {
        let lines = Lines::default();
        let first = lines.reach_front("calc").await.unwrap();
        let mut second = pin!(lines.reach_front("calc"));
        assert!(second.as_mut().now_or_never().is_none());
        {
            let mut third = pin!(lines.reach_front("calc"));
            assert!(third.as_mut().now_or_never().is_none());
            assert_eq!(lines.waiting(), 3);
            drop(first);
            assert!(third.as_mut().now_or_never().is_none(), "the second goes first");
        }
        drop(second.await.unwrap());
        assert_eq!((lines.waiting(), lines.lock().len()), (0, 0));
    }

    #[tokio::test]
    async fn a_line_is_bounded() {
        let lines = Lines::default();
        let places: Vec<_> = (0..LINE_MAX).map(|_| lines.join("calc").unwrap()).collect();
        assert!(lines.join("calc").is_err());
        assert!(lines.join("other").is_ok());
        drop(places);
        assert!(lines.join("calc").is_ok());
    }
}
