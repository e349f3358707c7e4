//! A watched folder that is gone after the test, with room beside it.

use super::guest;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A watched folder, in a directory of its own.
pub(crate) struct Folder {
    around: TempDir,
}

impl Folder {
    /// A folder without a file.
    pub(crate) fn empty() -> Self {
        let around = tempfile::tempdir().unwrap();
        fs::create_dir(around.path().join("services")).unwrap();
        Self { around }
    }

    /// A folder with these guests, each under its own name.
    #[track_caller]
    pub(crate) fn of(guests: &[&str]) -> Self {
        let folder = Self::empty();
        for name in guests {
            folder.put(&format!("{name}.wasm"), guest(name));
        }
        folder
    }

    /// The same with one more file.
    #[track_caller]
    pub(crate) fn with(self, file: &str, content: impl AsRef<[u8]>) -> Self {
        self.put(file, content);
        self
    }

    /// The same with what an example is deployed with beside its module.
    #[track_caller]
    pub(crate) fn deployed(self, example: &str) -> Self {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        copy_below(&examples.join(example).join("deploy"), &self.watched());
        self
    }

    /// Where the host looks.
    pub(crate) fn watched(&self) -> PathBuf {
        self.around.path().join("services")
    }

    /// A path in the folder.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.watched().join(file)
    }

    /// A path beside the folder, on the same file system.
    pub(crate) fn beside(&self, file: &str) -> PathBuf {
        self.around.path().join(file)
    }

    /// Puts a whole file in, as `mv` does.
    #[track_caller]
    pub(crate) fn put(&self, file: &str, content: impl AsRef<[u8]>) {
        let whole = self.beside(&format!("{file}.whole"));
        fs::write(&whole, content).unwrap();
        fs::rename(whole, self.path(file)).unwrap();
    }

    /// Writes a file in its place, as `cp` does.
    #[track_caller]
    pub(crate) fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(file), content).unwrap();
    }

    /// Takes a file out.
    #[track_caller]
    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.path(file)).unwrap();
    }
}

#[track_caller]
fn copy_below(from: &Path, into: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = into.join(from.file_name().unwrap());
        if from.is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy_below(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}
