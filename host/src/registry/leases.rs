//! Records of others, and how their leases run.

use super::Registry;
use crate::limits::LeaseTimes;
use crate::record::{Keeper, Status};
use serde::Serialize;
use std::time::Duration;

/// A record that somebody else keeps alive.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Leased {
    pub(crate) key: String,
    pub(crate) registration: String,
    pub(crate) name: String,
    /// Empty when its record says none.
    pub(crate) version: String,
    pub(crate) domain: String,
    pub(crate) root: String,
    pub(crate) methods: Vec<String>,
    pub(crate) status: Status,
    /// Why it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// When its lease was renewed, in milliseconds of the registry's clock.
    pub(crate) renewed_ms: u64,
}

/// What all leases go by, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct LeaseClock {
    /// The registry's clock, which begins with the host.
    pub(crate) now_ms: u64,
    pub(crate) lease_ms: u64,
    pub(crate) removal_ms: u64,
}

impl Registry {
    /// Every record that is no service of this host.
    pub(crate) fn leased(&self) -> Vec<Leased> {
        let now = self.now();
        let directory = self.lock();
        let leased = directory.iter().filter_map(|(key, entry)| {
            let Keeper::Outside(lease) = &entry.keeper else { return None };
            let record = &entry.record;
            Some(Leased {
                key: key.to_string(),
                registration: record.registration.clone(),
                name: record.name.to_string(),
                version: record.version().unwrap_or_default().to_owned(),
                domain: record.domain.clone(),
                root: record.root.clone(),
                methods: record.methods.iter().map(|method| method.name.clone()).collect(),
                status: entry.status(&self.times, now),
                reason: entry.why_down(&self.times, now).map(str::to_owned),
                renewed_ms: millis(lease.renewed()),
            })
        });
        leased.collect()
    }

    /// What their leases go by.
    pub(crate) fn lease_clock(&self) -> LeaseClock {
        let LeaseTimes { lease, removal, .. } = self.times;
        LeaseClock {
            now_ms: millis(self.now()),
            lease_ms: millis(lease),
            removal_ms: millis(removal),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
