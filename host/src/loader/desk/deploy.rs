//! Files that the admin side puts into the folder and takes out of it.
//!
//! The desk itself renames them, so nothing is loaded between a manifest and
//! its module, and knows which load is of which upload. While a file is being
//! loaded the next upload of it waits: each gets the verdict on its own content.

use super::super::Refusal;
use super::super::folder::{Stamp, manifest_of};
use super::super::upload::{Upload, UploadError, Uploads, check_place, module, write_through};
use super::orders::Order;
use super::{Desk, Loader, Module, Revision};
use crate::digest::Digest;
use crate::name::Name;
use crate::pool::Service;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tracing::info;

/// What became of an upload.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Verdict {
    pub(crate) module: Name,
    /// Of the module and its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    #[serde(rename = "verdict")]
    pub(crate) judged: Judged,
    /// What is live now.
    #[serde(flatten)]
    live: Option<LiveView>,
    /// Why it is refused, or why something else than it is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// How an upload was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Judged {
    /// It is live, and nothing of its module was before.
    Serving,
    /// It is live in the place of another.
    Swapped,
    /// It is what was there.
    Unchanged,
    /// It is not served, and what was live is.
    Refused,
    /// It is in its place, and nobody waited for more.
    Loading,
    /// A manifest is in its place, and its module is not there.
    Stored,
}

#[derive(Clone, Debug, serde::Serialize)]
struct LiveView {
    service: Name,
    version: String,
    root: String,
    /// Milliseconds from the whole file to the swap.
    ms: u64,
}

/// Whether an answer waits for the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    ForVerdict,
    No,
}

/// What was taken out of the folder.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct TakenOut {
    module: Name,
    /// What was live of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// The module that serves the same from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_over: Option<Name>,
}

type Reply<T> = oneshot::Sender<Result<T, UploadError>>;

/// Something to do with files.
pub(super) enum FileOrder {
    Put(Box<Put>),
    TakeOut { name: Name, reply: Reply<TakenOut> },
}

/// An upload that is whole.
pub(super) struct Put {
    upload: Upload,
    digest: Digest,
    wait: Wait,
    reply: Reply<Verdict>,
}

/// An upload in its place whose load is under way.
struct Awaited {
    name: Name,
    digest: Digest,
    stamp: Stamp,
    was_live: bool,
    reply: Reply<Verdict>,
}

/// Uploads that nobody was told of yet.
#[derive(Default)]
pub(super) struct Deploys {
    /// Their files are being loaded; no more than there are places for uploads.
    waiting: Vec<Put>,
    /// By file.
    awaited: BTreeMap<String, Awaited>,
}

/// A verdict on its way.
pub(super) struct Told(Reply<Verdict>, Result<Verdict, UploadError>);

impl Told {
    pub(super) fn tell(self) {
        // Who asked may have left.
        let _ = self.0.send(self.1);
    }
}

impl Desk {
    /// Where uploads begin.
    pub(crate) fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Puts a whole upload in its place.
    pub(crate) async fn deploy(&self, upload: Upload, wait: Wait) -> Result<Verdict, UploadError> {
        let looked = spawn_blocking(move || (upload.look(), upload)).await;
        let (digest, upload) = match looked.map_err(|_| UploadError::Stopping)? {
            (Ok(digest), upload) => (digest, upload),
            // Its module is yet to come.
            (Err(Refusal::Unreadable(error)), upload)
                if error.kind() == io::ErrorKind::NotFound && !upload.has_wasm() =>
            {
                (Digest::of(&[]), upload)
            }
            (Err(refusal), upload) => {
                info!(module = %upload.name, %refusal, "upload refused");
                return Ok(Verdict::refused(&upload.name, None, refusal.to_string()));
            }
        };
        let put = |reply| FileOrder::Put(Box::new(Put { upload, digest, wait, reply }));
        self.order_file(put).await
    }

    /// Takes a module and its manifest out of the folder.
    pub(crate) async fn take_out(&self, name: &str) -> Result<TakenOut, UploadError> {
        let name = module(name)?;
        self.order_file(|reply| FileOrder::TakeOut { name, reply }).await
    }

    async fn order_file<T>(
        &self,
        order: impl FnOnce(Reply<T>) -> FileOrder,
    ) -> Result<T, UploadError> {
        let (reply, replied) = oneshot::channel();
        let order = Order::OfFile(order(reply));
        self.orders.send(order).await.map_err(|_| UploadError::Stopping)?;
        replied.await.unwrap_or(Err(UploadError::Stopping))
    }
}

impl Verdict {
    fn refused(name: &Name, digest: Option<Digest>, reason: String) -> Self {
        let digest = digest.map(|digest| digest.whole());
        let (module, reason) = (name.clone(), Some(reason));
        Self { module, digest, judged: Judged::Refused, live: None, reason }
    }
}

impl Loader {
    pub(super) fn take_file_order(&mut self, order: FileOrder) {
        match order {
            FileOrder::Put(put) => self.deploys.waiting.push(*put),
            FileOrder::TakeOut { name, reply } => {
                let done = self.take_out(&name);
                let _ = reply.send(done);
            }
        }
    }

    /// Puts what waits in its place, unless its file is being loaded.
    pub(super) fn put_waiting(&mut self) {
        for put in std::mem::take(&mut self.deploys.waiting) {
            let file = put.upload.file();
            if self.modules.get(&file).is_some_and(|module| module.loading) {
                self.deploys.waiting.push(put);
            } else {
                self.put(&file, put);
            }
        }
    }

