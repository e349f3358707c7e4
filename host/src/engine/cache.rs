//! Compiled code on disk: survives restarts, is believed only when its
//! authentication code verifies, and is bounded in size.

use super::artifact::Trusted;
use crate::digest::Digest;
use crate::sealed::Sealed;
use std::io;
use std::path::Path;

/// Compiled code by the digest of what it was compiled from and with.
#[derive(Debug)]
pub(crate) struct Cache(Sealed);

impl Cache {
    /// Opens the cache below a state folder, which is made if need be.
    pub(crate) fn open(state: &Path, bytes_max: u64) -> io::Result<Self> {
        Sealed::open(state, "compiled", "", bytes_max).map(Self)
    }

    /// Finds compiled code.
    pub(super) fn find(&self, name: &Digest) -> Option<Trusted> {
        self.0.find(&name.hex()).map(Trusted::from_cache)
    }

    /// Keeps compiled code and makes room.
    pub(super) fn keep(&self, name: &Digest, code: &Trusted) -> io::Result<()> {
        let kept = self.0.keep(&name.hex(), &[code.bytes()]);
        self.0.evict(|_| false);
        kept
    }
}
