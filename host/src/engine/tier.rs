//! Code of two compilers: one is quick to compile, the other to run.

use super::config;
use super::pulse::Pulse;
use super::state::State;
use crate::capability;
use crate::limits::HostLimits;
use serde::Serialize;
use std::sync::{Arc, OnceLock};
use wasmtime::component::Linker;

/// Which compiler code comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tier {
    /// Winch: compiles in a fraction of the time, for quick reloads.
    Baseline,
    /// Cranelift: what services run on.
    Optimized,
}

/// What code of one tier runs in.
pub(super) struct Room {
    pub(super) engine: wasmtime::Engine,
    pub(super) linker: Linker<State>,
}

/// A room for each tier. The engine takes no code of another calling
/// convention, so there are two of them; most hosts never need the second.
pub(super) struct Rooms {
    optimized: Room,
    baseline: OnceLock<Room>,
    limits: HostLimits,
    pub(super) pulse: Arc<Pulse>,
}

impl Room {
    fn new(limits: &HostLimits, tier: Tier) -> wasmtime::Result<Self> {
        let engine = config::host_engine(limits, tier)?;
        let linker = capability::linker(&engine)?;
        Ok(Self { engine, linker })
    }
}

impl Rooms {
    /// Sets up what optimized code runs in, and starts the clock of both.
    pub(super) fn new(limits: &HostLimits) -> wasmtime::Result<Arc<Self>> {
        let optimized = Room::new(limits, Tier::Optimized)?;
        let (baseline, pulse) = (OnceLock::new(), Arc::<Pulse>::default());
        let rooms = Arc::new(Self { optimized, baseline, limits: *limits, pulse: pulse.clone() });
        let ticking = Arc::downgrade(&rooms);
        pulse.start(move || ticking.upgrade().inspect(|rooms| rooms.tick()).is_some());
        Ok(rooms)
    }

    /// The room of a tier, which is set up at its first use.
    pub(super) fn of(&self, tier: Tier) -> wasmtime::Result<&Room> {
        match (tier, self.baseline.get()) {
            (Tier::Optimized, _) => Ok(&self.optimized),
            (Tier::Baseline, Some(room)) => Ok(room),
            (Tier::Baseline, None) => {
                let room = Room::new(&self.limits, tier)?;
                // Of two at once, one is dropped again.
                Ok(self.baseline.get_or_init(|| room))
            }
        }
    }

    fn tick(&self) {
        self.optimized.engine.increment_epoch();
        if let Some(baseline) = self.baseline.get() {
            baseline.engine.increment_epoch();
        }
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        // It finds nothing to tick for, and ends.
        self.pulse.wake();
    }
}
