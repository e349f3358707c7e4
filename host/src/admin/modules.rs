//! Modules into the watched folder and out of it.

use super::described::{
    Operation, Paths, as_json, count, in_path, in_query, named, object, path, text, word,
};
use super::{Admin, Refused};
use crate::loader::{Judged, Part, TakenOut, Upload, UploadBounds, UploadError, Verdict, Wait};
use crate::name::Name;
use ::http::StatusCode;
use ::http::request::Parts;
use axum::Json;
use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::{FromRequestParts, Path, Query, State as AxumState};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What is asked of an upload.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Whether the answer waits for the verdict, as it does unless told.
    #[serde(default = "yes")]
    wait: bool,
    /// So many bytes of the body, its first ones, are the manifest.
    manifest_bytes: Option<u64>,
}

fn yes() -> bool {
    true
}

impl Asked {
    fn wait(&self) -> Wait {
        if self.wait { Wait::ForVerdict } else { Wait::No }
    }
}

/// A body as it comes in.
struct Incoming {
    chunks: BodyDataStream,
    /// What was taken of the body and belongs to the next part.
    left: Bytes,
    idle_max: Duration,
    pace: Pace,
}

/// How fast a body has come in so far, of the time that it was waited for: what the
/// disk takes is not its sender's.
#[derive(Debug, Default)]
struct Pace {
    per_second_min: u64,
    bytes: u64,
    waited: Duration,
}

impl Pace {
    /// Notes what came after such a wait, and tells whether that is fast enough.
    fn keeps(&mut self, bytes: usize, waited: Duration) -> bool {
        self.bytes += bytes as u64;
        self.waited += waited;
        let wanted = self.waited.as_secs().saturating_mul(self.per_second_min);
        self.waited <= PACE_GRACE || wanted <= self.bytes
    }
}

/// Time a sender has before its pace counts.
const PACE_GRACE: Duration = Duration::from_secs(5);

/// How long the rest of a body is read that is not wanted: an answer that comes
/// before its client has sent everything may not reach it.
const DISCARD_TIME: Duration = Duration::from_secs(5);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        let read = Query::try_from_uri(&parts.uri);
        read.map(|Query(asked)| asked).map_err(|error| Refused::bad_request(error.body_text()))
    }
}

impl From<UploadError> for Refused {
    fn from(error: UploadError) -> Self {
        use UploadError as E;
        let (status, name) = match &error {
            E::BadName(_) | E::Hidden => (StatusCode::BAD_REQUEST, "bad-name"),
            E::TooMany { .. } => (StatusCode::SERVICE_UNAVAILABLE, "too-many-uploads"),
            E::Full { .. } => (StatusCode::INSUFFICIENT_STORAGE, "too-many-modules"),
            E::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            E::NoSuchModule(_) => (StatusCode::NOT_FOUND, "not-found"),
            E::InTheWay { .. } => (StatusCode::CONFLICT, "in-the-way"),
            E::ReadOnly(_) => (StatusCode::CONFLICT, "folder-read-only"),
            E::DiskFull(_) => (StatusCode::INSUFFICIENT_STORAGE, "disk-full"),
            E::Folder(_) => (StatusCode::INTERNAL_SERVER_ERROR, "folder"),
            E::Superseded { .. } => (StatusCode::CONFLICT, "superseded"),
            E::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        };
        Self::new(status, name, error.to_string())
    }
}

/// Takes a module, and its manifest if that comes first in the body.
pub(super) async fn deploy(
    AxumState(admin): AxumState<Admin>,
    Path(name): Path<String>,
    asked: Asked,
    body: Body,
) -> Result<Response, Refused> {
    let manifest = asked.manifest_bytes.map(|bytes| (Part::Manifest, Some(bytes)));
    let parts: Vec<_> = manifest.into_iter().chain([(Part::Wasm, None)]).collect();
    take(&admin, &name, asked.wait(), &parts, body).await
}

