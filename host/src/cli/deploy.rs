//! `picolet deploy`, `remove` and `restart`: what is served, changed from afar.

use super::args::{DeployArgs, RemoteArgs, RemoveArgs, ServiceArgs};
use super::link::{address, send};
use super::remote::{ask, block_on, collect, get, not_a_host, refusal, text, which};
use super::{Failure, print};
use crate::outbound::{self, OutBody};
use crate::path::encode;
use bytes::Bytes;
use futures::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A module as it is sent: the manifest first, if there is one, in one request,
/// so that a host never has one of them without the other.
pub(super) struct Sending {
    pub(super) name: String,
    pub(super) wasm: Bytes,
    pub(super) manifest: Option<Bytes>,
    /// Whether the answer is the verdict.
    pub(super) waits: bool,
}

/// Bytes that the bar is moved by.
const CHUNK_BYTES: usize = 64 << 10;

pub(super) fn deploy(args: &DeployArgs) -> Result<(), Failure> {
    let sending = Sending::read(args)?;
    // Before megabytes are sent: is it a host, and does it take the token?
    get(&args.remote, "/admin/v1/health")?;
    let bar = bar(sending.bytes());
    let done = block_on(sending.send(&args.remote, &bar));
    bar.finish_and_clear();
    let (status, verdict) = done?;
    if args.remote.json {
        print(&verdict.to_string());
    }
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        return Err(refused(args, &verdict));
    }
    if !args.remote.json {
        print(&line(&verdict));
    }
    Ok(())
}

impl Sending {
    fn read(args: &DeployArgs) -> Result<Self, Failure> {
        let read = |path: &Path| {
            let unreadable =
                |error| Failure::Failed(format!("{} cannot be read: {error}", path.display()));
            std::fs::read(path).map(Bytes::from).map_err(unreadable)
        };
        let stem = || args.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = args.name.clone().or_else(stem).unwrap_or_default();
        let manifest = match &args.manifest {
            Some(manifest) => Some(read(manifest)?),
            None => beside(&args.file).map(|manifest| read(&manifest)).transpose()?,
        };
        Ok(Self { name, wasm: read(&args.file)?, manifest, waits: !args.no_wait })
    }

    fn bytes(&self) -> u64 {
        (self.wasm.len() + self.manifest.as_ref().map_or(0, Bytes::len)) as u64
    }

    /// Sends it, and tells what the host makes of it.
    pub(super) async fn send(
        self,
        remote: &RemoteArgs,
        bar: &ProgressBar,
    ) -> Result<(StatusCode, Value), Failure> {
        let mut path = format!("/admin/v1/modules/{}?wait={}", encode(&self.name), self.waits);
        if let Some(manifest) = &self.manifest {
            path.push_str(&format!("&manifest_bytes={}", manifest.len()));
        }
        let request = Request::put(address(remote, &path)?)
            .header(CONTENT_TYPE, "application/wasm")
            .header(CONTENT_LENGTH, self.bytes())
            .body(self.body(bar.clone()));
        let response = send(remote, request).await?;
        let status = response.status();
        if !status.is_success() && status != StatusCode::UNPROCESSABLE_ENTITY {
            return Err(refusal(response).await);
        }
        let body = collect(response).await?;
        let verdict = serde_json::from_slice(&body).map_err(|_| not_a_host(remote))?;
        Ok((status, verdict))
    }

    fn body(self, bar: ProgressBar) -> OutBody {
        let pieces = |mut whole: Bytes| {
            let mut pieces = Vec::new();
            while !whole.is_empty() {
                pieces.push(whole.split_to(CHUNK_BYTES.min(whole.len())));
            }
            pieces
        };
        let parts = self.manifest.into_iter().chain([self.wasm]);
        let chunks = futures::stream::iter(parts.flat_map(pieces).map(move |chunk| {
            bar.inc(chunk.len() as u64);
            if bar.length() == Some(bar.position()) {
                bar.set_message("sent, is being loaded");
            }
            Ok(chunk)
        }));
        outbound::streamed(chunks.boxed())
    }
}

/// The manifest beside a module.
fn beside(file: &Path) -> Option<PathBuf> {
    let manifest = file.with_extension("toml");
    manifest.is_file().then_some(manifest)
}

/// A bar on a terminal, and nothing anywhere else.
fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// A verdict for people.
fn line(verdict: &Value) -> String {
    let get = |name: &str| text(verdict, &format!("/{name}"));
    let digest = get("digest");
    let short = digest.get(..15).unwrap_or(&digest);
    let judged = get("verdict");
    match judged.as_str() {
        "serving" | "swapped" => {
            let line = format!(
                "{judged} {} {} ({short}…) at {} in {} ms",
                get("service"),
                get("version"),
                get("root"),
                get("ms")
            );
            with_reason(line, &get("reason"))
        }
        "unchanged" => {
            let line = format!("unchanged {} {} ({short}…)", get("service"), get("version"));
            with_reason(line, &get("reason"))
        }
        _ => format!("{judged} {} ({short}…); see `picolet services`", get("module")),
    }
}

fn with_reason(line: String, reason: &str) -> String {
    if reason.is_empty() { line } else { format!("{line}; {reason}") }
}

fn refused(args: &DeployArgs, verdict: &Value) -> Failure {
    let (module, reason) = (text(verdict, "/module"), text(verdict, "/reason"));
    let file = args.file.display();
    Failure::Failed(format!(
        "refused {module}: {reason}; what was served is served on. \
         Look at it with `picolet inspect {file}`, and deploy it again"
    ))
}

pub(super) fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let path = format!("/admin/v1/modules/{}", encode(&args.name));
    let done = ask(&args.remote, Method::DELETE, &path)?;
    if args.remote.json {
        print(&done.to_string());
        return Ok(());
    }
    let (module, service) = (text(&done, "/module"), text(&done, "/service"));
    let (version, other) = (text(&done, "/version"), text(&done, "/taken_over"));
    let was = match (service.is_empty(), other.is_empty()) {
        (true, _) => "nothing of it was served".to_owned(),
        (false, true) => format!("{service} {version} is served no more"),
        (false, false) => format!("{service} {version} is served by {other}.wasm from now on"),
    };
    print(&format!("removed {module}; {was}"));
    Ok(())
}

pub(super) fn restart(args: &ServiceArgs) -> Result<(), Failure> {
    let (name, version) = (encode(&args.name), which(args.version.as_deref()));
    let path = format!("/admin/v1/services/{name}/restart{version}");
    let done = ask(&args.remote, Method::POST, &path)?;
    if args.remote.json {
        print(&done.to_string());
        return Ok(());
    }
    let get = |name: &str| text(&done, &format!("/{name}"));
    print(&format!("restarted {} {} in {} ms", get("service"), get("version"), get("ms")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_verdict_is_one_line() {
        let mut verdict = json!({
            "module": "calc", "digest": "sha256:3fffec75aa", "verdict": "swapped",
            "service": "calc", "version": "1.0.1", "root": "/api", "ms": 38,
        });
        let swapped = "swapped calc 1.0.1 (sha256:3fffec75…) at /api in 38 ms";
        assert_eq!(line(&verdict), swapped);
        verdict["reason"] = "rolled back".into();
        assert_eq!(line(&verdict), format!("{swapped}; rolled back"));
        verdict["verdict"] = "loading".into();
        assert_eq!(line(&verdict), "loading calc (sha256:3fffec75…); see `picolet services`");
    }
}
