//! State that outlives instances, services and the host, in one file.
//!
//! Readers look into the file where they are. Changes go to one thread, which
//! makes all that came meanwhile in one transaction and answers when that is on
//! disk. So changes to a bucket follow each other, and nobody's change waits
//! longer for the disk than for those before it.

mod file;
mod group;
mod layout;
mod writer;

pub(crate) use file::FileError;

use crate::bucket::{BucketName, Change, Changed, StateError, Versioned};
use arc_swap::ArcSwap;
use file::StateFile;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};
use writer::Writer;

/// All buckets of a host. Clones share them.
#[derive(Clone)]
pub(crate) struct Buckets {
    shared: Arc<Shared>,
    work: mpsc::Sender<Work>,
}

/// Bounds on all buckets together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateBounds {
    pub(crate) total_bytes_max: u64,
    pub(crate) buckets_max: usize,
    /// Of the disk. With less, nothing is taken that makes state larger.
    pub(crate) free_bytes_min: u64,
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StateCounts {
    pub(crate) reads: u64,
    pub(crate) changes: u64,
    /// Transactions that made them.
    pub(crate) commits: u64,
    /// What all buckets count for.
    pub(crate) bytes: u64,
    pub(crate) buckets: usize,
}

struct Shared {
    door: ArcSwap<Door>,
    /// Ids of buckets by their names as they are written; they never change.
    ids: RwLock<HashMap<String, u32>>,
    reads: AtomicU64,
    changes: AtomicU64,
    commits: AtomicU64,
    bytes: AtomicU64,
}

/// The way into the file.
enum Door {
    /// Nothing was ever written.
    Unmade,
    Open(StateFile),
    /// It cannot be used now.
    Shut(&'static str),
}

/// What the thread that writes is asked for.
enum Work {
    Change(Order),
    /// A reader found that the file cannot be read.
    Reopen,
}

/// A change, and whoever waits for it.
struct Order {
    bucket: BucketName,
    /// What the bucket may count for.
    bytes_max: u64,
    change: Change,
    done: oneshot::Sender<Result<Changed, StateError>>,
}

/// Changes that wait; who comes later waits to be let in.
const ORDERS_WAITING: usize = 1_024;

const FILE: &str = "state.redb";

impl Buckets {
    /// Opens what there is below a state folder. Nothing is made before the
    /// first change.
    pub(crate) fn open(state: &Path, bounds: StateBounds) -> Result<Self, FileError> {
        let path = state.join(FILE);
        let shared = Arc::new(Shared::new());
        let (work, orders) = mpsc::channel(ORDERS_WAITING);
        let is_there = path.exists();
        let mut writer = Writer::new(path.clone(), bounds, shared.clone(), orders);
        if is_there {
            match writer.open() {
                Ok(()) => (),
                // That may be on its way out.
                Err(error @ FileError::InUse) => warn!(path = %path.display(), %error, "no state"),
                Err(error) => return Err(error),
            }
        }
        let thread = thread::Builder::new().name("state".to_owned());
        thread.spawn(move || writer.run()).map_err(FileError::Io)?;
        Ok(Self { shared, work })
    }

    /// Where nothing is served, nothing is kept.
    pub(crate) fn nowhere() -> Self {
        let (work, _nobody) = mpsc::channel(1);
        Self { shared: Arc::new(Shared::new()), work }
    }

    /// Makes a change; when this returns, it is on disk.
    pub(crate) async fn change(
        &self,
        bucket: BucketName,
        bytes_max: u64,
        change: Change,
    ) -> Result<Changed, StateError> {
        let (done, outcome) = oneshot::channel();
        let order = Order { bucket, bytes_max, change, done };
        let ended = StateError::Unavailable("the host is going down");
        self.work.send(Work::Change(order)).await.map_err(|_| ended.clone())?;
        outcome.await.unwrap_or(Err(StateError::Unknown))
    }

    /// The value of a key.
    pub(crate) fn get(
        &self,
        bucket: &BucketName,
        key: &str,
    ) -> Result<Option<Versioned>, StateError> {
        self.read(bucket, |file, id| file.get(id, key))
    }

    /// Keys with a prefix after a key, in the order of their bytes.
    pub(crate) fn keys(
        &self,
        bucket: &BucketName,
        prefix: &str,
        after: &str,
        count: usize,
    ) -> Result<Vec<String>, StateError> {
        self.read(bucket, |file, id| file.keys(id, prefix, after, count))
    }

    /// Keys in the order of their creation, after the one of this number, and
    /// the number to go on with if there are more.
    pub(crate) fn page(
        &self,
        bucket: &BucketName,
        after: u64,
        count: usize,
    ) -> Result<(Vec<String>, Option<u64>), StateError> {
        self.read(bucket, |file, id| file.page(id, after, count))
    }

    /// A bucket that was never written to has nothing.
    fn read<T: Default>(
        &self,
        bucket: &BucketName,
        read: impl FnOnce(&StateFile, u32) -> Result<T, redb::Error>,
    ) -> Result<T, StateError> {
        self.shared.reads.fetch_add(1, Relaxed);
        let door = self.shared.door.load();
        let file = match &**door {
            Door::Open(file) => file,
            Door::Unmade => return Ok(T::default()),
            Door::Shut(why) => {
                let _ = self.work.try_send(Work::Reopen);
                return Err(StateError::Unavailable(why));
            }
        };
        let Some(id) = self.shared.id(bucket) else { return Ok(T::default()) };
        read(file, id).map_err(|error| {
            error!(%error, "state cannot be read");
            let _ = self.work.try_send(Work::Reopen);
            StateError::Unavailable("its file cannot be read")
        })
    }

    /// What was done so far.
    pub(crate) fn counts(&self) -> StateCounts {
        let Shared { reads, changes, commits, bytes, .. } = &*self.shared;
        StateCounts {
            reads: reads.load(Relaxed),
            changes: changes.load(Relaxed),
            commits: commits.load(Relaxed),
            bytes: bytes.load(Relaxed),
            buckets: self.shared.ids.read().unwrap_or_else(PoisonError::into_inner).len(),
        }
    }
}

impl Shared {
    fn new() -> Self {
        Self {
            door: ArcSwap::from_pointee(Door::Unmade),
            ids: RwLock::default(),
            reads: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    fn id(&self, bucket: &BucketName) -> Option<u32> {
        let ids = self.ids.read().unwrap_or_else(PoisonError::into_inner);
        ids.get(&bucket.to_string()).copied()
    }

    fn note_ids(&self, new: impl Iterator<Item = (String, u32)>) {
        self.ids.write().unwrap_or_else(PoisonError::into_inner).extend(new);
    }
}

/// Bytes that a file system has free for the user of the host.
fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests;
