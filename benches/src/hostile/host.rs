//! A host in a process of its own, so that its memory is its own, too.

use crate::Measured;
use crate::hand_made::hand_made;
use crate::load::Connection;
use crate::machine::SERVER_CORE;
use crate::served::{guest_path, root, wait_until};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use tempfile::TempDir;

/// A running host over a neighbour and a fixture. It ends when it is dropped.
pub(super) struct HostProcess {
    pub(super) services: SocketAddr,
    admin: SocketAddr,
    folder: TempDir,
    child: Child,
    tasks_at_rest: u64,
}

impl HostProcess {
    /// Starts one on the server's core.
    pub(super) fn start(module: &str, manifest: &str) -> Measured<Self> {
        let folder = TempDir::new()?;
        let put = |name: &str| put(folder.path(), name);
        put("calc")?;
        put(module)?;
        fs::write(folder.path().join(format!("{module}.toml")), manifest)?;
        let mut child = Command::new("taskset")
            .args(["-c", &SERVER_CORE.to_string()])
            .arg(std::env::current_exe()?.with_file_name("picolet"))
            .arg("serve")
            .arg(folder.path())
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state"])
            .arg(root().join("target/bench-state"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().ok_or("no stderr")?);
        let services = address(&mut lines, "listening services ")?;
        let admin = address(&mut lines, "listening admin ")?;
        after(&mut lines, "ready")?;
        // Nobody reads the log, but somebody has to take it.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let mut host = Self { services, admin, folder, child, tasks_at_rest: 0 };
        host.tasks_at_rest = host.tasks()?;
        Ok(host)
    }

    /// Where a module lies in its folder.
    pub(super) fn file(&self, module: &str) -> PathBuf {
        file(self.folder.path(), module)
    }

    /// Memory that the process has in use, in MiB.
    pub(super) fn resident_mib(&self) -> Measured<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }

    /// Waits until no call, no connection and no load is under way any more.
    pub(super) fn rest(&self) -> Measured {
        wait_until(|| self.tasks().is_ok_and(|tasks| tasks <= self.tasks_at_rest))
    }

    fn tasks(&self) -> Measured<u64> {
        let answer = Connection::open(self.admin)?.get("/metrics")?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let figure = text.lines().find_map(|line| line.strip_prefix("picolet_tasks "));
        Ok(figure.ok_or("the host does not count its tasks")?.trim().parse()?)
    }

    /// Takes a module out and waits until its service is gone.
    pub(super) fn take_out(&self, module: &str) -> Measured {
        fs::remove_file(self.file(module))?;
        wait_until(|| self.service(module).is_ok_and(|service| service.get("running").is_none()))
    }

    fn service(&self, name: &str) -> Measured<Value> {
        let mut connection = Connection::open(self.admin)?;
        let answer = connection.get(&format!("/admin/v1/services/{name}"))?;
        Ok(serde_json::from_slice(&answer.body)?)
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Puts a guest in, built or made by hand.
fn put(folder: &Path, name: &str) -> Measured {
    let bytes = match hand_made(name) {
        Some(made) => made?,
        None => fs::read(guest_path(name))?,
    };
    Ok(fs::write(file(folder, name), bytes)?)
}

fn file(folder: &Path, module: &str) -> PathBuf {
    folder.join(format!("{module}.wasm"))
}

fn address(lines: &mut BufReader<ChildStderr>, before: &str) -> Measured<SocketAddr> {
    let rest = after(lines, before)?;
    Ok(rest.trim().parse()?)
}

/// What follows a text on the first line that has it.
fn after(lines: &mut impl BufRead, text: &str) -> Measured<String> {
    let mut line = String::new();
    while 0 < lines.read_line(&mut line)? {
        if let Some((_, after)) = line.split_once(text) {
            return Ok(after.to_owned());
        }
        line.clear();
    }
    Err(format!("the host ended without saying {text:?}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_says_is_found_in_its_lines() {
        let mut lines = "one\nlistening admin 127.0.0.1:7\nready\n".as_bytes();
        assert_eq!(after(&mut lines, "listening admin ").unwrap(), "127.0.0.1:7\n");
        assert!(after(&mut lines, "never").is_err());
    }
}
