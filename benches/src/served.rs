//! A host in this process, over a folder of its own.

use crate::Measured;
use picolet::{Host, Keys, Settings, Value};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A running host. Its folder goes when it is dropped.
pub(crate) struct Served {
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// Starts a host over these modules and waits until it is ready.
pub(crate) fn serve(runtime: &Runtime, modules: &[(&str, &str)]) -> Measured<Served> {
    let folder = TempDir::new()?;
    for (file, manifest) in modules {
        put(folder.path(), file, file, manifest)?;
    }
    let mut keys = Keys::default();
    for key in ["listen", "admin"] {
        keys.add(key, Value::from("127.0.0.1:0"), "bench");
    }
    keys.add("state", Value::from(state().display().to_string()), "bench");
    let settings = Settings::check(folder.path().to_owned(), keys)
        .map_err(|complaints| format!("{complaints:?}"))?;
    let program = program()?;
    let (address, admin) = runtime.block_on(async {
        let host = Host::build(settings, program).await?;
        let addresses = host.addresses();
        tokio::spawn(host.run(std::future::pending(), std::future::pending()));
        Ok::<_, Box<dyn std::error::Error>>(addresses)
    })?;
    let served = Served { folder, address, admin };
    wait_until(|| status(served.admin, "/readyz") == Some(200))?;
    Ok(served)
}

/// Puts a guest that the tests use into a folder, under a name, with a
/// manifest if there is text for one.
pub(crate) fn put(folder: &Path, guest: &str, name: &str, manifest: &str) -> Measured {
    if !manifest.is_empty() {
        std::fs::write(folder.join(format!("{name}.toml")), manifest)?;
    }
    let part = folder.join(format!(".{name}"));
    std::fs::copy(guest_path(guest), &part)?;
    std::fs::rename(part, folder.join(format!("{name}.wasm")))?;
    Ok(())
}

/// Where a guest lies.
pub(crate) fn guest_path(guest: &str) -> PathBuf {
    root().join("target/guests").join(format!("{guest}.wasm"))
}

/// The folder of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// The binary beside this one, which the host runs as its compiler.
fn program() -> Measured<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("picolet"))
}

/// Compiled code is kept from run to run, so that benches measure what they
/// are about.
fn state() -> PathBuf {
    root().join("target/bench-state")
}

/// Waits for something that comes soon, or fails.
pub(crate) fn wait_until(mut is_there: impl FnMut() -> bool) -> Measured {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_there() {
        if until < Instant::now() {
            return Err("the host is not ready after a minute".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// The status that a path answers with, over a connection of its own.
fn status(address: SocketAddr, path: &str) -> Option<u16> {
    let mut connection = crate::load::Connection::open(address).ok()?;
    connection.get(path).ok().map(|answer| answer.status)
}
