//! One value that many read and one replaces.
//!
//! Readers hold the value they started with; they never see half a change and
//! never wait for the writer.

use arc_swap::ArcSwap;
use std::sync::Arc;

/// Makes a writer and a reader over one shared value.
pub(crate) fn published<T>(first: T) -> (Publisher<T>, Snapshots<T>) {
    let cell = Arc::new(ArcSwap::from_pointee(first));
    (Publisher { cell: cell.clone() }, Snapshots { cell })
}

/// The only handle that can change the value. Not `Clone`: two writers would
/// each build from a value the other has already replaced.
#[derive(Debug)]
pub(crate) struct Publisher<T> {
    cell: Arc<ArcSwap<T>>,
}

/// A handle for the request path.
#[derive(Debug)]
pub(crate) struct Snapshots<T> {
    cell: Arc<ArcSwap<T>>,
}

impl<T> Publisher<T> {
    /// Swaps in the next value and gives back the one before, which callers
    /// may still be using.
    #[must_use = "the retired value still has users"]
    pub(crate) fn publish(&mut self, next: T) -> Arc<T> {
        self.cell.swap(Arc::new(next))
    }
}

impl<T> Snapshots<T> {
    /// The value as it is now, to keep for as long as needed.
    pub(crate) fn take(&self) -> Arc<T> {
        self.cell.load_full()
    }

    /// The value as it is now, for a look that does not wait for anything.
    pub(crate) fn peek(&self) -> arc_swap::Guard<Arc<T>> {
        self.cell.load()
    }
}

impl<T> Clone for Snapshots<T> {
    fn clone(&self) -> Self {
        Self { cell: self.cell.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_keeps_the_value_it_started_with() {
        let (mut publisher, snapshots) = published("a");
        let before = snapshots.take();
        let retired = publisher.publish("b");
        assert_eq!((*before, *retired, *snapshots.take()), ("a", "a", "b"));
    }
}
