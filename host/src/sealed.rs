//! Files that are believed only when this host wrote them, and bounded in size
//! together.
//!
//! A file is a 32 byte HMAC-SHA-256 followed by its content; the code covers the
//! file's name too, so that files cannot be swapped. The key is made at first
//! use and readable by its owner alone.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tracing::warn;

const MAC_BYTES: usize = 32;
const KEY_BYTES: usize = 64;

/// A folder of such files.
#[derive(Debug)]
pub(crate) struct Sealed {
    folder: PathBuf,
    tag: &'static str,
    key: [u8; KEY_BYTES],
    bytes_max: u64,
}

impl Sealed {
    /// Opens a folder below a state folder, which is made if need be. The tag
    /// keeps the files of one folder from being believed in another; it is
    /// empty, or holds what no name begins with.
    pub(crate) fn open(
        state: &Path,
        name: &str,
        tag: &'static str,
        bytes_max: u64,
    ) -> io::Result<Self> {
        let folder = state.join(name);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let key = read_or_make_key(&state.join("compiled.key"))?;
        Ok(Self { folder, tag, key, bytes_max })
    }

    /// The content of a file. Whatever does not verify is removed.
    pub(crate) fn find(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.path(name);
        let mut bytes = fs::read(&path).ok()?;
        let split = bytes.split_at_checked(MAC_BYTES);
        let verifies =
            split.is_some_and(|(mac, content)| self.mac(name, content).verify_slice(mac).is_ok());
        if !verifies {
            warn!(path = %path.display(), "does not verify and is removed");
            let _ = fs::remove_file(&path);
            return None;
        }
        self.touch(name);
        bytes.drain(..MAC_BYTES);
        Some(bytes)
    }

    /// Whether there is such a file. What was used last is evicted last.
    pub(crate) fn touch(&self, name: &str) -> bool {
        let file = fs::File::open(self.path(name));
        file.is_ok_and(|file| file.set_modified(SystemTime::now()).is_ok())
    }

    /// Keeps a content, whole or not at all, unless it is larger than all may
    /// be together.
    pub(crate) fn keep(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let bytes: u64 = parts.iter().map(|part| part.len() as u64).sum();
        if self.bytes_max < bytes {
            return Ok(());
        }
        let mut mac = self.mac(name, &[]);
        parts.iter().for_each(|part| mac.update(part));
        let mac = mac.finalize().into_bytes();
        let temporary = self.folder.join(format!(".{}", uuid::Uuid::new_v4()));
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let written = file
            .write_all(&mac)
            .and_then(|()| parts.iter().try_for_each(|part| file.write_all(part)))
            .and_then(|()| fs::rename(&temporary, self.path(name)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Takes a file out.
    pub(crate) fn remove(&self, name: &str) {
        // What is not there is out.
        let _ = fs::remove_file(self.path(name));
    }

    /// Every file by name.
    pub(crate) fn names(&self) -> Vec<String> {
        let listing = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        listing.map(name).filter(|name| !name.starts_with('.')).collect()
    }

    /// Makes room: what was not used for longest goes first, and what is spared
    /// does not.
    pub(crate) fn evict(&self, is_spared: impl Fn(&str) -> bool) {
        let Ok(listing) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = listing
            .flatten()
            .filter(|entry| !is_spared(&entry.file_name().to_string_lossy()))
            .filter_map(|entry| {
                let metadata = entry.metadata().ok()?;
                Some((metadata.modified().ok()?, metadata.len(), entry.path()))
            })
            .collect();
        files.sort_by_key(|(modified, ..)| std::cmp::Reverse(*modified));
        let mut total = 0;
        for (_, len, path) in files {
            total += len;
            if self.bytes_max < total {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn mac(&self, name: &str, content: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        if !self.tag.is_empty() {
            mac.update(self.tag.as_bytes());
        }
        mac.update(name.as_bytes());
        if !self.tag.is_empty() {
            mac.update(b"\n");
        }
        mac.update(content);
        mac
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn read_or_make_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    if let Some(key) = read_key(path)? {
        return Ok(key);
    }
    let mut key = [0; KEY_BYTES];
    for part in key.chunks_mut(16) {
        part.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    let temporary = path.with_extension(format!("key.{}", uuid::Uuid::new_v4()));
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&key)?;
    file.sync_all()?;
    // Whoever comes first wins; a host that starts at the same time reads its
    // key.
    let made = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    match made {
        Ok(()) => Ok(key),
        Err(_) => read_key(path)?.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "the key of the compiled code is damaged")
        }),
    }
}

fn read_key(path: &Path) -> io::Result<Option<[u8; KEY_BYTES]>> {
    match fs::read(path) {
        Ok(bytes) => match bytes.try_into() {
            Ok(key) => Ok(Some(key)),
            Err(_) => {
                warn!(path = %path.display(), "the key has a wrong length and is made anew");
                fs::remove_file(path)?;
                Ok(None)
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(bytes_max: u64) -> (tempfile::TempDir, Sealed) {
        let state = tempfile::tempdir().unwrap();
        let sealed = Sealed::open(state.path(), "kept", "kept/", bytes_max).unwrap();
        sealed.keep("first", &[b"con", b"tent"]).unwrap();
        (state, sealed)
    }

    #[test]
    fn what_was_kept_is_found_by_the_next_host_too() {
        let (state, _) = kept(1_000);
        let again = Sealed::open(state.path(), "kept", "kept/", 1_000).unwrap();
        assert_eq!(again.find("first").unwrap(), b"content");
        assert_eq!(again.names(), ["first"]);
        assert!(again.find("other").is_none());
    }

    #[test]
    fn a_changed_byte_or_a_renamed_file_is_not_believed() {
        let (state, sealed) = kept(1_000);
        fs::copy(sealed.path("first"), sealed.path("other")).unwrap();
        assert!(sealed.find("other").is_none());
        let elsewhere = Sealed::open(state.path(), "elsewhere", "", 1_000).unwrap();
        fs::copy(sealed.path("first"), elsewhere.path("first")).unwrap();
        assert!(elsewhere.find("first").is_none());

        let mut bytes = fs::read(sealed.path("first")).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(sealed.path("first"), bytes).unwrap();
        assert!(sealed.find("first").is_none());
        assert!(!sealed.path("first").exists());
    }

    #[test]
    fn what_was_not_used_longest_makes_room_unless_it_is_spared() {
        let (_state, sealed) = kept(80);
        let old = fs::File::open(sealed.path("first")).unwrap();
        old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        sealed.keep("second", &[&[7; 40]]).unwrap();
        sealed.evict(|name| name == "first");
        assert!(sealed.path("first").exists());
        sealed.evict(|_| false);
        assert!(sealed.find("first").is_none());
        assert!(sealed.find("second").is_some());
    }
}
