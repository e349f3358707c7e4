//! Records of the registry and the rules by which they live and end.
//!
//! No clock and no lock: the caller says what time it is, as the time since
//! the host started.

mod directory;

pub(crate) use directory::Directory;

use crate::limits::LeaseTimes;
use crate::number;
use crate::selector::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// What `protocol` in the metadata of a record is when it takes HTTP/2.
pub(crate) const HTTP2: &str = "h2c";

/// What the namespace of a record is called in its metadata.
pub(crate) const NAMESPACE: &str = "namespace";

/// Time since the host started.
pub(crate) type Now = Duration;

/// What is known of one place where a service can be called.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Record {
    /// With a `*` at its end it stands for every name that begins so.
    pub name: Pattern,
    /// Scheme, host and port.
    pub domain: String,
    /// What its paths begin with.
    pub root: String,
    pub methods: Vec<RecordMethod>,
    pub metadata: Map<String, Value>,
    pub registration: String,
    pub date: RecordDate,
}

/// One method of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordMethod {
    pub name: String,
    #[serde(rename = "type")]
    pub verb: String,
    /// What stands before the first parameter.
    #[serde(default)]
    pub path: String,
    /// The whole pattern, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Names of the parameters, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Vec<String>>,
    /// Whether it may be called twice, beyond what its verb says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
    /// How long a call of it may take, when its caller does not say.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::whole_or_none"
    )]
    pub timeout_ms: Option<u64>,
}

impl RecordMethod {
    /// Whether a call may be made twice: by its verb
    /// (<https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2>), or because the
    /// service says so.
    pub(crate) fn is_idempotent(&self) -> bool {
        self.idempotent || ["GET", "PUT", "DELETE"].contains(&self.verb.as_str())
    }
}

/// When a record came and was last renewed, as ISO 8601 in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordDate {
    pub creation: String,
    pub last_update: String,
}

/// Whether a record's service may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Up,
    Down,
}

/// Why something sent is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct RecordError(pub String);

#[derive(Deserialize)]
struct RawRecord {
    name: String,
    domain: String,
    #[serde(default)]
    root: String,
    #[serde(default)]
    methods: Vec<RecordMethod>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    #[serde(default)]
    registration: Option<String>,
}

impl Record {
    /// Checks what a client sent. `make_id` is asked when it brings no
    /// registration of its own.
    pub(crate) fn check(
        value: Value,
        make_id: impl FnOnce() -> String,
    ) -> Result<Self, RecordError> {
        let raw: RawRecord = serde_json::from_value(value)
            .map_err(|error| RecordError(format!("record: {error}")))?;
        let name = Pattern::parse(&raw.name)
            .map_err(|error| RecordError(format!("record: name {error}")))?;
        check_domain(&raw.domain)?;
        let registration = raw.registration.unwrap_or_else(make_id);
        check_id(&registration)?;
        if !raw.root.is_empty() && !raw.root.starts_with('/') {
            return Err(RecordError("record: root must be empty or begin with /".into()));
        }
        Ok(Self {
            name,
            domain: raw.domain.trim_end_matches('/').to_owned(),
            root: raw.root.trim_end_matches('/').to_owned(),
            methods: raw.methods,
            metadata: raw.metadata.unwrap_or_default(),
            registration,
            date: RecordDate::default(),
        })
    }

    /// Its version, when it says one.
    pub(crate) fn version(&self) -> Option<&str> {
        self.metadata.get("version").and_then(Value::as_str)
    }

    /// Whether it says that it takes HTTP/2 by prior knowledge.
    pub(crate) fn is_http2(&self) -> bool {
        self.metadata.get("protocol").and_then(Value::as_str) == Some(HTTP2)
    }

    /// Its namespace, when it says one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.metadata.get(NAMESPACE).and_then(Value::as_str)
    }

    /// A method by name.
    pub(crate) fn method(&self, name: &str) -> Option<&RecordMethod> {
        self.methods.iter().find(|method| method.name == name)
    }
}

/// Any text of 1 to 256 bytes without control characters can be an id.
pub(crate) fn check_id(id: &str) -> Result<(), RecordError> {
    if id.is_empty() || 256 < id.len() || id.chars().any(char::is_control) {
        let text = "record: registration must be 1 to 256 bytes without control characters";
        return Err(RecordError(text.into()));
    }
    Ok(())
}

fn check_domain(domain: &str) -> Result<(), RecordError> {
    let uri: Option<http::Uri> = domain.parse().ok();
    let is_origin = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    });
    if is_origin {
        return Ok(());
    }
    let text = format!("record: domain {domain:?} is not an address such as http://host:8080");
    Err(RecordError(text))
}

/// One listed record: whose it is, and how it fares.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub record: Arc<Record>,
    pub keeper: Keeper,
}

/// Who keeps a record alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// This host, as long as the service is live.
    Host,
    /// Whoever posted it, by renewing its lease.
    Outside(Lease),
}

/// The life of an external record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    renewed: Now,
    failures: u32,
    /// What the last failed check saw.
    unwell: Arc<str>,
    call_failed: bool,
}

impl Lease {
    /// A new lease.
    pub(crate) fn new(now: Now) -> Self {
        Self { renewed: now, failures: 0, unwell: Arc::default(), call_failed: false }
    }

    /// When it was renewed.
    pub(crate) fn renewed(&self) -> Now {
        self.renewed
    }

    /// The service itself said that it lives. It stays down when it could not
    /// be reached from here.
    pub(crate) fn heartbeat(&mut self, now: Now) {
        self.renewed = now;
        self.call_failed = false;
    }

    /// A health check ended: well, or not for a reason.
    pub(crate) fn checked(&mut self, health: Result<(), Arc<str>>, now: Now) {
        match health {
            Ok(()) => *self = Self::new(now),
            Err(why) => {
                self.failures = self.failures.saturating_add(1);
                self.unwell = why;
            }
        }
    }

    /// A call could not reach it.
    pub(crate) fn call_failed(&mut self) {
        self.call_failed = true;
    }

    /// Whether it may be called.
    pub(crate) fn status(&self, times: &LeaseTimes, now: Now) -> Status {
        if self.why_down(times, now).is_some() { Status::Down } else { Status::Up }
    }

    /// Why it may not be called; nothing when it may.
    pub(crate) fn why_down(&self, times: &LeaseTimes, now: Now) -> Option<&str> {
        if times.failures_down <= self.failures {
            Some(&self.unwell)
        } else if self.call_failed {
            Some("a call could not reach it")
        } else {
            let expired = times.lease <= now.saturating_sub(self.renewed);
            expired.then_some("nobody renewed its lease")
        }
    }

    /// Whether it should no longer be listed.
    pub(crate) fn is_over(&self, times: &LeaseTimes, now: Now) -> bool {
        times.removal <= now.saturating_sub(self.renewed)
    }
}

impl Entry {
    /// Whether its service may be called.
    pub(crate) fn status(&self, times: &LeaseTimes, now: Now) -> Status {
        match &self.keeper {
            Keeper::Host => Status::Up,
            Keeper::Outside(lease) => lease.status(times, now),
        }
    }

    /// Why it may not be; nothing when it may.
    pub(crate) fn why_down(&self, times: &LeaseTimes, now: Now) -> Option<&str> {
        match &self.keeper {
            Keeper::Host => None,
            Keeper::Outside(lease) => lease.why_down(times, now),
        }
    }
}

#[cfg(test)]
mod tests;
