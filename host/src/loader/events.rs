//! What the operating system reports of the folder.

use super::settle::Change;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// What the watcher's thread has reported.
#[derive(Default)]
pub(super) struct Events {
    noted: Mutex<Noted>,
    /// There is something new.
    pub(super) came: Notify,
}

/// Changes since they were last taken.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) changes: Vec<(String, Change)>,
    /// Others may have been missed.
    pub(super) lost: bool,
}

/// Reports that are kept; more are as good as lost.
const CHANGES_MAX: usize = 100_000;

impl Events {
    pub(super) fn take(&self) -> Noted {
        std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn note(&self, event: notify::Result<notify::Event>) {
        // Looking at the folder is an event, too; it must not cause a look.
        let is_reading = |event: &notify::Event| match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
            EventKind::Access(_) => true,
            _ => false,
        };
        if event.as_ref().is_ok_and(is_reading) {
            return;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Ok(event) if event.need_rescan() => noted.lost = true,
            Ok(event) => {
                let changes = changes_of(&event);
                if CHANGES_MAX < noted.changes.len() + changes.len() {
                    noted.lost = true;
                    noted.changes.clear();
                } else {
                    noted.changes.extend(changes);
                }
            }
            Err(_) => noted.lost = true,
        }
        drop(noted);
        self.came.notify_one();
    }
}

/// What an event says of which files.
fn changes_of(event: &notify::Event) -> Vec<(String, Change)> {
    let change = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Change::Closed,
        EventKind::Modify(ModifyKind::Data(_)) => Change::Written,
        EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => Change::Renamed,
        EventKind::Create(_) => Change::Created,
        _ => return Vec::new(),
    };
    let name = |path: &std::path::PathBuf| {
        Some((path.file_name()?.to_string_lossy().into_owned(), change))
    };
    event.paths.iter().filter_map(name).collect()
}
