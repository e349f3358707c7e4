//! House rules that the compiler does not know.

mod documents;

use crate::shell::{Step, root};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules of the host, lowest layer first. A module may use its own layer and
/// those before it; `Peers::Strangers` keeps the modules of a layer apart.
const LAYERS: &[(&[&str], Peers)] = &[
    (&["name", "digest", "limits", "figures", "number"], Peers::Free),
    (
        &[
            "fault",
            "grant",
            "keys",
            "path",
            "route",
            "manifest",
            "record",
            "declaration",
            "call",
            "block",
            "schedule",
            "exposed",
            "openapi",
            "order",
            "payload",
            "secret",
            "origin",
            "reach",
            "settings",
            "travel",
            "window",
            "bucket",
            "budget",
            "breaker",
            "balance",
            "selector",
            "subject",
            "subscriptions",
            "fleet",
            "traffic",
            "upgrade",
            "withdraw",
            "addresses",
            "rate",
            "cookie",
            "throttle",
            "tls",
            "gateway",
        ],
        Peers::Free,
    ),
    (
        &[
            "publish",
            "crew",
            "gate",
            "lane",
            "background",
            "cores",
            "telemetry",
            "traces",
            "outbound",
            "abroad",
            "sealed",
            "sockets",
            "bus",
            "buckets",
            "edges",
        ],
        Peers::Strangers,
    ),
    (&["engine", "capability"], Peers::Free),
    (&["pool", "client", "registry", "otlp"], Peers::Free),
    (&["live"], Peers::Free),
    (&["hearing", "timing", "browsers"], Peers::Strangers),
    (&["loader", "http"], Peers::Strangers),
    (&["admin"], Peers::Free),
    (&["app", "cli"], Peers::Free),
];

#[derive(Clone, Copy, PartialEq)]
enum Peers {
    /// Modules of the layer may use each other.
    Free,
    /// They meet only through a layer below.
    Strangers,
}

const LINE_CHARS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 400;
const TREE_FILE_BYTES_MAX: u64 = 256 << 10;

/// Checks every rule and shows every finding.
pub(crate) fn tidy() -> Step {
    let mut findings = Findings::default();
    for path in sources(&root().join("host/src")) {
        check_host_file(&path, &mut findings);
    }
    for folder in ["host", "guest-sdk", "xtask", "benches", "tests", "examples"] {
        for path in sources(&root().join(folder)) {
            check_any_file(&path, &mut findings);
        }
    }
    documents::check(&mut findings);
    check_guests_are_used(&mut findings);
    check_wit_is_documented(&mut findings);
    check_dependencies_are_explained(&mut findings);
    check_sizes(&root(), &mut findings);
    if findings.0.is_empty() {
        return Ok(());
    }
    Err(format!("house rules are broken:\n{}", findings.0.join("\n")))
}

#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, file: &Path, line: usize, what: &str) {
        let root = root();
        let file = file.strip_prefix(&root).unwrap_or(file).display();
        self.0.push(format!("{file}:{line}: {what}"));
    }
}

/// Rust files below a folder, without what is built.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = files(folder);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(listing) = fs::read_dir(folder) else { return found };
    for entry in listing.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let is_made = ["target", "node_modules", ".git", "services"].iter().any(|n| name == *n);
        if path.is_dir() && !is_made {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The module of the host that a file belongs to.
fn module_of(path: &Path) -> String {
    let below = path.strip_prefix(root().join("host/src")).unwrap_or(path);
    let first = below.components().next().map(|part| part.as_os_str().to_string_lossy());
    first.unwrap_or_default().trim_end_matches(".rs").to_owned()
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|(modules, _)| modules.contains(&module))
}

fn check_host_file(path: &Path, findings: &mut Findings) {
    let module = module_of(path);
    if ["lib", "main"].contains(&module.as_str()) {
        return;
    }
    if layer_of(&module).is_none() {
        findings.add(path, 1, &format!("module {module} has no layer"));
        return;
    }
    for (index, line) in production(&read(path)).enumerate() {
        for used in line.split("crate::").skip(1) {
            let used: String =
                used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !may_use(&module, &used) {
                findings.add(path, index + 1, &format!("{module} may not use {used}"));
            }
        }
    }
}

