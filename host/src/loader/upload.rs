//! Content on its way into the watched folder.
//!
//! It is written below the folder, where nobody looks for modules, and renamed
//! into its place when it is whole. What is not is removed, whatever happens to
//! who sent it.

use super::Refusal;
use super::folder::{manifest_of, module_name};
use super::verify::kind;
use crate::digest::{Digest, Digesting};
use crate::limits::HostLimits;
use crate::manifest::Manifest;
use crate::name::Name;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tracing::warn;

/// Where uploads are written, and how many there may be. Clones share it.
#[derive(Clone)]
pub(crate) struct Uploads {
    watched: PathBuf,
    places: Arc<Semaphore>,
    limits: HostLimits,
}

/// What the body of an upload has to keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UploadBounds {
    pub(crate) bytes_max: u64,
    /// The time in which more of it must come.
    pub(crate) idle_max: Duration,
    /// What must come on average of the time that it is waited for.
    pub(crate) bytes_per_second_min: u64,
}

/// An upload of a module, of its manifest, or of both.
pub(crate) struct Upload {
    pub(super) name: Name,
    watched: PathBuf,
    limits: HostLimits,
    wasm: Option<Draft>,
    manifest: Option<Draft>,
    _place: OwnedSemaphorePermit,
}

/// A file that is not in its place yet. Dropping it removes it.
struct Draft {
    path: PathBuf,
    bytes: u64,
}

/// The file that is being written.
pub(crate) struct Writing<'u> {
    file: File,
    draft: &'u mut Draft,
    bytes_max: u64,
}

/// What is uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Wasm,
    Manifest,
}

/// Why content does not get into the folder, or out of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error(transparent)]
    BadName(Refusal),
    #[error("a name that begins with a dot is no module's")]
    Hidden,
    #[error("{max} uploads are under way; try again in a moment")]
    TooMany { max: usize },
    #[error("the folder holds {max} modules already; see limits.modules_max")]
    Full { max: usize },
    #[error("{what} is over the limit of {max} bytes")]
    TooLarge { what: &'static str, max: u64 },
    #[error("there is no module {0} in the folder")]
    NoSuchModule(Name),
    #[error("{file} in the watched folder is no file; take it out first")]
    InTheWay { file: String },
    #[error(
        "the watched folder cannot be written by the host ({0}); \
         put the file there yourself, or let the host's user write there"
    )]
    ReadOnly(io::Error),
    #[error("there is no room for it on the disk ({0})")]
    DiskFull(io::Error),
    #[error("it cannot be put into the watched folder: {0}")]
    Folder(io::Error),
    #[error("{file} was changed by somebody else meanwhile; see `picolet services`")]
    Superseded { file: String },
    #[error("the host is stopping")]
    Stopping,
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{
            FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        };
        match error.kind() {
            PermissionDenied | ReadOnlyFilesystem => Self::ReadOnly(error),
            StorageFull | QuotaExceeded | FileTooLarge => Self::DiskFull(error),
            _ => Self::Folder(error),
        }
    }
}

/// Uploads at once.
const UPLOADS_MAX: usize = 8;
/// Below the watched folder, so that a rename leads from here to there.
const DRAFTS: &str = ".uploads";

impl Uploads {
    /// Into this folder. What a host left behind there that did not stop in
    /// order is removed.
    pub(super) fn new(watched: &Path, limits: HostLimits) -> Self {
        // Nothing was left, or there is nothing that may be removed.
        let _ = fs::remove_dir_all(watched.join(DRAFTS));
        let places = Arc::new(Semaphore::new(UPLOADS_MAX));
        Self { watched: watched.to_owned(), places, limits }
    }

