//! What the system says of changes in the folder.

use super::super::events::Noted;
use super::super::folder::is_of_a_module;
use super::Loader;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::time::SystemTime;
use tracing::warn;

impl Loader {
    /// Begins to watch the folder, if that can be done.
    pub(super) fn watch(&self) -> Option<RecommendedWatcher> {
        let events = self.events.clone();
        let watcher = notify::recommended_watcher(move |event| events.note(event));
        match watcher {
            Ok(mut watcher) => {
                self.rearm(Some(&mut watcher));
                Some(watcher)
            }
            Err(error) => {
                warn!(%error, "folder is looked through every 30 s only, it cannot be watched");
                None
            }
        }
    }

    /// Watches the folder anew: it may have been replaced by another.
    pub(super) fn rearm(&self, watcher: Option<&mut RecommendedWatcher>) {
        let Some(watcher) = watcher else { return };
        let folder = &self.workshop.folder.path;
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            warn!(folder = %folder.display(), %error, "folder cannot be watched");
        }
    }

    /// Says once of a manifest that it has no module.
    pub(super) fn note_orphans(&mut self) {
        // Whoever scans says when the folder cannot be listed.
        let Ok(orphans) = self.workshop.folder.orphans(SystemTime::now()) else { return };
        for file in orphans.difference(&self.orphans) {
            let stem = file.strip_suffix(".toml").unwrap_or(file);
            let module = format!("{stem}.wasm");
            warn!(file, module, "no module beside it, as a manifest it counts for nothing");
        }
        self.orphans = orphans;
    }

    /// Takes what the watcher saw.
    pub(super) fn take_events(&mut self) {
        let now = self.started.elapsed();
        let Noted { changes, lost } = self.events.take();
        if lost {
            warn!("events of the folder were lost, looking through all of it");
            self.settling.lose_track(now);
        }
        for (file, change) in changes {
            if is_of_a_module(&file) {
                self.settling.see(&file, change, now);
            }
        }
    }
}
