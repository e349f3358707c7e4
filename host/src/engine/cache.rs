//! Compiled code on disk: survives restarts, is believed only when its
//! authentication code verifies, and is bounded in size.
//!
//! A file is a 32 byte HMAC-SHA-256 followed by the code; the code authenticates
//! the entry's name too, so that entries cannot be swapped. The key is made at
//! first use and readable by its owner alone.

use super::artifact::Trusted;
use crate::digest::Digest;
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

/// Compiled code by the digest of what it was compiled from and with.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
    bytes_max: u64,
}

impl Cache {
    /// Opens the cache below a state folder, which is made if need be.
    pub(crate) fn open(state: &Path, bytes_max: u64) -> io::Result<Self> {
        let folder = state.join("compiled");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let key = read_or_make_key(&state.join("compiled.key"))?;
        Ok(Self { folder, key, bytes_max })
    }

    /// Finds compiled code. Whatever does not verify is removed.
    pub(super) fn find(&self, name: &Digest) -> Option<Trusted> {
        let path = self.path(name);
        let mut bytes = fs::read(&path).ok()?;
        let split = bytes.split_at_checked(MAC_BYTES);
        let verifies =
            split.is_some_and(|(mac, code)| self.mac(name, code).verify_slice(mac).is_ok());
        if !verifies {
            warn!(path = %path.display(), "cached code does not verify and is compiled again");
            let _ = fs::remove_file(&path);
            return None;
        }
        // What was used last is evicted last.
        if let Ok(file) = fs::File::open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        bytes.drain(..MAC_BYTES);
        Some(Trusted::from_cache(bytes))
    }

    /// Keeps compiled code, whole or not at all, and makes room.
    pub(super) fn keep(&self, name: &Digest, code: &Trusted) -> io::Result<()> {
        if self.bytes_max < code.bytes().len() as u64 {
            return Ok(());
        }
        let mac = self.mac(name, code.bytes()).finalize().into_bytes();
        let temporary = self.folder.join(format!(".{}", uuid::Uuid::new_v4()));
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let written = file
            .write_all(&mac)
            .and_then(|()| file.write_all(code.bytes()))
            .and_then(|()| fs::rename(&temporary, self.path(name)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        self.evict();
        written
    }

    fn evict(&self) {
        let Ok(listing) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = listing
            .flatten()
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

    fn mac(&self, name: &Digest, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(name.hex().as_bytes());
        mac.update(code);
        mac
    }

    fn path(&self, name: &Digest) -> PathBuf {
        self.folder.join(name.hex())
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

    fn kept(bytes_max: u64) -> (tempfile::TempDir, Cache, Digest) {
        let state = tempfile::tempdir().unwrap();
        let cache = Cache::open(state.path(), bytes_max).unwrap();
        let name = Digest::of(&[b"module"]);
        cache.keep(&name, &Trusted::from_compiler(b"code".to_vec())).unwrap();
        (state, cache, name)
    }

    #[test]
    fn what_was_kept_is_found_by_the_next_host_too() {
        let (state, _, name) = kept(1_000);
        let again = Cache::open(state.path(), 1_000).unwrap();
        assert_eq!(again.find(&name).unwrap().bytes(), b"code");
        assert!(again.find(&Digest::of(&[b"other"])).is_none());
    }

    #[test]
    fn a_changed_byte_or_a_renamed_entry_is_not_believed() {
        let (_state, cache, name) = kept(1_000);
        let other = Digest::of(&[b"other"]);
        fs::copy(cache.path(&name), cache.path(&other)).unwrap();
        assert!(cache.find(&other).is_none());

        let mut bytes = fs::read(cache.path(&name)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(cache.path(&name), bytes).unwrap();
        assert!(cache.find(&name).is_none());
        assert!(!cache.path(&name).exists());
    }

    #[test]
    fn what_was_not_used_longest_makes_room() {
        let (_state, cache, first) = kept(80);
        let old = fs::File::open(cache.path(&first)).unwrap();
        old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let second = Digest::of(&[b"second"]);
        cache.keep(&second, &Trusted::from_compiler(vec![7; 40])).unwrap();
        assert!(cache.find(&first).is_none());
        assert!(cache.find(&second).is_some());
    }
}
