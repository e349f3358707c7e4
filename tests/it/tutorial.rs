//! The documents that a new user follows, followed: each command is run, each
//! answer compared.
//!
//! A block of code says by the word after its language what it is:
//!
//! - `console`: commands after `$`, each with what it prints;
//! - `console host`: the command that starts the host, with what that says;
//! - `text host`: what the host says next;
//! - `rust PATH`: a file as it is to be;
//! - `rust in PATH`: what is in a file;
//! - `sh` and others: for people alone.
//!
//! `…` stands for anything, and alone on a line for any lines.

use crate::kit::*;
use std::path::{Path, PathBuf};

const TUTORIAL: &str = include_str!("../../docs/TUTORIAL.md");
const README: &str = include_str!("../../README.md");
/// Where the documents have the host's services, and its admin side.
const ADDRESSES: [&str; 2] = ["127.0.0.1:8080", "127.0.0.1:9099"];

#[derive(Debug, PartialEq)]
enum Block<'a> {
    Commands(Vec<(&'a str, Vec<&'a str>)>),
    Host(Vec<(&'a str, Vec<&'a str>)>),
    Says(Vec<&'a str>),
    File(&'a str, String),
    In(&'a str, String),
}

/// The blocks that are followed.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(what) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let whole = || block.iter().map(|line| format!("{line}\n")).collect::<String>();
        blocks.push(match what.split(' ').collect::<Vec<_>>()[..] {
            ["console"] => Block::Commands(commands(&block)),
            ["console", "host"] => Block::Host(commands(&block)),
            ["text", "host"] => Block::Says(block),
            ["rust", path] => Block::File(path, whole()),
            ["rust", "in", path] => Block::In(path, whole()),
            _ => continue,
        });
    }
    blocks
}

/// Commands, each with the lines after it.
fn commands<'a>(block: &[&'a str]) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, Vec::new())),
            // Commands may stand apart.
            (None, _) if line.is_empty() => (),
            (None, Some((_, printed))) => printed.push(line),
            (None, None) => panic!("a block does not begin with a command: {block:?}"),
        }
    }
    commands
}

/// Whether these lines are meant by those.
fn is_meant(expected: &[&str], lines: &[&str]) -> bool {
    match (expected, lines) {
        ([], lines) => lines.is_empty(),
        (["…", rest @ ..], lines) => (0..=lines.len()).any(|n| is_meant(rest, &lines[n..])),
        ([first, rest @ ..], [line, after @ ..]) => {
            is_meant_line(first, line) && is_meant(rest, after)
        }
        (_, []) => false,
    }
}

fn is_meant_line(expected: &str, line: &str) -> bool {
    match expected.split_once('…') {
        None => expected == line,
        Some((before, rest)) => line.strip_prefix(before).is_some_and(|after| {
            let mut ends = after.char_indices().map(|(at, _)| at).chain([after.len()]);
            ends.any(|at| is_meant_line(rest, &after[at..]))
        }),
    }
}

/// Who follows a document.
struct Reader {
    folder: Option<Folder>,
    host: Option<Host>,
    /// Where the commands are run, and where files are.
    top: PathBuf,
    here: PathBuf,
    /// Lines of the host before the last commands.
    mark: usize,
}

impl Reader {
    fn over(folder: Folder) -> Self {
        let top = folder.beside("");
        Self { folder: Some(folder), host: None, here: top.clone(), top, mark: 0 }
    }

    async fn follow(&mut self, text: &str) {
        for block in blocks(text) {
            match block {
                Block::Commands(commands) => {
                    self.mark = self.host.as_ref().map_or(0, |host| host.log.mark());
                    for (command, printed) in commands {
                        self.type_in(command, &printed).await;
                    }
                }
                Block::Host(commands) => {
                    let [(command, says)] = &commands[..] else { panic!("one host: {commands:?}") };
                    assert_eq!(*command, "picolet serve services");
                    let folder = self.folder.take().expect("one host");
                    self.host = Some(Launch::over(folder).start().await);
                    self.says(says).await;
                }
                Block::Says(lines) => self.says(&lines).await,
                Block::File(path, text) => std::fs::write(self.top.join(path), text).unwrap(),
                Block::In(path, text) => {
                    let file = std::fs::read_to_string(self.top.join(path)).unwrap();
                    assert!(file.contains(&text), "{path} is other than it is told:\n{file}");
                }
            }
        }
    }

