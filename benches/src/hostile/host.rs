//! A host over a neighbour and a fixture.

use crate::Measured;
use crate::connection::Connection;
use crate::files::{guest, put, state};
use crate::hand_made::hand_made;
use crate::machine::SERVER_CORE;
use crate::process::Cores;
use crate::ready::wait_until;
use crate::spawned::Spawned;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// A running host, in a process of its own.
pub(super) struct HostProcess {
    pub(super) services: SocketAddr,
    host: Spawned,
    folder: TempDir,
    tasks_at_rest: f64,
}

/// How long the host may need for anything.
const PATIENCE: Duration = Duration::from_secs(60);

impl HostProcess {
    /// Starts one on the server's core.
    pub(super) fn start(module: &str, manifest: &str) -> Measured<Self> {
        let folder = TempDir::new()?;
        put(folder.path(), "calc", &guest("calc")?, "")?;
        let cores = Cores::One(SERVER_CORE);
        let (host, _) = Spawned::start(folder.path(), &state(), cores, PATIENCE)?;
        let tasks_at_rest = host.tasks()?;
        let started = Self { services: host.address, host, folder, tasks_at_rest };
        let bytes = hand_made(module).unwrap_or_else(|| guest(module))?;
        put(started.folder.path(), module, &bytes, manifest)?;
        // Some are refused, which is what they are for.
        wait_until("the fixture", PATIENCE, || {
            started.module_state(module).is_ok_and(|state| state != "loading")
        })?;
        Ok(started)
    }

    /// Where a module lies in its folder.
    pub(super) fn file(&self, module: &str) -> PathBuf {
        self.folder.path().join(format!("{module}.wasm"))
    }

    /// Memory that the process has in use, in MB.
    pub(super) fn resident_mb(&self) -> Measured<f64> {
        Ok(self.host.process.usage()?.rss_mb)
    }

    /// Waits until no call, no connection and no load is under way any more.
    pub(super) fn rest(&self) -> Measured {
        let is_at_rest = || self.host.tasks().is_ok_and(|tasks| tasks <= self.tasks_at_rest);
        wait_until("the host to come to rest", PATIENCE, is_at_rest)
    }

    /// Takes a module out and waits until it is gone.
    pub(super) fn take_out(&self, module: &str) -> Measured {
        fs::remove_file(self.file(module))?;
        wait_until("the fixture to go", PATIENCE, || self.module_state(module).is_err())
    }

    fn module_state(&self, module: &str) -> Measured<String> {
        let answer = Connection::open(self.host.admin)?.get("/admin/v1/modules")?;
        let listing: Value = serde_json::from_slice(&answer.body)?;
        let modules = listing.get("modules").and_then(Value::as_array).ok_or("no modules")?;
        let file = format!("{module}.wasm");
        let is_it = |listed: &&Value| listed.get("file").is_some_and(|name| *name == *file);
        let state = modules.iter().find(is_it).and_then(|listed| listed.get("state")?.as_str());
        Ok(state.ok_or("the host does not know it")?.to_owned())
    }
}
