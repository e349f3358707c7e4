//! The thread that changes state.

use super::file::{FileError, StateFile};
use super::group::{Group, Grouped};
use super::{Door, Order, Shared, StateBounds, Work, free_bytes};
use crate::bucket::{Changed, StateError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tracing::{error, info};

/// Changes in one transaction.
const GROUP_MAX: usize = 256;
/// Bytes that they bring, about.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// How often a file is tried again that could not be opened.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Owns the file.
pub(super) struct Writer {
    path: PathBuf,
    bounds: StateBounds,
    shared: Arc<Shared>,
    work: mpsc::Receiver<Work>,
    /// What all buckets count for.
    total: u64,
    /// Of the last group that was written.
    generation: u64,
    tried: Option<Instant>,
}

type Outcomes = Vec<Result<Changed, StateError>>;

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        bounds: StateBounds,
        shared: Arc<Shared>,
        work: mpsc::Receiver<Work>,
    ) -> Self {
        Self { path, bounds, shared, work, total: 0, generation: 0, tried: None }
    }

    /// Works until nobody can ask for anything any more.
    pub(super) fn run(mut self) {
        while let Some(first) = self.work.blocking_recv() {
            let (mut group, mut bytes) = (Vec::new(), 0);
            let mut next = Some(first);
            while let Some(work) = next {
                if let Work::Change(order) = work {
                    bytes += order.change.weight();
                    group.push(order);
                }
                let has_room = group.len() < GROUP_MAX && bytes < GROUP_BYTES_MAX;
                next = has_room.then(|| self.work.try_recv().ok()).flatten();
            }
            self.make(group);
        }
    }

    /// Opens the file.
    pub(super) fn open(&mut self) -> Result<(), FileError> {
        self.tried = Some(Instant::now());
        match StateFile::open(&self.path) {
            Ok((file, census)) => {
                (self.total, self.generation) = (census.total, census.generation);
                self.shared.bytes.store(census.total, Relaxed);
                self.shared.note_ids(census.ids.into_iter());
                self.shared.door.store(Arc::new(Door::Open(file)));
                Ok(())
            }
            Err(error) => {
                self.shared.door.store(Arc::new(Door::Shut(why_shut(&error))));
                Err(error)
            }
        }
    }

    /// Whether there is a file to write to, which is opened or made if need be.
    fn is_ready(&mut self) -> Result<(), &'static str> {
        let why = match &**self.shared.door.load() {
            Door::Open(_) => return Ok(()),
            Door::Unmade => "",
            Door::Shut(why) => *why,
        };
        if !why.is_empty() && self.tried.is_some_and(|tried| tried.elapsed() < TRY_EVERY) {
            return Err(why);
        }
        match self.open() {
            Ok(()) => {
                info!(path = %self.path.display(), "state is open");
                Ok(())
            }
            Err(error) => {
                error!(path = %self.path.display(), %error, "state cannot be opened");
                Err(why_shut(&error))
            }
        }
    }

    fn make(&mut self, group: Vec<Order>) {
        if let Err(why) = self.is_ready() {
            return answer_all(group, &StateError::Unavailable(why));
        }
        let door = self.shared.door.load_full();
        let Door::Open(file) = &*door else { return };
        let made = catch_unwind(AssertUnwindSafe(|| self.commit(file, &group)));
        let failed = match made {
            Ok(Ok((outcomes, grouped))) => {
                self.note(&group, grouped);
                for (order, outcome) in group.into_iter().zip(outcomes) {
                    // Whoever does not wait any more has what was asked for.
                    let _ = order.done.send(outcome);
                }
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_panic) => "the library that keeps it panicked".to_owned(),
        };
        error!(path = %self.path.display(), error = failed, "state cannot be written");
        let reached = self.generation + 1;
        let is_done = self.open_again(door) && reached <= self.generation;
        let unknown = is_done || !matches!(&**self.shared.door.load(), Door::Open(_));
        let error = match unknown {
            true => StateError::Unknown,
            false => StateError::Unavailable("its disk failed"),
        };
        answer_all(group, &error);
    }

    /// Makes all changes of a group and sees them to the disk.
    fn commit(
        &self,
        file: &StateFile,
        orders: &[Order],
    ) -> Result<(Outcomes, Option<Grouped>), redb::Error> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let free = free_bytes(folder).unwrap_or(u64::MAX);
        let is_disk_full = free < self.bounds.free_bytes_min;
        let mut transaction = file.database().begin_write()?;
        // What was written is found at once after a crash, and two writes of the
        // disk make sure that a torn one is noticed.
        transaction.set_quick_repair(true);
        let mut group = Group::begin(&transaction, self.bounds, self.total, is_disk_full)?;
        let outcomes: Result<Outcomes, _> =
            orders.iter().map(|order| group.change(order)).collect();
        let (outcomes, grouped) = (outcomes?, group.end()?);
        match grouped {
            Some(_) => transaction.commit()?,
            None => transaction.abort()?,
        }
        Ok((outcomes, grouped))
    }

    fn note(&mut self, group: &[Order], grouped: Option<Grouped>) {
        self.shared.changes.fetch_add(group.len() as u64, Relaxed);
        let Some(Grouped { total, generation, ids }) = grouped else { return };
        (self.total, self.generation) = (total, generation);
        self.shared.bytes.store(total, Relaxed);
        self.shared.commits.fetch_add(1, Relaxed);
        let is_new = |(name, id): (crate::bucket::BucketName, u32)| {
            (self.shared.id(&name) != Some(id)).then(|| (name.to_string(), id))
        };
        let new: Vec<_> = ids.into_iter().filter_map(is_new).collect();
        if !new.is_empty() {
            self.shared.note_ids(new.into_iter());
        }
    }

    /// After a failure of the disk nothing can be read or written before the
    /// file was closed and opened again.
    fn open_again(&mut self, mut door: Arc<Door>) -> bool {
        self.shared.door.store(Arc::new(Door::Shut("its disk failed")));
        // Readers stay for microseconds.
        while Arc::get_mut(&mut door).is_none() {
            thread::yield_now();
        }
        drop(door);
        match self.open() {
            Ok(()) => true,
            Err(error) => {
                error!(path = %self.path.display(), %error, "state cannot be opened again");
                false
            }
        }
    }
}

/// What callers are told; the log has the rest.
fn why_shut(error: &FileError) -> &'static str {
    match error {
        FileError::InUse => "another host has its file open",
        _ => "its file cannot be opened",
    }
}

fn answer_all(group: Vec<Order>, error: &StateError) {
    for order in group {
        let _ = order.done.send(Err(error.clone()));
    }
}