/// Takes the manifest of a module.
pub(super) async fn deploy_manifest(
    AxumState(admin): AxumState<Admin>,
    Path(name): Path<String>,
    asked: Asked,
    body: Body,
) -> Result<Response, Refused> {
    if asked.manifest_bytes.is_some() {
        let message = "manifest_bytes is for modules: all of this body is the manifest";
        return Err(Refused::bad_request(message));
    }
    take(&admin, &name, asked.wait(), &[(Part::Manifest, None)], body).await
}

/// Takes a module out, with its manifest.
pub(super) async fn remove(
    AxumState(admin): AxumState<Admin>,
    Path(name): Path<String>,
) -> Result<Json<TakenOut>, Refused> {
    Ok(Json(admin.desk.take_out(&name).await?))
}

/// Parts of a body in their order, and how many bytes each has; the last one has
/// the rest.
type Parted = [(Part, Option<u64>)];

async fn take(
    admin: &Admin,
    name: &str,
    wait: Wait,
    parts: &Parted,
    body: Body,
) -> Result<Response, Refused> {
    let bounds = admin.desk.uploads().bounds();
    let UploadBounds { bytes_max, idle_max, bytes_per_second_min: per_second_min } = bounds;
    let (bytes, left) = (body.size_hint().lower(), Bytes::new());
    let pace = Pace { per_second_min, ..Pace::default() };
    let mut incoming = Incoming { chunks: body.into_data_stream(), left, idle_max, pace };
    let received = async {
        let upload = admin.desk.uploads().begin(name)?;
        if bytes_max < bytes {
            let what = "what is sent";
            return Err(UploadError::TooLarge { what, max: bytes_max }.into());
        }
        incoming.receive(upload, parts).await
    };
    let upload = match received.await {
        Ok(upload) => upload,
        // Who sends nothing is not waited for once more.
        Err(refused) if refused.status == StatusCode::REQUEST_TIMEOUT => return Err(refused),
        Err(refused) => {
            incoming.discard().await;
            return Err(refused);
        }
    };
    Ok(answer(admin.desk.deploy(upload, wait).await?))
}

impl Incoming {
    async fn receive(&mut self, mut upload: Upload, parts: &Parted) -> Result<Upload, Refused> {
        for (part, bytes) in parts {
            let mut writing = upload.begin(*part).await?;
            let mut wanted = bytes.unwrap_or(u64::MAX);
            while 0 < wanted {
                let Some(mut chunk) = self.next().await? else { break };
                let here = usize::try_from(wanted).unwrap_or(usize::MAX).min(chunk.len());
                self.left = chunk.split_off(here);
                wanted -= chunk.len() as u64;
                writing.write(&chunk).await?;
            }
            if bytes.is_some() && 0 < wanted {
                return Err(Refused::bad_request("the body is shorter than manifest_bytes"));
            }
            writing.finish().await?;
        }
        Ok(upload)
    }

    /// The next bytes; none when the body is over.
    async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        if !self.left.is_empty() {
            return Ok(Some(std::mem::take(&mut self.left)));
        }
        let slow = |message| Refused::new(StatusCode::REQUEST_TIMEOUT, "slow-request", message);
        let since = Instant::now();
        match timeout(self.idle_max, self.chunks.next()).await {
            Ok(Some(Ok(chunk))) if self.pace.keeps(chunk.len(), since.elapsed()) => Ok(Some(chunk)),
            Ok(Some(Ok(_slow))) => Err(slow("the body comes in too slowly")),
            Ok(Some(Err(_))) => Err(Refused::bad_request("the body broke off")),
            Ok(None) => Ok(None),
            Err(_elapsed) => Err(slow("the body did not go on in time")),
        }
    }

    async fn discard(mut self) {
        let all = async { while let Some(Ok(_)) = self.chunks.next().await {} };
        // Who still sends then may miss the answer.
        let _ = timeout(DISCARD_TIME, all).await;
    }
}