    /// Begins one, for a module of this name.
    pub(crate) fn begin(&self, name: &str) -> Result<Upload, UploadError> {
        let name = module(name)?;
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| UploadError::TooMany { max: UPLOADS_MAX })?;
        let (watched, limits) = (self.watched.clone(), self.limits);
        Ok(Upload { name, watched, limits, wasm: None, manifest: None, _place: place })
    }

    /// What an upload has to keep to.
    pub(crate) fn bounds(&self) -> UploadBounds {
        let limits = &self.limits;
        UploadBounds {
            bytes_max: limits.module_bytes_max + limits.manifest_bytes_max,
            idle_max: Duration::from_millis(limits.body_idle_ms_max),
            bytes_per_second_min: limits.body_bytes_per_second_min,
        }
    }
}

/// The module that a name stands for, with or without the ending of its file.
pub(super) fn module(name: &str) -> Result<Name, UploadError> {
    if name.starts_with('.') {
        return Err(UploadError::Hidden);
    }
    module_name(name).map_err(UploadError::BadName)
}

impl Upload {
    /// The file that the module is.
    pub(super) fn file(&self) -> String {
        format!("{}.wasm", self.name)
    }

    pub(super) fn has_wasm(&self) -> bool {
        self.wasm.is_some()
    }

    /// Begins to write a part.
    pub(crate) async fn begin(&mut self, part: Part) -> Result<Writing<'_>, UploadError> {
        let folder = self.watched.join(DRAFTS);
        let path = folder.join(uuid::Uuid::new_v4().to_string());
        let draft = Draft { path, bytes: 0 };
        // The draft goes along: who sends may be gone before the file is there.
        let begun = spawn_blocking(move || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            let mut options = fs::OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o644).open(&draft.path)?;
            io::Result::Ok((file, draft))
        });
        let (file, draft) = begun.await.map_err(|_| UploadError::Stopping)??;
        let file = File::from_std(file);
        let (slot, bytes_max) = match part {
            Part::Wasm => (&mut self.wasm, self.limits.module_bytes_max),
            Part::Manifest => (&mut self.manifest, self.limits.manifest_bytes_max),
        };
        Ok(Writing { file, draft: slot.insert(draft), bytes_max })
    }

    /// What can be told of it before it is in its place: why it would be refused,
    /// or else its digest, together with what is in the folder of the other part.
    pub(super) fn look(&self) -> Result<Digest, Refusal> {
        let file = self.file();
        let manifest = manifest_of(&file);
        let wasm = self.path_of(self.wasm.as_ref(), &file);
        let mut text = Vec::new();
        match open(&self.path_of(self.manifest.as_ref(), &manifest)) {
            Ok(file) => {
                let mut some = file.take(self.limits.manifest_bytes_max + 1);
                some.read_to_end(&mut text).map_err(Refusal::Unreadable)?;
            }
            Err(Refusal::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => (),
            Err(refusal) => return Err(refusal),
        }
        if self.manifest.is_some() {
            let not_text = || {
                let kind = io::ErrorKind::InvalidData;
                Refusal::Unreadable(io::Error::new(kind, format!("{manifest} is not UTF-8")))
            };
            let text = str::from_utf8(&text).map_err(|_| not_text())?;
            Manifest::parse(text, &manifest).map_err(Refusal::Manifest)?;
        }
        let mut digest = Digesting::default();
        self.look_at_wasm(&wasm, &mut digest)?;
        digest.begin_part(text.len() as u64);
        digest.add(&text);
        Ok(digest.end())
    }

    fn look_at_wasm(&self, path: &Path, digest: &mut Digesting) -> Result<(), Refusal> {
        let mut file = open(path)?;
        let bytes = file.metadata().map_err(Refusal::Unreadable)?.len();
        digest.begin_part(bytes);
        let mut buffer = vec![0; 64 << 10];
        let mut is_first = self.wasm.is_some();
        if is_first && bytes == 0 {
            return Err(Refusal::Empty);
        }
        loop {
            let read = file.read(&mut buffer).map_err(Refusal::Unreadable)?;
            let some = buffer.get(..read).unwrap_or_default();
            if some.is_empty() {
                return Ok(());
            }
            if std::mem::take(&mut is_first) {
                kind(some)?;
            }
            digest.add(some);
        }
    }

    fn path_of(&self, draft: Option<&Draft>, file: &str) -> PathBuf {
        draft.map_or_else(|| self.watched.join(file), |draft| draft.path.clone())
    }

    /// Renames it into its place, the manifest first: both, or neither.
    pub(super) fn place(&mut self) -> Result<(), UploadError> {
        let file = self.file();
        let manifest = manifest_of(&file);
        for (draft, file) in [(&self.manifest, &manifest), (&self.wasm, &file)] {
            if draft.is_some() {
                check_place(&self.watched, file)?;
            }
        }
        let mut replaced = None;
        if let Some(draft) = self.manifest.take() {
            let path = self.watched.join(manifest);
            if self.wasm.is_some() {
                replaced = Some(Replaced::keep(path.clone(), &self.watched.join(DRAFTS))?);
            }
            fs::rename(&draft.path, path)?;
        }
        if let Some(draft) = self.wasm.take()
            && let Err(error) = fs::rename(&draft.path, self.watched.join(file))
        {
            if let Some(replaced) = replaced {
                replaced.put_back();
            }
            return Err(error.into());
        }
        write_through(&self.watched);
        Ok(())
    }
}

