//! `picolet deploy`, `remove` and `restart`: what is served, changed from afar.

use super::args::{DeployArgs, RemoteArgs, RemoveArgs, ServiceArgs};
use super::link::{address, send};
use super::remote::{array, ask, block_on, collect, get, not_a_host, refusal, shown, text, which};
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
        let live = served(&args.remote, &text(&verdict, "/module"));
        return Err(Failure::Failed(refused(&verdict, live.as_deref())));
    }
    if let Some(held_back) = held_back(&verdict) {
        return Err(Failure::Failed(held_back));
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
    let (judged, digest) = (get("verdict"), digest(verdict));
    match judged.as_str() {
        "serving" | "swapped" => format!(
            "{judged} {} {} ({digest}) at {} in {} ms",
            get("service"),
            get("version"),
            get("root"),
            get("ms")
        ),
        "unchanged" => format!("unchanged {} {} ({digest})", get("service"), get("version")),
        _ => format!("{judged} {} ({digest}); see `picolet services`", get("module")),
    }
}

/// As much of it as tells it from others.
fn digest(verdict: &Value) -> String {
    let digest = text(verdict, "/digest");
    format!("{}…", digest.get(..15).unwrap_or(&digest))
}

/// What to say where the host holds on to another revision than what was sent,
/// as after a rollback: only then has a file that is not refused a reason.
fn held_back(verdict: &Value) -> Option<String> {
    let get = |name: &str| shown(verdict, &format!("/{name}"));
    let reason = Some(get("reason")).filter(|reason| !reason.is_empty())?;
    let (module, service, version) = (get("module"), get("service"), get("version"));
    Some(format!(
        "{module} ({}) is not served: {reason}; {service} {version} is served instead, until there \
         is other content. To have it served, change the module or its manifest, where a comment \
         is enough, and deploy it again",
        digest(verdict)
    ))
}

/// What is live of a module. A host that does not say is no second reason to fail.
fn served(remote: &RemoteArgs, module: &str) -> Option<String> {
    let listing = get(remote, "/admin/v1/services").ok()?;
    let file = format!("{module}.wasm");
    let mut live = array(&listing, "/services").iter();
    let live = live.find(|service| text(service, "/module") == file)?;
    Some(format!("{} {}", text(live, "/name"), text(live, "/version")))
}

/// What to say of a refusal: the reason, what is served of the module, and where
/// the file is.
fn refused(verdict: &Value, live: Option<&str>) -> String {
    let (module, reason) = (text(verdict, "/module"), shown(verdict, "/reason"));
    // What the host sees to be wrong before it is in its place has no digest.
    let is_in_place = !text(verdict, "/digest").is_empty();
    let then = match (is_in_place, live) {
        (true, Some(live)) => format!(
            "{live} is served on, as before. The new file stays in the folder of the host: mend \
             it and deploy it again; `picolet remove {module}` takes out both"
        ),
        (true, None) => format!(
            "nothing of it is served. The file stays in the folder of the host: mend it and \
             deploy it again, or take it out with `picolet remove {module}`"
        ),
        (false, Some(live)) => format!("it is not put into the folder, and {live} is served on"),
        (false, None) => "it is not put into the folder, and nothing of it is served".to_owned(),
    };
    format!("refused {module}: {reason}; {then}")
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
        verdict["verdict"] = "loading".into();
        assert_eq!(line(&verdict), "loading calc (sha256:3fffec75…); see `picolet services`");
    }
    #[test]
    fn what_is_held_back_is_no_success() {
        let mut verdict = json!({
            "module": "calc", "digest": "sha256:3fffec75aa", "verdict": "unchanged",
            "service": "adder", "version": "1.0.1", "root": "/api", "ms": 38,
        });
        assert_eq!(held_back(&verdict), None);
        verdict["reason"] = "rolled back from 2.0.0 (sha256:3fffec75…)".into();
        let told = held_back(&verdict).unwrap();
        let begins = "calc (sha256:3fffec75…) is not served: rolled back from 2.0.0 \
                      (sha256:3fffec75…); adder 1.0.1 is served instead";
        assert!(told.starts_with(begins), "{told}");
    }

    #[test]
    fn a_refusal_says_what_is_served_and_where_the_file_is() {
        let early = json!({ "module": "calc", "verdict": "refused", "reason": "no" });
        let mut late = early.clone();
        late["digest"] = "sha256:3fffec75aa".into();
        for (verdict, live, words) in [
            (&early, None, ["not put into the folder", "nothing of it is served"]),
            (&early, Some("adder 1.0.0"), ["not put into the folder", "adder 1.0.0 is served on"]),
            (&late, None, ["nothing of it is served", "take it out with `picolet remove calc`"]),
            (&late, Some("adder 1.0.0"), ["adder 1.0.0 is served on", "takes out both"]),
        ] {
            let told = refused(verdict, live);
            assert!(told.starts_with("refused calc: no; "), "{told}");
            assert!(words.iter().all(|word| told.contains(word)), "{told}");
        }
    }
}
