//! What is left to do when an instance came back, and holds up nobody.

use super::instances::{Instances, Kept};
use crate::background::Background;
use crate::crew::Crew;
use crate::engine::Instance;
use std::sync::Arc;

/// Giving back the memory of an instance from this size on takes milliseconds.
const LARGE_BYTES: usize = 4 << 20;

/// Does what is left to do after an instance came back.
pub(super) fn see_to(kept: Kept, instances: &Arc<Instances>, crew: &Crew) {
    let Kept::No { instance, runs_low } = kept else { return };
    drop_aside(instance, instances.blueprint().background(), crew);
    if runs_low {
        stock(instances.clone(), crew);
    }
}

/// Makes ready what the next calls need, where it costs the present ones least.
fn stock(instances: Arc<Instances>, crew: &Crew) {
    let background = instances.blueprint().background().clone();
    crew.hire_on(background.handle(), "stock", |mut stop| async move {
        tokio::select! {
            () = instances.stock() => (),
            () = stop.stopped() => (),
        }
    });
}

/// Drops an instance, where it holds up nobody.
pub(super) fn drop_aside(instance: Instance, background: &Background, crew: &Crew) {
    if LARGE_BYTES <= instance.memory_bytes() {
        crew.hire_on(background.handle(), "drop", |_stop| async move { drop(instance) });
    }
}
