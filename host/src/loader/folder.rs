//! The watched folder: listing it, and reading a file once, without being led
//! out of it or held up by what is not a file.

use super::Refusal;
use super::settle::Look;
use crate::name::Name;
use crate::secret::SECRET_BYTES_MAX;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// The folder that is watched.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) links_out: bool,
}

/// How long a manifest may be alone before that is worth a word.
const ORPHAN_AGE_MIN: Duration = Duration::from_secs(10);

/// What a file looks like from outside; a file that looks the same was not
/// written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    wasm: FileStamp,
    manifest: FileStamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum FileStamp {
    There {
        device: u64,
        inode: u64,
        len: u64,
        modified: (i64, i64),
        changed: (i64, i64),
        is_plain: bool,
    },
    Absent,
    Odd(String),
}

/// The bytes of a module and its manifest, read once.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) wasm: Vec<u8>,
    pub(super) manifest: Option<String>,
}

/// Bounds on what is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadLimits {
    pub(super) module_bytes_max: u64,
    pub(super) manifest_bytes_max: u64,
}

impl Stamp {
    /// Whether there is more than a manifest.
    pub(super) fn has_module(&self) -> bool {
        self.wasm != FileStamp::Absent
    }

    /// What the module and its manifest tell of their writing.
    pub(super) fn looks(&self, now: SystemTime) -> [Look; 2] {
        [self.wasm.look(now), self.manifest.look(now)]
    }
}

impl FileStamp {
    fn look(&self, now: SystemTime) -> Look {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match self {
            Self::There { changed: (seconds, nanos), is_plain, .. } => {
                let seconds = u64::try_from(*seconds).unwrap_or_default();
                let nanos = u32::try_from(*nanos).unwrap_or_default();
                let age = now.saturating_sub(Duration::new(seconds, nanos));
                Look { age, is_plain: *is_plain }
            }
            Self::Absent | Self::Odd(_) => Look { age: Duration::MAX, is_plain: false },
        }
    }
}

