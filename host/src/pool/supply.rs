//! Where the instances for calls come from: what kind of guest it is, and how
//! many calls one of them may hold.

use super::instances::Instances;
use super::shared::SharedInstances;
use crate::engine::{Prepared, ProxyRunner, Slots, Usage};
use crate::manifest::Manifest;
use std::sync::Arc;

/// The instances of a revision.
pub(super) enum Supply {
    /// One call at a time in each.
    Instances(Arc<Instances>),
    Shared(SharedInstances),
    Proxy(ProxyRunner),
}

impl Supply {
    pub(super) fn new(prepared: Prepared, manifest: &Manifest, slots: &Arc<Slots>) -> Self {
        match prepared {
            Prepared::Proxy(runner) => Self::Proxy(runner),
            Prepared::Service(blueprint) => {
                let limits = &manifest.limits;
                let instances = Instances::new(blueprint, manifest.isolation, limits, slots);
                match limits.calls_per_instance {
                    1 => Self::Instances(instances),
                    calls => Self::Shared(SharedInstances::new(instances, calls)),
                }
            }
        }
    }

    pub(super) fn instances(&self) -> Option<&Arc<Instances>> {
        match self {
            Self::Instances(instances) => Some(instances),
            Self::Shared(shared) => Some(shared.instances()),
            Self::Proxy(_) => None,
        }
    }

    /// Those that wait for a call.
    pub(super) fn idle(&self) -> usize {
        match self {
            Self::Instances(instances) => instances.idle(),
            Self::Shared(shared) => shared.instances().idle(),
            Self::Proxy(runner) => runner.idle(),
        }
    }

    /// What they use.
    pub(super) fn usage(&self) -> &Usage {
        match self {
            Self::Instances(instances) => instances.blueprint().usage(),
            Self::Shared(shared) => shared.instances().blueprint().usage(),
            Self::Proxy(runner) => runner.usage(),
        }
    }
}
