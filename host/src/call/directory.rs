//! Who can be called, as guests, people and programs are told.

use serde::Serialize;

/// One place where a service can be called, as guests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirectoryEntry {
    pub name: String,
    pub version: String,
    pub registration: String,
    pub domain: String,
    pub root: String,
    pub up: bool,
    pub methods: Vec<String>,
}

/// How an endpoint fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fares {
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

impl Fares {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Down => "down",
            Self::Resting => "resting",
            Self::Probing => "probing",
            Self::Draining => "draining",
        }
    }
}

/// One endpoint, and how it fares.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EndpointState {
    pub(crate) service: String,
    /// The registry key it is listed under.
    pub(crate) key: String,
    pub(crate) registration: String,
    /// Empty when its record says none.
    pub(crate) version: String,
    pub(crate) domain: String,
    pub(crate) root: String,
    /// Whether it is a service of this host.
    pub(crate) local: bool,
    pub(crate) state: Fares,
    /// Milliseconds until it may be called again.
    pub(crate) rests_ms: Option<u64>,
    /// Calls to it by name.
    pub(crate) in_flight: u32,
    /// Microseconds until its answers begin, as the balance reckons.
    pub(crate) latency_us: Option<u64>,
}

/// What whoever follows the endpoints is told.
#[derive(Debug, Serialize)]
#[serde(tag = "event", content = "endpoint", rename_all = "lowercase")]
pub(crate) enum EndpointEvent {
    Added(EndpointState),
    Changed(EndpointState),
    Removed(EndpointState),
    /// All that was there at the beginning has been told.
    Current,
}

impl EndpointState {
    /// A revision that drains is another one than that which took its place
    /// under the same registration.
    pub(crate) fn identity(&self) -> String {
        let drains = if self.state == Fares::Draining { &*self.version } else { "" };
        format!("{}\n{}\n{drains}", self.key, self.registration)
    }

    /// Figures that change with every call are no change.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        self.lasting() != other.lasting()
    }

    fn lasting(&self) -> (Fares, bool, [&str; 4]) {
        let Self { service, version, domain, root, .. } = self;
        (self.state, self.local, [service, version, domain, root])
    }
}
