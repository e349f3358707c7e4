//! Reads the registry: who can be called.

#[cfg(target_family = "wasm")]
use crate::abi::bindings::picolet::service::directory as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing as host;

/// One place where a service can be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The name of the service.
    pub name: String,
    /// Its version; empty when its record has none.
    pub version: String,
    /// The registration: which one of several it is.
    pub registration: String,
    /// The address of its host, for example `http://127.0.0.1:8080`.
    pub domain: String,
    /// What its paths begin with.
    pub root: String,
    /// False when it failed its health checks.
    pub up: bool,
    /// The names of its methods.
    pub methods: Vec<String>,
}

/// All entries under a registry key, at most 1,000, by name. The usual key is
/// `default`; an unknown one has no entries. In native tests there are those
/// that `testing::list` was given.
pub fn directory(key: &str) -> Vec<Entry> {
    host::entries(key).into_iter().map(entry).collect()
}

#[cfg(target_family = "wasm")]
fn entry(from: host::Entry) -> Entry {
    let host::Entry { name, version, registration, domain, root, up, methods } = from;
    Entry { name, version, registration, domain, root, up, methods }
}

#[cfg(not(target_family = "wasm"))]
fn entry(from: Entry) -> Entry {
    from
}