/// A verdict; one that refuses is a fault as well.
fn answer(verdict: Verdict) -> Response {
    let status = match verdict.judged {
        Judged::Serving | Judged::Swapped | Judged::Unchanged => StatusCode::OK,
        Judged::Loading | Judged::Stored => StatusCode::ACCEPTED,
        Judged::Refused => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let mut body = serde_json::to_value(&verdict).unwrap_or_default();
    if let (Judged::Refused, Some(members)) = (verdict.judged, body.as_object_mut()) {
        let reason = verdict.reason.unwrap_or_default();
        members.insert("error".into(), format!("{} is refused: {reason}", verdict.module).into());
        members.insert("code".into(), status.as_u16().into());
        members.insert("fault".into(), "refused".into());
    }
    (status, Json(body)).into_response()
}

/// For the description of the API.
pub(super) fn described() -> Paths {
    let first = "so many bytes of the body, its first ones, are the manifest";
    let summary = "Puts a module into the folder and tells what became of it";
    let deploy = putting("deployModule", summary)
        .body_of(true, file("application/wasm"))
        .takes(in_query("manifest_bytes", first, count()))
        .refuses(400, "no name of a module, or a body that broke off or is too short");
    let summary = "Puts the manifest of a module into the folder and tells what became of it";
    let deploy_manifest = putting("deployManifest", summary)
        // One that is empty says nothing, which is allowed.
        .body_of(false, file("application/toml"))
        .refuses(400, "no name of a module, or a body that broke off");
    let taken = json!({
        "module": text(),
        "service": text(),
        "version": text(),
        "taken_over": text(),
    });
    let remove =
        Operation::new("removeModule", "Takes a module out of the folder, with its manifest")
            .takes(in_path("name", NAME, module_name()))
            .answers("what was taken out, and what was live of it", object(&["module"], taken))
            .refuses(400, "no name of a module")
            .refuses(404, "there is no such module")
            .refuses(409, "the folder cannot be written, or has something else than a file there")
            .refuses(500, "the folder could not be changed")
            .refuses(503, "the host stops")
            .refuses(507, "the disk is full");
    vec![
        ("/admin/v1/modules/{name}", path([("put", deploy), ("delete", remove)])),
        ("/admin/v1/modules/{name}/manifest", path([("put", deploy_manifest)])),
    ]
}

const NAME: &str = "the name of the module, which is that of its file, with .wasm or without";

/// A name that is no hidden file's. One is kept from modules: the settings of a
/// host are called so.
fn module_name() -> Value {
    json!({
        "type": "string",
        "maxLength": Name::BYTES_MAX,
        "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]*$",
        "not": { "enum": ["picolet", "picolet.wasm"] },
    })
}

/// The content of a file of this type.
fn file(media_type: &str) -> Value {
    json!({ (media_type): { "schema": { "type": "string", "format": "binary" } } })
}

/// An upload.
fn putting(id: &str, summary: &str) -> Operation {
    Operation::new(id, summary)
        .takes(in_path("name", NAME, module_name()))
        .takes(in_query(
            "wait",
            "whether the answer waits for the verdict, as it does unless told",
            word(&["true", "false"]),
        ))
        .answers("it is live, or what was there", verdict(&["serving", "swapped", "unchanged"]))
        .status(
            202,
            "it is in its place, and nothing was waited for",
            as_json(verdict(&["loading", "stored"])),
        )
        .refuses(408, "a body that did not go on")
        .refuses(409, "the folder cannot be written, or the file was changed meanwhile")
        .status(422, "it is not served, and what was live is", as_json(refused()))
        .refuses(500, "the folder could not be changed")
        .refuses(503, "too many uploads, or the host stops")
        .refuses(507, "too many modules, or the disk is full")
}

/// A [`Verdict`], one of these.
fn verdict(judged: &[&str]) -> Value {
    object(
        &["module", "verdict"],
        json!({
            "module": text(),
            "digest": text(),
            "verdict": word(judged),
            "service": text(),
            "version": text(),
            "root": text(),
            "ms": count(),
            "reason": text(),
        }),
    )
}

/// The same of what is refused, which is a fault as well.
fn refused() -> Value {
    json!({ "allOf": [verdict(&["refused"]), named("Refusal")] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_to_come_in_at_some_pace() {
        let mut pace = Pace { per_second_min: 500, ..Pace::default() };
        let second = Duration::from_secs(1);
        assert!(pace.keeps(1, 5 * second));
        assert!(!pace.keeps(1, second));
        assert!(pace.keeps(10_000, second));
        assert!(!pace.keeps(1, 14 * second));
    }
}