fn may_use(module: &str, used: &str) -> bool {
    let (Some(own), Some(its)) = (layer_of(module), layer_of(used)) else { return true };
    if own != its {
        return its < own;
    }
    let peers = LAYERS.get(own).map(|(_, peers)| *peers);
    module == used || peers == Some(Peers::Free)
}

/// The lines before the tests.
fn production(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]")
}

fn check_any_file(path: &Path, findings: &mut Findings) {
    let text = read(path);
    let is_data = path.components().any(|part| part.as_os_str() == "ui");
    if !text.starts_with("//!") && !is_data {
        findings.add(path, 1, "file does not open with //! and what it is");
    }
    let lines = production(&text).count();
    if FILE_LINES_MAX < lines {
        findings.add(
            path,
            lines,
            &format!("{lines} lines before the tests, at most {FILE_LINES_MAX}"),
        );
    }
    let is_rules = path.ends_with("xtask/src/tidy.rs");
    for (index, line) in text.lines().enumerate() {
        // A text is not broken for the sake of a column.
        let has_text = line.contains('"') || line.contains("[`");
        if LINE_CHARS_MAX < line.chars().count() && !is_data && !has_text {
            findings.add(path, index + 1, &format!("line is over {LINE_CHARS_MAX} characters"));
        }
        if !is_rules && ["FIXME", "XXX", "#[ignore"].iter().any(|word| line.contains(word)) {
            findings.add(path, index + 1, "left behind, or a test that is not run");
        }
    }
}

fn check_guests_are_used(findings: &mut Findings) {
    let tests: String = sources(&root().join("tests/it")).iter().map(|path| read(path)).collect();
    for folder in ["examples", "tests/guests"] {
        let Ok(listing) = fs::read_dir(root().join(folder)) else { continue };
        for entry in listing.flatten().filter(|entry| entry.path().is_dir()) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_guest =
                ["Cargo.toml", "package.json"].iter().any(|m| entry.path().join(m).exists());
            if is_guest && !tests.contains(&format!("\"{name}")) {
                findings.add(&entry.path(), 1, "no test runs this guest");
            }
        }
    }
    for path in files(&root().join("tests/guests")) {
        let is_text = path.extension().is_some_and(|extension| extension == "wat");
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if is_text && !tests.contains(&format!("\"{name}\"")) {
            findings.add(&path, 1, "no test runs this guest");
        }
    }
}

fn check_wit_is_documented(findings: &mut Findings) {
    for path in files(&root().join("wit")) {
        let text = read(&path);
        let mut before = "";
        for (index, line) in text.lines().map(str::trim).enumerate() {
            let is_item = ["interface ", "record ", "variant ", "world ", "type "]
                .iter()
                .any(|word| line.starts_with(word))
                || line.contains(": func(")
                || line.contains(": async func(");
            if is_item && !before.starts_with("///") {
                findings.add(&path, index + 1, "item has no documentation");
            }
            before = line;
        }
    }
}

fn check_dependencies_are_explained(findings: &mut Findings) {
    let documents = read(&root().join("docs/ARCHITECTURE.md"));
    let path = root().join("Cargo.toml");
    let text = read(&path);
    let table = text.split("[workspace.dependencies]").nth(1).unwrap_or_default();
    for line in table.lines().skip(1).take_while(|line| !line.starts_with('[')) {
        let Some((name, _)) = line.split_once(" = ") else { continue };
        if !name.starts_with("picolet") && !documents.contains(&format!("`{name}`")) {
            let what = format!("dependency `{name}` has no reason in docs/ARCHITECTURE.md");
            findings.add(&path, 1, &what);
        }
    }
}

fn check_sizes(folder: &Path, findings: &mut Findings) {
    for path in files(folder) {
        let len = fs::metadata(&path).map(|metadata| metadata.len()).unwrap_or_default();
        let is_made = path.extension().is_some_and(|extension| extension == "wasm");
        if TREE_FILE_BYTES_MAX < len && !is_made {
            findings.add(&path, 1, &format!("{len} bytes, at most {TREE_FILE_BYTES_MAX}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_go_down_only() {
        assert!(may_use("app", "name"));
        assert!(may_use("http", "live"));
        assert!(may_use("pool", "engine"));
        assert!(!may_use("fault", "app"));
        assert!(!may_use("loader", "http"));
        assert!(!may_use("engine", "pool"));
    }
}