impl Folder {
    /// Every module file by name, with its stamp.
    pub(super) fn scan(&self) -> io::Result<BTreeMap<String, Stamp>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            if is_module(&name) {
                found.insert(name.to_string(), self.stamp(&name));
            }
        }
        Ok(found)
    }

    /// Manifests without a module of their name, but for those that were written
    /// just now: their modules may be on the way.
    pub(super) fn orphans(&self, now: SystemTime) -> io::Result<BTreeSet<String>> {
        let mut orphans = BTreeSet::new();
        for entry in fs::read_dir(&self.path)? {
            let file = entry?.file_name().to_string_lossy().into_owned();
            let Some(stem) = file.strip_suffix(".toml") else { continue };
            if !is_of_a_module(&file) || stem == "picolet" {
                continue;
            }
            let stamp = self.stamp(&format!("{stem}.wasm"));
            if !stamp.has_module() && ORPHAN_AGE_MIN <= stamp.manifest.look(now).age {
                orphans.insert(file);
            }
        }
        Ok(orphans)
    }

    pub(super) fn stamp(&self, file: &str) -> Stamp {
        let stamp = |file: &str| match fs::metadata(self.path.join(file)) {
            Ok(metadata) => FileStamp::There {
                device: metadata.dev(),
                inode: metadata.ino(),
                len: metadata.len(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
                is_plain: metadata.is_file()
                    && metadata.nlink() == 1
                    && !self.path.join(file).is_symlink(),
            },
            Err(error) => match fs::symlink_metadata(self.path.join(file)) {
                Err(_) => FileStamp::Absent,
                Ok(_) => FileStamp::Odd(error.to_string()),
            },
        };
        Stamp { wasm: stamp(file), manifest: stamp(&manifest_of(file)) }
    }

    /// Reads a module and its manifest.
    pub(super) fn read(&self, file: &str, limits: &ReadLimits) -> Result<Loaded, Refusal> {
        let wasm = self.read_file(file, limits.module_bytes_max)?;
        if wasm.is_empty() {
            return Err(Refusal::Empty);
        }
        let manifest_file = manifest_of(file);
        let manifest = match self.read_file(&manifest_file, limits.manifest_bytes_max) {
            Ok(bytes) => Some(String::from_utf8(bytes).map_err(|_| {
                let kind = io::ErrorKind::InvalidData;
                Refusal::Unreadable(io::Error::new(kind, format!("{manifest_file} is not UTF-8")))
            })?),
            Err(Refusal::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => None,
            Err(refusal) => return Err(refusal),
        };
        Ok(Loaded { wasm, manifest })
    }

    /// A folder below this one, by names.
    pub(super) fn find_below(&self, below: &str) -> Result<PathBuf, Refusal> {
        let refused = |why| Refusal::Folder { folder: below.to_owned(), why };
        let missing = "does not exist below the watched folder";
        let root = self.path.canonicalize().map_err(Refusal::Unreadable)?;
        let found = self.path.join(below).canonicalize().map_err(|_| refused(missing))?;
        if !found.is_dir() {
            return Err(refused("is not a folder"));
        }
        if !self.links_out && !found.starts_with(&root) {
            return Err(refused(
                "leads out of the watched folder by a link; `links_out = true` in the settings allows it",
            ));
        }
        Ok(found)
    }

    /// A text that a manifest names; here or, by an absolute path, elsewhere.
    pub(super) fn read_secret(&self, file: &str) -> Result<Zeroizing<String>, String> {
        let path = self.path.join(file);
        let refused = |why: String| format!("file {file} cannot be read: {why}");
        let opened = fs::File::open(&path).map_err(|error| refused(error.to_string()))?;
        if !opened.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(refused("it is no regular file".to_owned()));
        }
        let mut text = Zeroizing::new(String::with_capacity(SECRET_BYTES_MAX + 3));
        let mut some = opened.take(SECRET_BYTES_MAX as u64 + 3);
        some.read_to_string(&mut text).map_err(|error| refused(error.to_string()))?;
        Ok(text)
    }

    fn read_file(&self, file: &str, bytes_max: u64) -> Result<Vec<u8>, Refusal> {
        let descriptor = self.open(file)?;
        let stat = fstat(&descriptor).map_err(|error| Refusal::Unreadable(error.into()))?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => None,
            FileType::Directory => Some("a directory"),
            FileType::Fifo => Some("a pipe"),
            FileType::Socket => Some("a socket"),
            _ => Some("a device"),
        };
        if let Some(kind) = kind {
            return Err(Refusal::NotAFile(kind));
        }
        let bytes = u64::try_from(stat.st_size).unwrap_or_default();
        if bytes_max < bytes {
            return Err(Refusal::TooLarge { bytes, max: bytes_max });
        }
        let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
        let mut file = fs::File::from(descriptor).take(bytes_max + 1);
        file.read_to_end(&mut content).map_err(Refusal::Unreadable)?;
        if bytes_max < content.len() as u64 {
            return Err(Refusal::TooLarge { bytes: content.len() as u64, max: bytes_max });
        }
        Ok(content)
    }

    /// Opens a file below the folder. Pipes do not block, links do not lead
    /// out.
    fn open(&self, file: &str) -> Result<OwnedFd, Refusal> {
        if self.links_out {
            return open_beneath(&self.path, Path::new(file), ResolveFlags::empty());
        }
        let error = match open_beneath(&self.path, Path::new(file), ResolveFlags::BENEATH) {
            Err(Refusal::LinkOut) => Refusal::LinkOut,
            opened => return opened,
        };
        // An absolute link may still lead to somewhere in the folder.
        let (Ok(folder), Ok(target)) =
            (fs::canonicalize(&self.path), fs::canonicalize(self.path.join(file)))
        else {
            return Err(error);
        };
        match target.strip_prefix(&folder) {
            Ok(inside) => open_beneath(&folder, inside, ResolveFlags::BENEATH),
            Err(_) => Err(error),
        }
    }
}

