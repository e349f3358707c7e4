//! Scripts of `tests/browser`, which node runs: a stock client, and pages in a
//! real browser.

use super::{Log, PATIENCE, command, within};
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin};

/// The name of the variable with the folder that holds `node_modules`.
const FOLDER: &str = "PICOLET_TEST_NODE";

#[track_caller]
fn folder() -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/browser");
    let folder = std::env::var_os(FOLDER).map_or_else(beside, PathBuf::from);
    let is_there = folder.join("node_modules/socket.io-client").is_dir();
    assert!(is_there, "{} is not set up: run `cargo xtask test`", folder.display());
    folder
}

/// The client of socket.io as one file for pages.
#[track_caller]
pub(crate) fn client_script() -> Vec<u8> {
    let path = folder().join("node_modules/socket.io-client/dist/socket.io.min.js");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where scripts leave what they have seen.
pub(crate) fn screenshots() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A running script. It is killed when it is dropped, and its browser with it,
/// which ends when its pipe does.
pub(crate) struct Script {
    name: String,
    child: Child,
    stdin: ChildStdin,
    said: Log,
    complained: Log,
}

impl Script {
    /// Starts one with these arguments.
    #[track_caller]
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/browser");
        let mut node = command("node");
        node.arg(scripts.join(name)).args(arguments).env(FOLDER, folder());
        node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = node.spawn().expect("node is there");
        let stdin = child.stdin.take().expect("stdin is piped");
        let said = Log::follow(child.stdout.take().expect("stdout is piped"));
        let complained = Log::follow(child.stderr.take().expect("stderr is piped"));
        Self { name: name.to_owned(), child, stdin, said, complained }
    }

    /// Waits until it has said this line.
    pub(crate) async fn says(&self, line: &str) {
        self.said.wait_within(2 * PATIENCE, 0, |said| said == line).await;
    }

    /// Lets it go on.
    pub(crate) async fn tell(&mut self, line: &str) {
        let line = format!("{line}\n");
        within("the script to listen", self.stdin.write_all(line.as_bytes())).await.unwrap();
    }

    /// Waits for its end, which must be a good one.
    pub(crate) async fn ended(mut self) {
        let ending = tokio::time::timeout(3 * PATIENCE, self.child.wait()).await;
        let status = ending.unwrap_or_else(|_| panic!("{} does not end", self.name)).unwrap();
        assert!(status.success(), "{} ended with {status}", self.name);
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = [self.said.lines(), self.complained.lines()].concat();
            eprintln!("what {} wrote:\n{}", self.name, lines.join("\n"));
        }
    }
}
