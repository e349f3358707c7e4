//! Who can be called: the registry as it is, and every change of it.

#[cfg(target_family = "wasm")]
use crate::abi::bindings::picolet::service::{directory as host, watch};
use crate::call;
#[cfg(not(target_family = "wasm"))]
use crate::testing::{self as host, watch};

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

/// One place where a service can be called, and how it fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The name of the service.
    pub service: String,
    /// The registry key it is listed under.
    pub key: String,
    /// The registration: which one of several it is.
    pub registration: String,
    /// Its version; empty when its record has none.
    pub version: String,
    /// The address of its host, for example `http://127.0.0.1:8080`.
    pub domain: String,
    /// What its paths begin with.
    pub root: String,
    /// Whether it is in the same process.
    pub local: bool,
    /// How it fares.
    pub state: EndpointState,
}

/// How an endpoint fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointState {
    /// It can be called.
    Serving,
    /// It failed its health checks.
    Down,
    /// It failed too often, and is left alone for a while.
    Resting,
    /// It has rested, and one call finds out whether it is well again.
    Probing,
    /// It was replaced or removed, and finishes what it has begun.
    Draining,
}

/// What has changed among the endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryChange {
    /// There is a new one.
    Added(Endpoint),
    /// It fares otherwise, or its record says something else.
    Changed(Endpoint),
    /// It is gone; this is how it was.
    Removed(Endpoint),
    /// All that was there at the beginning has been told.
    Current,
}

/// What has changed among the endpoints since this call was last told; waits
/// until there is something, for as long as the call may last.
///
/// A call that was told nothing yet is told of every endpoint under every key
/// as [`DirectoryChange::Added`], at most 1,024 at once, and then of [`DirectoryChange::Current`].
/// Changes that undid each other in between are not told.
///
/// In native tests the entries that `testing::list` was given are endpoints
/// that serve or are down, and a change that never comes is waited for in vain.
pub async fn directory_changes() -> Vec<DirectoryChange> {
    let told = watch::changes(call::current()).await;
    told.into_iter().map(change).collect()
}

#[cfg(target_family = "wasm")]
fn change(from: watch::Change) -> DirectoryChange {
    match from {
        watch::Change::Added(it) => DirectoryChange::Added(endpoint(it)),
        watch::Change::Changed(it) => DirectoryChange::Changed(endpoint(it)),
        watch::Change::Removed(it) => DirectoryChange::Removed(endpoint(it)),
        watch::Change::Current => DirectoryChange::Current,
    }
}

#[cfg(not(target_family = "wasm"))]
fn change(from: DirectoryChange) -> DirectoryChange {
    from
}

#[cfg(target_family = "wasm")]
fn endpoint(from: watch::Endpoint) -> Endpoint {
    let watch::Endpoint { service, key, registration, version, domain, root, local, state } = from;
    let state = match state {
        watch::State::Serving => EndpointState::Serving,
        watch::State::Down => EndpointState::Down,
        watch::State::Resting => EndpointState::Resting,
        watch::State::Probing => EndpointState::Probing,
        watch::State::Draining => EndpointState::Draining,
    };
    Endpoint { service, key, registration, version, domain, root, local, state }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{block_on, list};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn names(changes: Vec<DirectoryChange>) -> Vec<String> {
        let name = |change| match change {
            DirectoryChange::Added(it) => format!("+{}", it.registration),
            DirectoryChange::Changed(it) => format!("~{} {:?}", it.registration, it.state),
            DirectoryChange::Removed(it) => format!("-{}", it.registration),
            DirectoryChange::Current => "current".to_owned(),
        };
        changes.into_iter().map(name).collect()
    }

    #[test]
    fn a_call_is_told_of_everything_and_then_of_what_changes() {
        let entry = |registration: &str, up| Entry {
            name: "calc".into(),
            registration: registration.into(),
            up,
            ..Entry::default()
        };
        list("default", vec![entry("a", true), entry("b", true)]);
        block_on(call::within(5, async {
            assert_eq!(names(directory_changes().await), ["+a", "+b", "current"]);
            list("default", vec![entry("b", false), entry("c", true)]);
            assert_eq!(names(directory_changes().await), ["-a", "~b Down", "+c"]);
            let mut next = pin!(directory_changes());
            let waits = next.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(waits, Poll::Pending));
        }));
    }
}