fn open_beneath(folder: &Path, file: &Path, resolve: ResolveFlags) -> Result<OwnedFd, Refusal> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let open = || {
        let folder = rustix::fs::open(folder, flags | OFlags::DIRECTORY, Mode::empty())?;
        let flags = flags | OFlags::NONBLOCK;
        match openat2(&folder, file, flags, Mode::empty(), resolve) {
            Err(Errno::NOSYS | Errno::PERM) => open_without_links(&folder, file, flags, resolve),
            opened => opened,
        }
    };
    open().map_err(|error| match error {
        Errno::XDEV => Refusal::LinkOut,
        Errno::LOOP => Refusal::LinkNowhere,
        Errno::NXIO => Refusal::NotAFile("a socket"),
        Errno::NOENT if fs::symlink_metadata(folder.join(file)).is_ok() => Refusal::LinkNowhere,
        error => Refusal::Unreadable(error.into()),
    })
}

/// For systems that do not have `openat2`, or forbid it as some sandboxes do:
/// there, no link is followed that might lead out.
fn open_without_links(
    folder: &OwnedFd,
    file: &Path,
    flags: OFlags,
    resolve: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    if resolve.is_empty() {
        return openat(folder, file, flags, Mode::empty());
    }
    let mut parts = file.components();
    let (Some(Component::Normal(_)), None) = (parts.next(), parts.next()) else {
        return Err(Errno::XDEV);
    };
    let opened = openat(folder, file, flags | OFlags::NOFOLLOW, Mode::empty());
    opened.map_err(|error| if error == Errno::LOOP { Errno::XDEV } else { error })
}

/// Whether a name in the folder is a module's.
pub(super) fn is_module(file: &str) -> bool {
    file.ends_with(".wasm") && !file.starts_with('.') && !file.ends_with('~')
}

/// Whether a name in the folder is a module's or a manifest's.
pub(super) fn is_of_a_module(file: &str) -> bool {
    is_module(file) || (file.ends_with(".toml") && !file.starts_with('.'))
}

/// The name of a module's manifest.
pub(super) fn manifest_of(file: &str) -> String {
    format!("{}.toml", file.strip_suffix(".wasm").unwrap_or(file))
}

