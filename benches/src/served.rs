//! A host in this process, over a folder of its own.

use crate::Measured;
use crate::files::{guest, program, put, state};
use crate::ready::{status, wait_until};
use picolet::{Host, Keys, Settings, Value};
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A running host. Its folder goes when it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

/// Starts a host over these modules and waits until it is ready.
pub(crate) fn serve(runtime: &Runtime, modules: &[(&str, &str)]) -> Measured<Served> {
    serve_with(runtime, modules, "")
}

/// The same with these settings.
pub(crate) fn serve_with(
    runtime: &Runtime,
    modules: &[(&str, &str)],
    settings: &str,
) -> Measured<Served> {
    let folder = TempDir::new()?;
    for (name, manifest) in modules {
        put(folder.path(), name, &guest(name)?, manifest)?;
    }
    let mut keys = Keys::default();
    keys.add_toml(settings, "bench");
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
    wait_until("the host", Duration::from_secs(60), || status(admin, "/readyz") == Some(200))?;
    Ok(Served { address, _folder: folder })
}
