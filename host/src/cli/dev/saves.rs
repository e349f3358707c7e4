//! When a source was saved.
//!
//! The folder of the project is watched without what builds write into it. What
//! a save does to files in the same moment is one save.

use super::super::Failure;
use super::super::project::Project;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// The saves of a project, one after the other.
pub(super) struct Saves {
    watcher: RecommendedWatcher,
    folder: PathBuf,
    changed: mpsc::Receiver<PathBuf>,
    /// Of a save that is not told yet: a file of it, when it began, and its last
    /// event.
    begun: Option<(PathBuf, Instant, Instant)>,
}

/// Folders whose content nobody writes by hand.
const MADE: [&str; 3] = ["target", "node_modules", "dist"];
/// Events that may wait; more say nothing new.
const EVENTS_MAX: usize = 64;
/// A save is over when nothing came for so long, and at the latest so long
/// after it began.
const QUIET: Duration = Duration::from_millis(5);
const SAVE_MAX: Duration = Duration::from_millis(20);

impl Saves {
    /// Watches a project without these files and folders.
    pub(super) fn watch(project: &Project, without: &[PathBuf]) -> Result<Self, Failure> {
        let (tell, changed) = mpsc::channel(EVENTS_MAX);
        let folder = project.folder.clone();
        let made = made(&folder, without);
        let (left_out, around) = (made.clone(), folder.clone());
        let note = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if !is_change(event.kind) {
                return;
            }
            let is_saved = |path: &&PathBuf| is_source(&around, path) && !is_in(&left_out, path);
            for path in event.paths.iter().filter(is_saved) {
                // When it is full there is a save to be told already.
                let _ = tell.try_send(path.clone());
            }
        };
        let failed = |error: notify::Error| {
            Failure::Failed(format!("{} cannot be watched: {error}", folder.display()))
        };
        let mut watcher = notify::recommended_watcher(note).map_err(failed)?;
        watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(failed)?;
        for entry in std::fs::read_dir(&folder).map_err(Failure::failed)?.flatten() {
            let path = entry.path();
            if path.is_dir() && is_source(&folder, &path) && !is_in(&made, &path) {
                watcher.watch(&path, RecursiveMode::Recursive).map_err(failed)?;
            }
        }
        Ok(Self { watcher, folder, changed, begun: None })
    }

    /// Waits for a save, and tells a file of it. Nothing is lost when the wait is
    /// given up.
    pub(super) async fn next(&mut self) -> Result<PathBuf, Failure> {
        loop {
            let over =
                self.begun.as_ref().map(|(_, first, last)| (*first + SAVE_MAX).min(*last + QUIET));
            let path = tokio::select! {
                path = self.changed.recv() => path,
                () = until(over) => match self.begun.take() {
                    Some((path, ..)) => return Ok(path),
                    None => continue,
                },
            };
            let Some(path) = path else {
                return Err(Failure::Failed("the project is not watched any more".into()));
            };
            self.watch_new(&path);
            let now = Instant::now();
            match &mut self.begun {
                Some((_, _, last)) => *last = now,
                None => self.begun = Some((path, now, now)),
            }
        }
    }

    /// A folder that was made beside the others is watched, too.
    fn watch_new(&mut self, path: &Path) {
        if path.parent() == Some(&self.folder) && path.is_dir() {
            // It may be gone again.
            let _ = self.watcher.watch(path, RecursiveMode::Recursive);
        }
    }
}

/// The same paths as events may name them. One that the project itself is in
/// would leave nothing to be watched.
fn made(project: &Path, paths: &[PathBuf]) -> Vec<PathBuf> {
    let absolute = paths.iter().filter_map(|path| std::path::absolute(path).ok());
    let canonical = paths.iter().filter_map(|path| path.canonicalize().ok());
    absolute.chain(canonical).filter(|path| !project.starts_with(path)).collect()
}

fn is_in(folders: &[PathBuf], path: &Path) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Whether an event may have changed what a file holds. Builds read all of
/// them, and touch what they read.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => false,
        _ => true,
    }
}

/// Whether a file of a folder may be a source: not in a folder of the tools,
/// nothing that is hidden, and nothing that editors leave beside what they save.
fn is_source(folder: &Path, path: &Path) -> bool {
    let below = path.strip_prefix(folder).unwrap_or(path);
    below.iter().all(|part| {
        let Some(name) = part.to_str() else { return false };
        // Vim tries with this name whether it may write.
        let is_passing = name.starts_with('.') || name.ends_with('~') || name == "4913";
        !is_passing && !MADE.contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, DataChange, MetadataKind, RenameMode};

    #[test]
    fn sources_are_told_from_what_tools_leave() {
        let is_source = |path: &str| is_source(Path::new("/.p"), Path::new(path));
        for source in ["/.p/src/lib.rs", "/.p/Cargo.toml", "/.p/src", "/.p/a b.txt"] {
            assert!(is_source(source), "{source}");
        }
        for other in [
            "/.p/target",
            "/.p/sdk/target/debug/x.d",
            "/.p/node_modules",
            "/.p/web/dist/a.js",
            "/.p/.git",
            "/.p/src/.lib.rs.swp",
            "/.p/x.rs~",
        ] {
            assert!(!is_source(other), "{other}");
        }
    }

    #[test]
    fn what_is_left_out_is_known_by_both_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().canonicalize().unwrap();
        let (served, link) = (project.join("served"), project.join("link"));
        std::fs::create_dir(&served).unwrap();
        std::os::unix::fs::symlink(&served, &link).unwrap();
        assert_eq!(made(&project, std::slice::from_ref(&link)), [link, served]);
        let around = [project.clone(), project.parent().unwrap().to_owned()];
        assert_eq!(made(&project, &around), Vec::<PathBuf>::new());
    }

    #[test]
    fn reading_is_no_change() {
        let closed = |mode| EventKind::Access(AccessKind::Close(mode));
        assert!(is_change(closed(AccessMode::Write)) && !is_change(closed(AccessMode::Read)));
        assert!(!is_change(EventKind::Access(AccessKind::Open(AccessMode::Any))));
        assert!(!is_change(EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any))));
        assert!(is_change(EventKind::Modify(ModifyKind::Data(DataChange::Any))));
        assert!(is_change(EventKind::Modify(ModifyKind::Name(RenameMode::To))));
        assert!(is_change(EventKind::Create(CreateKind::File)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_together_is_one_save_even_when_the_wait_is_given_up() {
        let (tell, changed) = mpsc::channel(8);
        let watcher = notify::recommended_watcher(|_| ()).unwrap();
        let mut saves = Saves { watcher, folder: "/p".into(), changed, begun: None };
        for file in ["/p/src/a.rs", "/p/src/b.rs"] {
            tell.send(PathBuf::from(file)).await.unwrap();
        }
        let given_up = tokio::time::timeout(Duration::from_millis(1), saves.next()).await;
        assert!(given_up.is_err());
        assert_eq!(saves.next().await.unwrap(), Path::new("/p/src/a.rs"));
        let nothing = tokio::time::timeout(Duration::from_secs(1), saves.next()).await;
        assert!(nothing.is_err());
    }
}