    fn put(&mut self, file: &str, put: Put) {
        let Put { mut upload, digest, wait, reply } = put;
        let (name, known) = (upload.name.clone(), self.modules.get(file));
        if let Some(live) = known.and_then(|module| self.is_live(file, module, digest)) {
            let verdict = self.verdict(&name, live, Judged::Unchanged);
            return Told(reply, Ok(verdict)).tell();
        }
        let max = self.modules_max;
        if known.is_none() && upload.has_wasm() && max <= self.modules.len() {
            return Told(reply, Err(UploadError::Full { max })).tell();
        }
        if let Err(error) = upload.place() {
            return Told(reply, Err(error)).tell();
        }
        info!(module = %name, %digest, "deployed");
        let stamp = self.workshop.folder.stamp(file);
        let in_place = |judged| Verdict {
            module: name.clone(),
            digest: (judged == Judged::Loading).then(|| digest.whole()),
            judged,
            live: None,
            reason: None,
        };
        if !stamp.has_module() {
            return Told(reply, Ok(in_place(Judged::Stored))).tell();
        }
        let was_live = known.is_some_and(|module| module.live.is_some());
        self.take_up(file, stamp.clone());
        match wait {
            Wait::No => Told(reply, Ok(in_place(Judged::Loading))).tell(),
            Wait::ForVerdict => {
                let awaited = Awaited { name, digest, stamp, was_live, reply };
                self.deploys.awaited.insert(file.to_owned(), awaited);
            }
        }
    }

    /// Begins to load a file that is known to be whole.
    fn take_up(&mut self, file: &str, stamp: Stamp) {
        self.modules_seen += 1;
        let id = self.modules_seen;
        let new = || Module { id, ..Module::default() };
        let module = self.modules.entry(file.to_owned()).or_insert_with(new);
        module.missing_since = None;
        module.taken = Some(stamp);
        self.settling.forget(file);
        self.settling.forget(&manifest_of(file));
        self.batch += 1;
        self.begin(file);
        self.render();
    }

    /// The live revision, if it is what came of exactly this content and nothing
    /// else is in the folder.
    fn is_live<'m>(&self, file: &str, module: &'m Module, content: Digest) -> Option<&'m Revision> {
        let is_taken = module.taken.as_ref() == Some(&self.workshop.folder.stamp(file));
        let live = module.live.as_ref().filter(|live| live.file == content)?;
        (is_taken && module.refusal.is_none()).then_some(live)
    }

    /// A load of a file has ended: what that means for who waits for it.
    pub(super) fn judged(&mut self, file: &str) -> Option<Told> {
        let Awaited { name, digest, stamp, was_live, reply } = self.deploys.awaited.remove(file)?;
        let superseded = || Err(UploadError::Superseded { file: file.to_owned() });
        let outcome = match self.modules.get(file).map(|module| (&module.refusal, &module.live)) {
            Some((Some(_), _)) if self.workshop.folder.stamp(file) != stamp => superseded(),
            Some((Some(reason), _)) => Ok(Verdict::refused(&name, Some(digest), reason.clone())),
            Some((None, Some(live))) if live.file == digest => {
                let judged = if was_live { Judged::Swapped } else { Judged::Serving };
                Ok(self.verdict(&name, live, judged))
            }
            _ => superseded(),
        };
        Some(Told(reply, outcome))
    }

    fn verdict(&self, name: &Name, live: &Revision, judged: Judged) -> Verdict {
        let service = &live.standing.service;
        let declaration = &service.declaration;
        let root = if declaration.root.is_empty() { "/" } else { &declaration.root };
        let pin = self.past.pin(&service.module, &service.digest);
        let view = LiveView {
            service: declaration.name.clone(),
            version: declaration.version.to_string(),
            root: root.to_owned(),
            ms: live.load_ms,
        };
        let (module, digest) = (name.clone(), Some(live.file.whole()));
        Verdict { module, digest, judged, live: Some(view), reason: pin.map(|pin| pin.why) }
    }

    fn take_out(&mut self, name: &Name) -> Result<TakenOut, UploadError> {
        let file = format!("{name}.wasm");
        let (folder, manifest) = (&self.workshop.folder.path, manifest_of(&file));
        check_place(folder, &file)?;
        check_place(folder, &manifest)?;
        // The module first: it is not to be loaded without its manifest.
        let had_wasm = unlink(&folder.join(&file))?;
        let had_manifest = unlink(&folder.join(&manifest))?;
        write_through(folder);
        if !had_wasm && !had_manifest {
            return Err(UploadError::NoSuchModule(name.clone()));
        }
        let live = self.modules.get(&file).and_then(|module| module.live.as_ref());
        let declaration = live.map(|live| &live.standing.service.declaration);
        let service = declaration.map(|declaration| declaration.name.clone());
        let version = declaration.map(|declaration| declaration.version.to_string());
        info!(module = %name, "taken out");
        self.remove(&file);
        self.render();
        let is_same = |other: &&Arc<Service>| {
            let declaration = &other.declaration;
            service.as_ref() == Some(&declaration.name)
                && version == Some(declaration.version.to_string())
        };
        let taken_over = self.live_services().find(is_same).map(|other| other.module.clone());
        Ok(TakenOut { module: name.clone(), service, version, taken_over })
    }

    /// A module is gone: who waits for its load is told.
    pub(super) fn forget_deploy(&mut self, file: &str) {
        if let Some(Awaited { reply, .. }) = self.deploys.awaited.remove(file) {
            Told(reply, Err(UploadError::Superseded { file: file.to_owned() })).tell();
        }
    }
}

/// Whether there was something to take out.
fn unlink(path: &Path) -> Result<bool, UploadError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}
