//! From a changed file to a live service.
//!
//! watch → read → verify → compile → describe → plan → publish → drain →
//! forget. One type per stage; a refusal stops before *publish* and changes
//! nothing for callers. One task owns the folder's state; reading and compiling
//! happen beside it.

mod desk;
mod events;
mod folder;
mod inspect;
mod job;
mod journal;
mod past;
mod plan;
mod settle;
mod tally;
mod upload;
mod verify;

pub(crate) use desk::{
    Desk, Judged, Loader, Named, OrderError, Restarted, RolledBack, TakenOut, Tools, Verdict, Wait,
};
pub(crate) use inspect::{Inspection, inspect};
pub(crate) use past::Past;
pub(crate) use upload::{Part, Upload, UploadBounds, UploadError};

use crate::declaration::DeclarationError;
use crate::digest::Digest;
use crate::engine::{EngineError, Tier};
use crate::fault::Fault;
use crate::keys::Complaint;
use crate::live::Conflict;
use crate::name::NameError;
use std::time::{Duration, SystemTime};

/// Why a file is not served. The revision before keeps serving.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("module name {0}")]
    Name(NameError),
    #[error("`picolet` is a reserved module name")]
    ReservedName,
    #[error("is {0}, not a regular file")]
    NotAFile(&'static str),
    #[error("symbolic link leads out of the folder; `links_out = true` in the settings allows it")]
    LinkOut,
    #[error("symbolic link leads nowhere")]
    LinkNowhere,
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error("file is empty")]
    Empty,
    #[error("file is {bytes} bytes, at most {max} are allowed")]
    TooLarge { bytes: u64, max: u64 },
    #[error("manifest: {}", join(.0))]
    Manifest(Vec<Complaint>),
    #[error("grants.files: folder {folder} {why}")]
    Folder { folder: String, why: &'static str },
    #[error("secret {name}: {why}")]
    Secret { name: String, why: String },
    #[error(transparent)]
    Verify(#[from] verify::VerifyError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    #[error("its start ended in a fault: {0}")]
    Start(Fault),
    #[error("{over} is taken by {with}")]
    Conflict { over: String, with: String },
    #[error(
        "revision {0} is to be live again and is no longer kept; save other content to have that served"
    )]
    NotKept(Digest),
    #[error("loading it failed inside the host")]
    Lost,
}

impl Refusal {
    /// Whether the same file may be served when it is tried again: the machine
    /// was short of something.
    fn is_passing(&self) -> bool {
        match self {
            Self::Unreadable(error) => {
                use std::io::ErrorKind::{InvalidData, NotFound, PermissionDenied};
                !matches!(error.kind(), InvalidData | NotFound | PermissionDenied)
            }
            Self::Engine(EngineError::Compile(error)) => error.is_passing(),
            _ => false,
        }
    }
}

fn join(complaints: &[Complaint]) -> String {
    complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl From<Conflict> for Refusal {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict { over: conflict.over, with: format!("{}.wasm", conflict.with) }
    }
}

/// What the folder holds, as the admin side shows it.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct ModuleView {
    /// The name of the file.
    pub(crate) file: String,
    pub(crate) state: ModuleState,
    /// Why the newest content is not served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<String>,
    /// Why something else than the file's content is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pinned: Option<String>,
    /// Revisions, the live one first.
    pub(crate) revisions: Vec<RevisionView>,
}

/// Where a module stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ModuleState {
    /// Its newest content is served.
    Serving,
    /// It is being loaded, and nothing of it is served yet.
    Loading,
    /// Its newest content was refused; an older one may still serve.
    Refused,
}

/// One revision of a module.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct RevisionView {
    pub(crate) service: String,
    pub(crate) version: String,
    #[serde(serialize_with = "as_hex")]
    pub(crate) digest: Digest,
    /// Which compiler its code comes from.
    pub(crate) tier: Tier,
    /// Milliseconds from the settled file to the swap.
    pub(crate) load_ms: u64,
    /// When it went live, in seconds since 1970.
    #[serde(serialize_with = "as_seconds")]
    pub(crate) live_since: SystemTime,
}

fn as_hex<S: serde::Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("sha256:{}", digest.hex()))
}

fn as_seconds<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    serializer.serialize_f64(since.as_secs_f64())
}

/// How often the folder is looked through, whatever the watcher reports.
const RESCAN: Duration = Duration::from_secs(30);
