//! Processes that the tests start and look at.

use super::PATIENCE;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::Command;

/// The binary, in an environment that holds no setting of it.
pub(crate) fn picolet() -> Command {
    command(env!("CARGO_BIN_EXE_picolet"))
}

/// A program, in an environment that holds no setting of the host.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PICOLET_") {
            command.env_remove(name);
        }
    }
    // Reading the binary's debug information takes 90 MB, which are not what a
    // test of memory looks for.
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LOG");
    command.env("NO_COLOR", "1").kill_on_drop(true);
    command.stdin(Stdio::null());
    command
}

/// What a command did that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end.
pub(crate) async fn run(command: &mut Command) -> Ran {
    let Ok(output) = tokio::time::timeout(5 * PATIENCE, command.output()).await else {
        panic!("{command:?} does not end");
    };
    let output = output.unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Open sockets of a process.
pub(crate) fn sockets(pid: u32) -> usize {
    open(pid).filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// Open descriptors of a process.
pub(crate) fn descriptors(pid: u32) -> usize {
    open(pid).count()
}

fn open(pid: u32) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok())
}

/// Memory of a process that is in use, in MiB.
pub(crate) fn resident_mib(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    kib.split_whitespace().next().unwrap().parse::<usize>().unwrap() >> 10
}

/// Processes that a process has started and that still run.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parent = pid.to_string();
    pids.filter(|pid| stat(*pid).get(1) == Some(&parent)).collect()
}

/// The same with those that they have started, and so on.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let own = children(pid);
    let theirs = own.iter().flat_map(|child| descendants(*child));
    own.iter().copied().chain(theirs).collect()
}

/// Whether a process was stopped by a signal.
pub(crate) fn is_stopped(pid: u32) -> bool {
    stat(pid).first().is_some_and(|state| state == "T")
}

/// State, parent and so on, nothing of a process that has ended.
fn stat(pid: u32) -> Vec<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it may hold anything.
    let after = stat.rsplit_once(") ").map(|(_, after)| after).unwrap_or_default();
    after.split(' ').map(str::to_owned).collect()
}