/// The module's name, from the name of its file.
pub(super) fn module_name(file: &str) -> Result<Name, Refusal> {
    let stem = file.strip_suffix(".wasm").unwrap_or(file);
    let name = Name::parse(stem).map_err(Refusal::Name)?;
    if name.as_str() == "picolet" { Err(Refusal::ReservedName) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const LIMITS: ReadLimits = ReadLimits { module_bytes_max: 10, manifest_bytes_max: 10 };

    fn folder() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("services");
        fs::create_dir(&path).unwrap();
        (dir, Folder { path, links_out: false })
    }

    #[track_caller]
    fn refused(folder: &Folder, file: &str, expected: &str) {
        let refusal = folder.read(file, &LIMITS).unwrap_err();
        assert_eq!(refusal.to_string(), expected);
    }

    #[test]
    fn without_openat2_a_file_is_opened_and_no_link_leads_out() {
        let (dir, folder) = folder();
        fs::write(folder.path.join("a.wasm"), "in").unwrap();
        fs::write(dir.path().join("out"), "out").unwrap();
        symlink("../out", folder.path.join("b.wasm")).unwrap();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let open = |file: &str, resolve| {
            let at = rustix::fs::open(&folder.path, flags | OFlags::DIRECTORY, Mode::empty());
            open_without_links(&at.unwrap(), Path::new(file), flags, resolve).map(|_| ())
        };
        assert_eq!(open("a.wasm", ResolveFlags::BENEATH), Ok(()));
        assert_eq!(open("b.wasm", ResolveFlags::BENEATH), Err(Errno::XDEV));
        assert_eq!(open("../out", ResolveFlags::BENEATH), Err(Errno::XDEV));
        assert_eq!(open("..", ResolveFlags::BENEATH), Err(Errno::XDEV));
        assert_eq!(open("b.wasm", ResolveFlags::empty()), Ok(()), "where links may lead out");
    }

    #[test]
    fn only_regular_files_within_bounds_are_read() {
        let (_dir, folder) = folder();
        fs::create_dir(folder.path.join("d.wasm")).unwrap();
        fs::write(folder.path.join("e.wasm"), "").unwrap();
        fs::write(folder.path.join("l.wasm"), "0123456789a").unwrap();
        fs::write(folder.path.join("ok.wasm"), "x").unwrap();
        fs::write(folder.path.join("ok.toml"), "y").unwrap();
        let pipe = folder.path.join("p.wasm");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        refused(&folder, "d.wasm", "is a directory, not a regular file");
        refused(&folder, "e.wasm", "file is empty");
        refused(&folder, "l.wasm", "file is 11 bytes, at most 10 are allowed");
        refused(&folder, "p.wasm", "is a pipe, not a regular file");
        let loaded = folder.read("ok.wasm", &LIMITS).unwrap();
        assert_eq!((loaded.wasm, loaded.manifest.as_deref()), (b"x".to_vec(), Some("y")));
    }

    #[test]
    fn links_may_lead_within_the_folder_alone() {
        let (dir, mut folder) = folder();
        fs::write(dir.path().join("outside"), "x").unwrap();
        fs::write(folder.path.join("inside"), "x").unwrap();
        symlink("../outside", folder.path.join("out.wasm")).unwrap();
        symlink("inside", folder.path.join("in.wasm")).unwrap();
        symlink(folder.path.join("inside"), folder.path.join("abs.wasm")).unwrap();
        symlink("gone", folder.path.join("gone.wasm")).unwrap();
        let allow = "`links_out = true` in the settings allows it";
        let out = format!("symbolic link leads out of the folder; {allow}");
        refused(&folder, "out.wasm", &out);
        refused(&folder, "gone.wasm", "symbolic link leads nowhere");
        assert!(folder.read("in.wasm", &LIMITS).is_ok());
        assert!(folder.read("abs.wasm", &LIMITS).is_ok());
        folder.links_out = true;
        assert!(folder.read("out.wasm", &LIMITS).is_ok());
    }

    #[test]
    fn a_manifest_is_a_part_of_what_a_module_looks_like() {
        let (_dir, folder) = folder();
        fs::write(folder.path.join("a.wasm"), "x").unwrap();
        fs::write(folder.path.join(".b.wasm"), "x").unwrap();
        let before = folder.scan().unwrap();
        fs::write(folder.path.join("a.toml"), "x").unwrap();
        let after = folder.scan().unwrap();
        assert_eq!(before.len(), 1);
        assert_ne!(before, after);
        assert!(is_of_a_module("a.toml"));
        assert!(!is_of_a_module("..data"));
    }

    #[test]
    fn a_manifest_that_stays_alone_is_found() {
        let (_dir, folder) = folder();
        for file in ["a.toml", "b.toml", "b.wasm", "picolet.toml", ".c.toml", "d.txt"] {
            fs::write(folder.path.join(file), "x").unwrap();
        }
        let now = SystemTime::now();
        assert_eq!(folder.orphans(now).unwrap(), BTreeSet::new(), "its module may be coming");
        let orphans = folder.orphans(now + ORPHAN_AGE_MIN + Duration::from_secs(1)).unwrap();
        assert_eq!(orphans, BTreeSet::from(["a.toml".to_owned()]));
    }

    #[test]
    fn names_are_judged() {
        assert!(module_name("calc.wasm").is_ok());
        assert!(matches!(module_name("picolet.wasm"), Err(Refusal::ReservedName)));
        assert!(matches!(module_name("a b.wasm"), Err(Refusal::Name(_))));
    }
}
