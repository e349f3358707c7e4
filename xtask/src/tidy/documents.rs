//! House rules of the documents: what they name exists, and what exists is named.
//! Commands, settings and keys of manifests are compared by the host's own tests
//! (`host/src/cli/documented.rs`), which know them.

use super::{Findings, files, production, read, sources};
use crate::COMMANDS;
use crate::shell::root;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const OPERATING: &str = "docs/OPERATING.md";

pub(super) fn check(findings: &mut Findings) {
    let documents = documents();
    check_metrics(&documents, findings);
    check_commands(&documents, findings);
    check_benches(findings);
    for document in &documents {
        check_links(document, findings);
    }
}

/// Every Markdown file of the tree.
fn documents() -> Vec<PathBuf> {
    let mut documents = files(&root());
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents
}

fn check_metrics(documents: &[PathBuf], findings: &mut Findings) {
    let operating = read(&root().join(OPERATING));
    let mut known = BTreeSet::new();
    for path in sources(&root().join("host/src")) {
        for (index, line) in production(&read(&path)).enumerate() {
            // Texts alternate with what is between them.
            for metric in line.split('"').skip(1).step_by(2).filter_map(whole_metric) {
                if !operating.contains(&format!("`{metric}`")) {
                    findings.add(&path, index + 1, &format!("`{metric}` is not in {OPERATING}"));
                }
                known.insert(metric.to_owned());
            }
        }
    }
    let is_known = |name: &str| {
        let parts = ["_bucket", "_sum", "_count"];
        let of_whole = parts.iter().find_map(|part| name.strip_suffix(part));
        known.contains(name) || of_whole.is_some_and(|name| known.contains(name))
    };
    let mut deployed = files(&root().join("deploy"));
    deployed.push(root().join("docs/grafana.json"));
    // What has changed names what is gone.
    let present = documents.iter().filter(|path| !path.ends_with("CHANGELOG.md"));
    for path in present.chain(&deployed) {
        for (index, line) in read(path).lines().enumerate() {
            for name in metrics_in(line).filter(|name| !is_known(name)) {
                findings.add(path, index + 1, &format!("there is no metric {name}"));
            }
        }
    }
}

const PREFIX: &str = "picolet_";

fn is_of_metric(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

/// A text that is the name of a metric and nothing else.
fn whole_metric(text: &str) -> Option<&str> {
    let is_whole = text.starts_with(PREFIX) && text.chars().all(is_of_metric);
    is_whole.then_some(text)
}

/// Names in a line that look like those of metrics.
fn metrics_in(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| !is_of_metric(c)).filter(|word| word.starts_with(PREFIX));
    // Crates, and beginnings of names.
    words.filter(|word| !word.starts_with("picolet_sdk") && !word.ends_with('_'))
}

fn check_commands(documents: &[PathBuf], findings: &mut Findings) {
    const WORDS: &str = "cargo xtask ";
    let mut told = BTreeSet::new();
    for path in documents {
        for (index, line) in read(path).lines().enumerate() {
            for rest in line.split(WORDS).skip(1) {
                let is_of_name = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
                let name: String = rest.chars().take_while(is_of_name).collect();
                if !COMMANDS.iter().any(|command| command.name == name) {
                    findings.add(path, index + 1, &format!("there is no {WORDS}{name}"));
                }
                told.insert(name);
            }
        }
    }
    for command in COMMANDS.iter().filter(|command| !told.contains(command.name)) {
        let what = format!("no document tells of {WORDS}{}", command.name);
        findings.add(&root().join("README.md"), 1, &what);
    }
}

/// Everything that is measured has a row where measurements are told.
fn check_benches(findings: &mut Findings) {
    let told = root().join("benches/README.md");
    let text = read(&told);
    for name in crate::bench::ALL.iter().filter(|name| !text.contains(&format!("| `{name}` |"))) {
        findings.add(&told, 1, &format!("nothing tells of the bench {name}"));
    }
}

/// Links within the tree lead to files, and to headings that they have.
fn check_links(path: &Path, findings: &mut Findings) {
    let text = read(path);
    let folder = path.parent().unwrap_or(path);
    for (index, line) in prose(&text) {
        for target in targets(line) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = if file.is_empty() { path.to_owned() } else { folder.join(file) };
            if !to.exists() {
                findings.add(path, index + 1, &format!("{target} leads to no file"));
            } else if !anchor.is_empty() && !has_heading(&read(&to), anchor) {
                findings.add(path, index + 1, &format!("{target} leads to no heading"));
            }
        }
    }
}

/// Where the links and pictures of a line lead.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    ["](", "src=\"", "srcset=\""]
        .into_iter()
        .flat_map(move |before| line.split(before).skip(1))
        .filter_map(|rest| rest.split([')', '"', ' ']).next())
}

/// Lines that are no code, with their index.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

fn has_heading(text: &str, anchor: &str) -> bool {
    let headings =
        prose(text).filter_map(|(_, line)| line.trim_start_matches('#').strip_prefix(' '));
    headings.map(anchor_of).any(|own| own == anchor)
}

/// A heading as links name it.
fn anchor_of(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_where_they_are_named() {
        let line = "`picolet_a_total` and picolet_b{x=\"y\"}, picolet_sdk::x, `picolet_service_*`";
        assert_eq!(metrics_in(line).collect::<Vec<_>>(), ["picolet_a_total", "picolet_b"]);
        assert_eq!(whole_metric("picolet_a"), Some("picolet_a"));
        assert_eq!(whole_metric("picolet_a {}"), None);
    }

    #[test]
    fn links_are_found_and_lead_to_headings() {
        let line = "[a](b.md#c) ![d](e.png \"f\") <img src=\"g.png\">";
        assert_eq!(targets(line).collect::<Vec<_>>(), ["b.md#c", "e.png", "g.png"]);
        let text = "# A `b`: c\n```\n# code\n```\n## What is not promised\n";
        assert!(has_heading(text, "a-b-c"));
        assert!(has_heading(text, "what-is-not-promised"));
        assert!(!has_heading(text, "code"));
    }
}
