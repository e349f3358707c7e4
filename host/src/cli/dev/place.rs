//! Where modules are put, and what is said of them there.

use super::super::Failure;
use super::super::args::RemoteArgs;
use super::super::deploy::Sending;
use super::super::project::Module;
use super::super::remote::{shown, text};
use crate::digest::Digest;
use bytes::Bytes;
use indicatif::ProgressBar;
use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Where a host finds modules.
pub(super) enum Place<'a> {
    /// In a folder that it watches; it says what it did.
    Folder { folder: &'a Path, said: Said },
    /// Elsewhere, over its admin side. The service that was deployed is told.
    Host { host: &'a RemoteArgs, deployed: watch::Sender<Option<String>> },
}

/// What became of a module.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Serving,
    /// It is there already, as it is.
    Unchanged,
    Refused(String),
    /// The host has said nothing for long.
    Unknown,
}

/// Lines of a host that are kept, and that may wait to be read.
pub(super) const LINES_MAX: usize = 256;
/// How long a verdict is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

impl Place<'_> {
    /// Puts a module there with its manifest. An error says why it is not there.
    pub(super) async fn put(&mut self, module: &Module) -> Result<Verdict, String> {
        let wasm = read(&module.file).await?;
        let manifest = match module.manifest() {
            Some(path) => Some(read(&path).await?),
            None => None,
        };
        match self {
            Self::Folder { folder, said } => {
                let files = Files::of(folder, &module.name);
                let file = format!("{}.wasm", module.name);
                let digest = Digest::of(&[&wasm, manifest.as_deref().unwrap_or_default()]);
                if files.hold(&wasm, manifest.as_deref()).await {
                    // It is not put there again, so the host says nothing anew.
                    return Ok(match said.last(&file, &digest) {
                        Some(refused @ Verdict::Refused(_)) => refused,
                        _ => Verdict::Unchanged,
                    });
                }
                said.forget(&file, &digest);
                files.replace(&wasm, manifest.as_deref()).await?;
                Ok(said.next(&file, &digest).await)
            }
            Self::Host { host, deployed } => {
                let sending = Sending {
                    name: module.name.clone(),
                    wasm: wasm.into(),
                    manifest: manifest.map(Bytes::from),
                    waits: true,
                };
                let answer = match sending.send(host, &ProgressBar::hidden()).await {
                    Ok((_, answer)) => answer,
                    Err(Failure::Failed(reason)) => return Err(reason),
                    Err(Failure::Usage(complaints)) => return Err(complaints.join("; ")),
                };
                let service = Some(text(&answer, "/service")).filter(|name| !name.is_empty());
                deployed.send_if_modified(|known| {
                    let is_new = service.is_some() && *known != service;
                    if is_new {
                        *known = service;
                    }
                    is_new
                });
                Ok(judge_answer(&answer))
            }
        }
    }
}

/// A module in a watched folder.
struct Files {
    wasm: PathBuf,
    manifest: PathBuf,
}

impl Files {
    fn of(folder: &Path, name: &str) -> Self {
        let file = |kind: &str| folder.join(format!("{name}.{kind}"));
        Self { wasm: file("wasm"), manifest: file("toml") }
    }

    /// Whether this is what is there.
    async fn hold(&self, wasm: &[u8], manifest: Option<&[u8]>) -> bool {
        let there = |path: &Path| {
            let path = path.to_owned();
            async move { tokio::fs::read(path).await.ok() }
        };
        there(&self.manifest).await.as_deref() == manifest
            && there(&self.wasm).await.as_deref() == Some(wasm)
    }

    /// The manifest is there before the module is.
    async fn replace(&self, wasm: &[u8], manifest: Option<&[u8]>) -> Result<(), String> {
        match manifest {
            Some(text) => put(&self.manifest, text).await?,
            None => match tokio::fs::remove_file(&self.manifest).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(format!("{}: {error}", self.manifest.display()));
                }
                _ => (),
            },
        }
        put(&self.wasm, wasm).await
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, String> {
    tokio::fs::read(path).await.map_err(|error| format!("{}: {error}", path.display()))
}

/// Nobody ever sees half a file.
async fn put(path: &Path, content: &[u8]) -> Result<(), String> {
    let part = path.with_added_extension("part");
    let done = match tokio::fs::write(&part, content).await {
        Ok(()) => tokio::fs::rename(&part, path).await,
        Err(error) => Err(error),
    };
    done.map_err(|error| format!("{}: {error}", path.display()))
}

/// What the host of a folder says, line by line.
pub(super) struct Said {
    lines: mpsc::Receiver<String>,
    /// What it said before; the oldest go when they are too many.
    kept: VecDeque<String>,
}

impl Said {
    pub(super) fn by(lines: mpsc::Receiver<String>) -> Self {
        Self { lines, kept: VecDeque::new() }
    }

    /// What it said last of a content that is there.
    fn last(&mut self, file: &str, digest: &Digest) -> Option<Verdict> {
        self.catch_up();
        self.kept.iter().rev().find_map(|line| judge(line, file, digest))
    }

    /// Forgets what it said of a file that is about to have this content.
    fn forget(&mut self, file: &str, digest: &Digest) {
        self.catch_up();
        self.kept.retain(|line| judge(line, file, digest).is_none());
    }

    /// Waits for what it says of a content.
    async fn next(&mut self, file: &str, digest: &Digest) -> Verdict {
        let judging = async {
            while let Some(line) = self.lines.recv().await {
                let verdict = judge(&line, file, digest);
                self.keep(line);
                if let Some(verdict) = verdict {
                    return verdict;
                }
            }
            Verdict::Unknown
        };
        timeout(PATIENCE, judging).await.unwrap_or(Verdict::Unknown)
    }

