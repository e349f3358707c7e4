//! Whether the calls of a service have lately been hard on who serves them.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Easy calls after which a hard one is forgotten.
const MEMORY: u32 = 16;

/// What is remembered of the latest calls: one that computed for long or was
/// stopped was hard.
#[derive(Debug, Default)]
pub(crate) struct Strain(AtomicU32);

impl Strain {
    /// A call is hard.
    pub(super) fn note_hard(&self) {
        self.0.store(MEMORY, Relaxed);
    }

    /// A call was not.
    pub(super) fn note_easy(&self) {
        // Read first: most services never have a hard one.
        if self.is_hard() {
            let _ = self.0.try_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        }
    }

    /// Whether the next call is expected to be.
    pub(crate) fn is_hard(&self) -> bool {
        self.0.load(Relaxed) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hard_call_is_forgotten_after_some_easy_ones() {
        let strain = Strain::default();
        strain.note_easy();
        assert!(!strain.is_hard());
        strain.note_hard();
        for _ in 1..MEMORY {
            strain.note_easy();
        }
        assert!(strain.is_hard());
        strain.note_easy();
        assert!(!strain.is_hard());
    }
}
