//! Inside, in line, closed: one word.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// 32 bits for who is inside, 31 for who waits, the highest for "closed".
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

/// How an attempt to enter went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Entered,
    Full,
    Closed,
}

const INSIDE: u64 = 1;
const WAITING: u64 = 1 << 32;
const CLOSED: u64 = 1 << 63;

fn inside(word: u64) -> usize {
    (word & (WAITING - 1)) as usize
}

fn waiting(word: u64) -> usize {
    ((word & !CLOSED) >> 32) as usize
}

impl Count {
    /// Enters when there is a place and nobody waits for it.
    pub(super) fn enter(&self, places: usize) -> Entry {
        self.step(places, 0)
    }

    /// Enters, or counts one more who waits.
    pub(super) fn enter_or_wait(&self, places: usize) -> Entry {
        self.step(places, WAITING)
    }

    fn step(&self, places: usize, if_full: u64) -> Entry {
        let mut word = self.0.load(SeqCst);
        loop {
            let (next, entry) = if word & CLOSED != 0 {
                return Entry::Closed;
            } else if waiting(word) == 0 && inside(word) < places {
                (word + INSIDE, Entry::Entered)
            } else {
                (word + if_full, Entry::Full)
            };
            match self.0.compare_exchange_weak(word, next, SeqCst, SeqCst) {
                Ok(_) => return entry,
                Err(now) => word = now,
            }
        }
    }

    /// Lets in one who waits.
    pub(super) fn promote(&self) {
        self.0.fetch_sub(WAITING - INSIDE, SeqCst);
    }

    /// Leaves if nobody waits; false leaves everything as it is.
    pub(super) fn leave_unless_someone_waits(&self) -> bool {
        let step = |word| (waiting(word) == 0).then_some(word - INSIDE);
        self.0.fetch_update(SeqCst, SeqCst, step).is_ok()
    }

    pub(super) fn leave(&self) {
        self.0.fetch_sub(INSIDE, SeqCst);
    }

    pub(super) fn no_longer_waits(&self) {
        self.0.fetch_sub(WAITING, SeqCst);
    }

    pub(super) fn close(&self) {
        self.0.fetch_or(CLOSED, SeqCst);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.load(SeqCst) & CLOSED != 0
    }

    pub(super) fn inside(&self) -> usize {
        inside(self.0.load(SeqCst))
    }

    pub(super) fn waiting(&self) -> usize {
        waiting(self.0.load(SeqCst))
    }
}