    /// With the addresses that the host has here.
    fn here(&self, text: &str) -> String {
        let Some(host) = &self.host else { return text.to_owned() };
        let addresses = [host.services, host.admin].map(|address| address.to_string());
        let put = |text: String, (told, own): (&&str, &String)| text.replace(*told, own);
        ADDRESSES.iter().zip(&addresses).fold(text.to_owned(), put)
    }

    /// Waits until the host has said these lines.
    async fn says(&self, lines: &[&str]) {
        let host = self.host.as_ref().expect("a host was started");
        for line in lines {
            let expected = self.here(line);
            // The folder has another name here.
            let expected = expected.strip_prefix("services ").unwrap_or(&expected).to_owned();
            let is_said = |line: &str| is_meant_line(&format!("…{expected}"), line);
            host.log.wait(self.mark, is_said).await;
        }
    }

    async fn type_in(&mut self, typed: &str, printed: &[&str]) {
        if let Some(folder) = typed.strip_prefix("cd ") {
            self.here = std::fs::canonicalize(self.here.join(folder)).unwrap();
            return;
        }
        let ran = run(self.shell().args(["-c", &self.here(typed)])).await;
        assert_eq!(ran.code, Some(0), "{typed}: {ran:?}");
        let expected: Vec<String> = printed.iter().map(|line| self.here(line)).collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        let lines: Vec<&str> = ran.stdout.lines().map(str::trim_end).collect();
        assert!(is_meant(&expected, &lines), "{typed}: expected {expected:#?}, got {lines:#?}");
        if let Some(project) = typed.strip_prefix("picolet new ") {
            // What is built is kept between runs.
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tutorial");
            std::fs::create_dir_all(&kept).unwrap();
            std::os::unix::fs::symlink(kept, self.here.join(project).join("target")).unwrap();
        }
    }

    /// A shell that finds the binary, and knows where the host is.
    fn shell(&self) -> tokio::process::Command {
        let mut shell = command("bash");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_") {
                shell.env_remove(name);
            }
        }
        let binary = Path::new(env!("CARGO_BIN_EXE_picolet"));
        let path = std::env::var("PATH").unwrap_or_default();
        shell.env("PATH", format!("{}:{path}", binary.parent().unwrap().display()));
        if let Some(host) = &self.host {
            shell.env("PICOLET_HOST", format!("http://{}", host.admin));
        }
        shell.env_remove("RUSTFLAGS").current_dir(&self.here);
        shell
    }
}

#[tokio::test]
async fn the_tutorial_does_what_it_says() {
    let mut reader = Reader::over(Folder::empty());
    reader.follow(TUTORIAL).await;
    reader.host.expect("the tutorial starts a host").stop().await;
}

#[tokio::test]
async fn the_readme_answers_as_it_says() {
    let folder = Folder::of(&["calc", "greeter", "greeter-api", "ticker"]);
    let mut reader = Reader::over(Folder::empty());
    reader.host = Some(Host::over(folder).await);
    // Its project is that of the tutorial; it is shown whole.
    run(picolet().args(["new", "hello"]).current_dir(&reader.top)).await;
    reader.follow(&README.replace("target/release/picolet ", "picolet ")).await;
    reader.host.expect("it is there").stop().await;
}

#[test]
fn a_block_is_what_its_first_line_says() {
    let text = "a\n```console\n$ one\n1\n$ two\n```\n```rust in a.rs\nx\n```\n```sh\n$ no\n```\n";
    let commands = vec![("one", vec!["1"]), ("two", vec![])];
    let expected = [Block::Commands(commands), Block::In("a.rs", "x\n".to_owned())];
    assert_eq!(blocks(text), expected);
}

#[test]
fn an_ellipsis_stands_for_anything() {
    assert!(is_meant(&["a…c", "…", "z"], &["abc", "d", "e", "z"]));
    assert!(is_meant(&["…"], &[]));
    assert!(is_meant(&["a … b…"], &["a x b"]));
    assert!(!is_meant(&["a…c"], &["abcd"]));
    assert!(!is_meant(&["a"], &["a", "b"]));
}