    /// Takes in what it said while nobody waited for it.
    fn catch_up(&mut self) {
        while let Ok(line) = self.lines.try_recv() {
            self.keep(line);
        }
    }

    fn keep(&mut self, line: String) {
        if LINES_MAX <= self.kept.len() {
            self.kept.pop_front();
        }
        self.kept.push_back(line);
    }
}

fn judge(line: &str, file: &str, digest: &Digest) -> Option<Verdict> {
    if let Some(reason) = line.strip_prefix("refused ") {
        let reason = reason.strip_prefix(file)?.strip_prefix(": ")?;
        return Some(Verdict::Refused(reason.to_owned()));
    }
    // The last one may be said where what is live comes back after a refusal.
    let verbs = ["serving ", "swapped ", "optimized "];
    let is_live = verbs.iter().any(|verb| line.starts_with(verb));
    (is_live && line.contains(&format!("({digest})"))).then_some(Verdict::Serving)
}

/// What a host elsewhere says of a content.
fn judge_answer(answer: &Value) -> Verdict {
    let reason = shown(answer, "/reason");
    match text(answer, "/verdict").as_str() {
        "serving" | "swapped" => Verdict::Serving,
        "unchanged" if reason.is_empty() => Verdict::Unchanged,
        // The host holds on to something else, as after a rollback.
        "unchanged" | "refused" => Verdict::Refused(reason),
        _ => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_that_of_the_content() {
        let (digest, other) = (Digest::of(&[b"a"]), Digest::of(&[b"b"]));
        let judged = |line: &str| judge(line, "first.wasm", &digest);
        let swapped = format!("swapped first 0.1.0 ({digest}) at /first in 31 ms");
        assert_eq!(judged(&swapped), Some(Verdict::Serving));
        let before = format!("swapped first 0.1.0 ({other}) at /first in 31 ms");
        assert_eq!(judged(&before), None);
        let refused = "refused first.wasm: it is no module";
        assert_eq!(judged(refused), Some(Verdict::Refused("it is no module".to_owned())));
        assert_eq!(judged("refused other.wasm: it is no module"), None);
        assert_eq!(judged("ready"), None);
        let back = format!("optimized first 0.1.0 ({digest}) at /first in 3 ms");
        assert_eq!(judged(&back), Some(Verdict::Serving));
    }

    #[tokio::test]
    async fn what_is_refused_stays_so_until_there_is_something_else() {
        let (say, lines) = mpsc::channel(8);
        let mut said = Said::by(lines);
        let (digest, other) = (Digest::of(&[b"a"]), Digest::of(&[b"b"]));
        let refused = Some(Verdict::Refused("no".to_owned()));
        assert_eq!(said.last("a.wasm", &digest), None);
        say.send("refused a.wasm: no".to_owned()).await.unwrap();
        say.send(format!("serving b 0.1.0 ({other}) at /b in 3 ms")).await.unwrap();
        assert_eq!(said.next("b.wasm", &other).await, Verdict::Serving);
        // What is said of others, and to others, changes nothing.
        said.forget("b.wasm", &other);
        assert_eq!(said.last("a.wasm", &digest), refused);
        assert_eq!(said.last("b.wasm", &other), None);
        // What it was in the way of is gone.
        say.send(format!("serving a 0.1.0 ({digest}) at /a in 3 ms")).await.unwrap();
        assert_eq!(said.last("a.wasm", &digest), Some(Verdict::Serving));
        said.forget("a.wasm", &digest);
        assert_eq!(said.last("a.wasm", &digest), None);
        drop(say);
        assert_eq!(said.next("a.wasm", &digest).await, Verdict::Unknown);
    }

    #[test]
    fn of_what_was_said_the_newest_is_kept() {
        let mut said = Said::by(mpsc::channel(1).1);
        (0..=LINES_MAX).for_each(|number| said.keep(number.to_string()));
        let ends = [said.kept.front(), said.kept.back()].map(Option::unwrap);
        assert_eq!((said.kept.len(), ends), (LINES_MAX, [&1.to_string(), &LINES_MAX.to_string()]));
    }

    #[test]
    fn what_is_there_already_is_served_only_without_a_reason() {
        let judged = |verdict: &str, reason: Option<&str>| {
            judge_answer(&serde_json::json!({ "verdict": verdict, "reason": reason }))
        };
        assert_eq!(judged("serving", None), Verdict::Serving);
        assert_eq!(judged("swapped", None), Verdict::Serving);
        assert_eq!(judged("unchanged", None), Verdict::Unchanged);
        let refused = Verdict::Refused("rolled back".to_owned());
        assert_eq!(judged("unchanged", Some("rolled back")), refused);
        assert_eq!(judged("refused", Some("rolled back")), refused);
        assert_eq!(judged("loading", None), Verdict::Unknown);
    }

    #[tokio::test]
    async fn files_are_replaced_whole_and_only_when_they_differ() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::of(folder.path(), "first");
        assert!(!files.hold(b"1", None).await);
        files.replace(b"1", Some(b"root = \"/a\"")).await.unwrap();
        assert!(files.hold(b"1", Some(b"root = \"/a\"")).await);
        assert!(!files.hold(b"1", None).await && !files.hold(b"2", Some(b"root = \"/a\"")).await);
        files.replace(b"2", None).await.unwrap();
        assert!(files.hold(b"2", None).await);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
