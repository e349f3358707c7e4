//! Threads of low priority, for guests that compute.
//!
//! A guest that computes has its thread for itself until the next tick. On
//! these threads it costs those nothing that only want a moment of the
//! processor: the system lets them go first.

use std::io;
use std::sync::Arc;
use tokio::runtime::{Builder, Handle, Runtime};

/// The threads. Clones are the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Background {
    threads: Arc<Threads>,
}

#[derive(Debug)]
struct Threads {
    runtime: Option<Runtime>,
    handle: Handle,
}

/// How much the threads stand back.
const NICENESS: i32 = 10;

impl Background {
    /// Starts as many as there are cores.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("background")
            .on_thread_start(|| {
                // Where it is forbidden, they stand back for nobody.
                let _ = rustix::process::setpriority_process(None, NICENESS);
            })
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Self { threads: Arc::new(Threads { runtime: Some(runtime), handle }) })
    }

    /// What is started or polled by this runs on the threads.
    pub(crate) fn handle(&self) -> &Handle {
        &self.threads.handle
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // May happen where blocking is not allowed; tasks are joined by
            // their crew.
            runtime.shutdown_background();
        }
    }
}
