//! Which of several HTTP/2 connections to one address takes the next request.
//!
//! A connection takes a bounded number of requests at once, so that none waits
//! for another one's end, and the next one takes what is above that.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections to one address, at most.
pub(super) const CONNECTIONS_MAX: usize = 16;
/// Requests on one of them. Servers commonly take a hundred.
pub(super) const REQUESTS_MAX: usize = 64;
/// Addresses that are kept though nobody asks them.
const ADDRESSES_MAX: usize = 1_024;

/// Requests under way, by address.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    by_address: Arc<Mutex<HashMap<String, Arc<Counts>>>>,
}

type Counts = [AtomicUsize; CONNECTIONS_MAX];

/// A place on one of the connections, until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    counts: Arc<Counts>,
    pub(super) connection: usize,
}

impl Streams {
    /// Takes a place on the first connection with room, else on the one with
    /// the fewest requests.
    pub(super) fn hold(&self, address: &str) -> Held {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = match by_address.get(address) {
            Some(counts) => counts.clone(),
            None => {
                if ADDRESSES_MAX <= by_address.len() {
                    by_address.retain(|_, counts| 1 < Arc::strong_count(counts));
                }
                by_address.entry(address.to_owned()).or_default().clone()
            }
        };
        drop(by_address);
        let loads = counts.iter().map(|count| count.load(Relaxed)).enumerate();
        // Among those with room the first counts as the emptiest.
        let best = loads.min_by_key(|(_, load)| if *load < REQUESTS_MAX { 0 } else { *load });
        let connection = best.map_or(0, |(connection, _)| connection);
        if let Some(count) = counts.get(connection) {
            count.fetch_add(1, Relaxed);
        }
        Held { counts, connection }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(count) = self.counts.get(self.connection) {
            count.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_filled_before_the_next_one_is_used() {
        let streams = Streams::default();
        let mut held: Vec<Held> = (0..2 * REQUESTS_MAX).map(|_| streams.hold("a")).collect();
        let on = |held: &[Held], n| held.iter().filter(|held| held.connection == n).count();
        assert_eq!((on(&held, 0), on(&held, 1)), (REQUESTS_MAX, REQUESTS_MAX));
        held.remove(0);
        assert_eq!(streams.hold("a").connection, 0, "there is room again");
        assert_eq!(streams.hold("b").connection, 0, "addresses are apart");
        held.extend((0..CONNECTIONS_MAX * REQUESTS_MAX).map(|_| streams.hold("a")));
        let most = (0..CONNECTIONS_MAX).map(|n| on(&held, n)).max();
        assert!(most <= Some(REQUESTS_MAX + 8), "{most:?}");
    }

    #[test]
    fn addresses_that_nobody_asks_are_forgotten() {
        let streams = Streams::default();
        let kept = streams.hold("kept");
        for n in 0..2 * ADDRESSES_MAX {
            drop(streams.hold(&n.to_string()));
        }
        let by_address = streams.by_address.lock().unwrap();
        assert!(by_address.len() <= ADDRESSES_MAX && by_address.contains_key("kept"));
        assert_eq!(kept.connection, 0);
    }
}
