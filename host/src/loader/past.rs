//! What the host keeps of revisions that were live, so that a rollback needs
//! nobody else: journals in memory and on disk, modules and manifests on disk.
//!
//! Below the state folder, private and authenticated as compiled code is.

use super::journal::{Entry, Journal, Pin};
use crate::digest::Digest;
use crate::name::Name;
use crate::sealed::Sealed;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing::warn;

/// The past of every module.
pub(crate) struct Past {
    files: Sealed,
    modules: Mutex<BTreeMap<String, Known>>,
}

#[derive(Default)]
struct Known {
    journal: Journal,
    /// What the file held when it was last read.
    file: Option<Digest>,
}

/// What a revision is made from.
pub(super) struct Kept {
    pub(super) manifest: String,
    pub(super) component: Vec<u8>,
}

const JOURNAL: &str = ".journal";

impl Past {
    /// Reads what was kept of the modules of a folder, below a state folder that
    /// hosts over other folders may use, too.
    pub(crate) fn open(state: &Path, folder: &Path, bytes_max: u64) -> io::Result<Self> {
        let folder = folder.canonicalize()?;
        let folder = Digest::of(&[folder.as_os_str().as_bytes()]).hex();
        let files = Sealed::open(state, &format!("revisions/{folder}"), "revisions/", bytes_max)?;
        let mut modules = BTreeMap::new();
        for name in files.names() {
            let Some(module) = name.strip_suffix(JOURNAL) else { continue };
            let journal = files.find(&name).and_then(|text| serde_json::from_slice(&text).ok());
            if let Some(journal) = journal {
                modules.insert(module.to_owned(), Known { journal, file: None });
            }
        }
        Ok(Self { files, modules: Mutex::new(modules) })
    }

    /// A file was read: what is to be live in its place.
    pub(super) fn read(&self, module: &Name, file: Digest) -> Option<Pin> {
        let mut modules = self.lock();
        let known = modules.entry(module.to_string()).or_default();
        known.file = Some(file);
        known.journal.pin_of(&file).cloned()
    }

    /// The pin by which a revision is live.
    pub(super) fn pin(&self, module: &Name, live: &Digest) -> Option<Pin> {
        let modules = self.lock();
        let known = modules.get(module.as_str())?;
        let pin = known.journal.pin_of(&known.file?)?;
        (pin.to == live.hex()).then(|| pin.clone())
    }

    /// What the file held when it was last read.
    pub(super) fn content(&self, module: &Name) -> Option<Digest> {
        self.lock().get(module.as_str())?.file
    }

    /// The revision before the one that is live.
    pub(super) fn before(&self, module: &Name, live: &Digest) -> Option<Entry> {
        self.lock().get(module.as_str())?.journal.before(live).cloned()
    }

    /// A revision went live.
    pub(super) fn went_live(&self, module: &Name, digest: &Digest, version: String, file: &Digest) {
        let entry = Entry { digest: digest.hex(), version };
        self.change(module, |journal| journal.went_live(entry, file));
    }

    /// From now on this revision is live in place of what the file held when it
    /// was last read.
    pub(super) fn roll_back(&self, module: &Name, to: &Digest, why: &str) {
        let file = self.lock().get(module.as_str()).and_then(|known| known.file);
        if let Some(file) = file {
            self.change(module, |journal| journal.roll_back(&file, to, why.to_owned()));
        }
    }

    /// A revision was taken out of traffic.
    pub(super) fn withdraw(&self, module: &Name, digest: &Digest, why: &str) {
        self.change(module, |journal| journal.withdraw(digest, why.to_owned()));
    }

    /// Why a revision was taken out of traffic.
    pub(super) fn withdrawn(&self, module: &Name, digest: &Digest) -> Option<String> {
        self.lock().get(module.as_str())?.journal.withdrawn(digest).map(str::to_owned)
    }

    /// Whether a revision can be made again.
    pub(super) fn holds(&self, module: &Name, digest: &Digest) -> bool {
        self.files.touch(&file_name(module, &digest.hex()))
    }

    /// What a revision was made from.
    pub(super) fn find(&self, module: &Name, digest: &Digest) -> Option<Kept> {
        let mut bytes = self.files.find(&file_name(module, &digest.hex()))?;
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let manifest = String::from_utf8(rest.get(..length)?.to_vec()).ok()?;
        bytes.drain(..4 + length);
        Some(Kept { manifest, component: bytes })
    }

    /// Keeps what a revision is made from, and makes room.
    pub(super) fn keep(&self, module: &Name, digest: &Digest, manifest: &str, component: &[u8]) {
        let name = file_name(module, &digest.hex());
        if self.files.touch(&name) {
            return;
        }
        let length = u32::try_from(manifest.len()).unwrap_or(u32::MAX).to_le_bytes();
        if let Err(error) = self.files.keep(&name, &[&length, manifest.as_bytes(), component]) {
            warn!(%module, %error, "revision cannot be kept for a rollback");
        }
        let modules = self.lock();
        self.files.evict(|name| name.ends_with(JOURNAL) || is_pinned(&modules, name));
    }

    fn change(&self, module: &Name, change: impl FnOnce(&mut Journal)) {
        let (before, after) = {
            let mut modules = self.lock();
            let journal = &mut modules.entry(module.to_string()).or_default().journal;
            let before = journal.clone();
            change(journal);
            (before, journal.clone())
        };
        if before == after {
            return;
        }
        let text = serde_json::to_vec(&after).unwrap_or_default();
        if let Err(error) = self.files.keep(&format!("{module}{JOURNAL}"), &[&text]) {
            warn!(%module, %error, "journal cannot be kept, a restart will not know of this");
        }
        for digest in before.digests().filter(|digest| !after.knows(digest)) {
            self.files.remove(&file_name(module, digest));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.modules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file_name(module: &Name, digest: &str) -> String {
    format!("{module}.{digest}")
}

fn is_pinned(modules: &BTreeMap<String, Known>, name: &str) -> bool {
    let Some((module, digest)) = name.rsplit_once('.') else { return false };
    modules.get(module).is_some_and(|known| known.journal.is_pinned_to(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_and_what_it_leads_to_outlive_the_host_and_are_not_evicted() {
        let state = tempfile::tempdir().unwrap();
        let module = Name::parse("calc").unwrap();
        let [old, new, newer] = [b"a", b"b", b"c"].map(|text| Digest::of(&[text]));
        let past = Past::open(state.path(), state.path(), 1_000).unwrap();
        for digest in [old, new] {
            assert!(past.read(&module, digest).is_none());
            past.keep(&module, &digest, "traffic = 1", b"component");
            past.went_live(&module, &digest, "1.0.0".into(), &digest);
        }
        assert_eq!(past.before(&module, &new).unwrap().digest, old.hex());
        past.roll_back(&module, &old, "told to");

        let past = Past::open(state.path(), state.path(), 1_000).unwrap();
        assert_eq!(past.read(&module, new).unwrap().to, old.hex());
        assert_eq!(past.pin(&module, &old).unwrap().why, "told to");
        past.keep(&module, &newer, "", &[7; 950]);
        let kept = past.find(&module, &old).unwrap();
        assert_eq!(
            (kept.manifest.as_str(), kept.component.as_slice()),
            ("traffic = 1", &b"component"[..])
        );
        assert!(!past.holds(&module, &new), "it made room");
        assert!(past.read(&module, newer).is_none());
    }
}
