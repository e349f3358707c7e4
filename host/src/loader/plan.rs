//! Who may be live together.
//!
//! Whoever is live stays; of those that came in the same scan, the first in
//! byte order does. A plan changes nothing: it is the next table, or a reason.

use crate::live::{Conflict, Live};
use crate::name::Name;
use crate::pool::Service;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A service that is live or wants to be, and the scan it came with.
#[derive(Clone)]
pub(super) struct Standing {
    pub(super) service: Arc<Service>,
    /// None for whoever is not new: it gives way to nobody, and takes nobody's
    /// place.
    pub(super) batch: Option<u64>,
}

/// What follows when a service wants to be live.
pub(super) enum Plan {
    /// The next table, without those that give way.
    Publish { live: Live, giving_way: Vec<(Name, Conflict)> },
    /// It cannot be live beside what is.
    Refuse(Conflict),
}

/// Plans the next table with `candidate` in it, in place of its module's
/// present revision.
pub(super) fn admit(standing: &BTreeMap<Name, Standing>, candidate: &Standing) -> Plan {
    let module = &candidate.service.module;
    let mut others: BTreeMap<&Name, &Standing> =
        standing.iter().filter(|(name, _)| *name != module).collect();
    let mut giving_way = Vec::new();
    loop {
        let services = others.values().map(|standing| standing.service.clone());
        let conflict = match Live::build(services.chain([candidate.service.clone()])) {
            Ok(live) => return Plan::Publish { live, giving_way },
            Err((_, conflict)) => conflict,
        };
        let gives_way = others.get(&conflict.with).is_some_and(|other| {
            candidate.batch.is_some()
                && other.batch == candidate.batch
                && module.as_str() < conflict.with.as_str()
        });
        if !gives_way {
            return Plan::Refuse(conflict);
        }
        others.remove(&conflict.with);
        let over = conflict.over;
        giving_way.push((conflict.with, Conflict { with: module.clone(), over }));
    }
}

/// The next table with as many new services in it as are in nobody's way.
pub(super) struct Together<C> {
    pub(super) live: Live,
    pub(super) admitted: Vec<C>,
    /// Each of these has a plan of its own.
    pub(super) in_the_way: Vec<C>,
}

/// Plans the next table with all of these in it at once.
pub(super) fn admit_together<C>(
    standing: &BTreeMap<Name, Standing>,
    candidates: Vec<C>,
    service_of: impl Fn(&C) -> Arc<Service>,
) -> Together<C> {
    let build = |admitted: &[C]| {
        let present = standing.values().map(|standing| standing.service.clone());
        // What was live together stays so, and the others were tried.
        Live::build(present.chain(admitted.iter().map(&service_of))).unwrap_or_default()
    };
    let mut together = Together { live: build(&[]), admitted: Vec::new(), in_the_way: Vec::new() };
    for candidate in candidates {
        if together.live.add(&service_of(&candidate)).is_ok() {
            together.admitted.push(candidate);
        } else {
            together.in_the_way.push(candidate);
            together.live = build(&together.admitted);
        }
    }
    together
}

/// The next table without a module.
pub(super) fn without(standing: &BTreeMap<Name, Standing>, module: &Name) -> Live {
    let services =
        standing.values().filter(|s| s.service.module != *module).map(|s| s.service.clone());
    // What was live together stays so with one less.
    Live::build(services).unwrap_or_default()
}