/// A manifest that may have to be what it was.
struct Replaced {
    path: PathBuf,
    /// None where there was none.
    before: Option<Draft>,
}

impl Replaced {
    fn keep(path: PathBuf, folder: &Path) -> io::Result<Self> {
        let kept = Draft { path: folder.join(uuid::Uuid::new_v4().to_string()), bytes: 0 };
        // Not every file system has hard links.
        let linked = fs::hard_link(&path, &kept.path)
            .or_else(|_| fs::copy(&path, &kept.path).map(|_bytes| ()));
        let before = match linked {
            Ok(()) => Some(kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { path, before })
    }

    fn put_back(self) {
        let Self { path, before } = self;
        let put = match before {
            Some(kept) => fs::rename(&kept.path, &path),
            None => fs::remove_file(&path),
        };
        if let Err(error) = put {
            let path = path.display();
            warn!(%path, %error, "a manifest was replaced and its module was not");
        }
    }
}

/// Files and links are replaced; links are not followed.
pub(super) fn check_place(folder: &Path, file: &str) -> Result<(), UploadError> {
    let is_folder = fs::symlink_metadata(folder.join(file)).is_ok_and(|there| there.is_dir());
    if is_folder { Err(UploadError::InTheWay { file: file.to_owned() }) } else { Ok(()) }
}

/// What was renamed or removed in a folder stays so after a power cut.
pub(super) fn write_through(folder: &Path) {
    if let Err(error) = fs::File::open(folder).and_then(|folder| folder.sync_all()) {
        warn!(%error, "whether a change of the watched folder is on the disk is not known");
    }
}

/// Opens what may be something else than a file, and would be waited for.
fn open(path: &Path) -> Result<fs::File, Refusal> {
    if !fs::metadata(path).map_err(Refusal::Unreadable)?.is_file() {
        return Err(Refusal::NotAFile("something else"));
    }
    fs::File::open(path).map_err(Refusal::Unreadable)
}

impl Writing<'_> {
    /// Writes more of it.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.draft.bytes += bytes.len() as u64;
        if self.bytes_max < self.draft.bytes {
            return Err(UploadError::TooLarge { what: "what was sent", max: self.bytes_max });
        }
        Ok(self.file.write_all(bytes).await?)
    }

    /// It is whole, and on the disk.
    pub(crate) async fn finish(mut self) -> Result<(), UploadError> {
        self.file.flush().await?;
        Ok(self.file.sync_data().await?)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // One that was put in its place is no longer there.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uploads(bytes_max: u64) -> (tempfile::TempDir, Uploads) {
        let folder = tempfile::tempdir().unwrap();
        let limits = HostLimits { module_bytes_max: bytes_max, ..HostLimits::DEFAULT };
        let uploads = Uploads::new(folder.path(), limits);
        (folder, uploads)
    }

    async fn write(upload: &mut Upload, part: Part, bytes: &[u8]) {
        let mut writing = upload.begin(part).await.unwrap();
        writing.write(bytes).await.unwrap();
        writing.finish().await.unwrap();
    }

    #[test]
    fn why_the_folder_takes_nothing_is_told_apart() {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
        let of = |kind| UploadError::from(io::Error::from(kind));
        for kind in [PermissionDenied, ReadOnlyFilesystem] {
            assert!(matches!(of(kind), UploadError::ReadOnly(_)), "{kind}");
        }
        assert!(matches!(of(StorageFull), UploadError::DiskFull(_)));
        assert!(matches!(of(io::ErrorKind::Other), UploadError::Folder(_)));
    }

    fn drafts(folder: &tempfile::TempDir) -> usize {
        fs::read_dir(folder.path().join(DRAFTS)).map_or(0, Iterator::count)
    }

    #[tokio::test]
    async fn a_pair_is_put_in_its_place_and_a_draft_leaves_nothing() {
        let (folder, uploads) = uploads(100);
        let (wasm, manifest) = (b"\0asm\x01\0\0\0", b"traffic = 7");
        let mut upload = uploads.begin("calc").unwrap();
        write(&mut upload, Part::Manifest, manifest).await;
        write(&mut upload, Part::Wasm, wasm).await;
        assert_eq!(upload.look().unwrap(), Digest::of(&[wasm, manifest]));
        assert_eq!(drafts(&folder), 2);
        upload.place().unwrap();
        assert_eq!(fs::read(folder.path().join("calc.wasm")).unwrap(), wasm);
        assert_eq!(fs::read(folder.path().join("calc.toml")).unwrap(), manifest);
        drop(upload);
        let mut cut = uploads.begin("calc.wasm").unwrap();
        write(&mut cut, Part::Wasm, b"\0asm").await;
        drop(cut);
        assert_eq!(drafts(&folder), 0);
    }

    #[test]
    fn a_manifest_that_was_replaced_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let (path, drafts) = (folder.path().join("calc.toml"), folder.path());
        let none = Replaced::keep(path.clone(), drafts).unwrap();
        fs::write(&path, "traffic = 1").unwrap();
        none.put_back();
        assert!(!path.exists());
        fs::write(&path, "traffic = 2").unwrap();
        let kept = Replaced::keep(path.clone(), drafts).unwrap();
        fs::write(folder.path().join("new"), "traffic = 3").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        kept.put_back();
        assert_eq!(fs::read_to_string(&path).unwrap(), "traffic = 2");
        drop(Replaced::keep(path, drafts).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn what_cannot_be_served_is_told_before_it_is_placed() {
        let (_folder, uploads) = uploads(10);
        let mut upload = uploads.begin("calc").unwrap();
        write(&mut upload, Part::Wasm, b"no module").await;
        assert!(matches!(upload.look(), Err(Refusal::Verify(_))));
        write(&mut upload, Part::Manifest, b"traffic = \"much\"").await;
        assert!(matches!(upload.look(), Err(Refusal::Manifest(_))));
        let mut writing = upload.begin(Part::Wasm).await.unwrap();
        writing.write(&[0; 10]).await.unwrap();
        let over = writing.write(&[0]).await;
        assert!(matches!(over, Err(UploadError::TooLarge { max: 10, .. })));
    }

    #[test]
    fn names_are_those_of_modules_and_places_are_counted() {
        let (_folder, uploads) = uploads(10);
        for name in ["..", "../a", "a/b", "picolet", "", ".a", "a b", &"x".repeat(129)] {
            assert!(uploads.begin(name).is_err(), "{name:?}");
        }
        let begun: Vec<_> = (0..UPLOADS_MAX).map(|_| uploads.begin("a").unwrap()).collect();
        assert!(matches!(uploads.begin("a"), Err(UploadError::TooMany { .. })));
        drop(begun);
        assert!(uploads.begin("a").is_ok());
    }
}
