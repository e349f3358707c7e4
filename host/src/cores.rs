//! The threads that serve: as many as there are cores, each with a runtime of
//! its own.
//!
//! A connection stays with the thread it was given to, so that nothing of a
//! request crosses to another core. A guest that computes is handed over to
//! threads of low priority before the other connections mind.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// All of them. They end when it is dropped.
#[derive(Debug)]
pub(crate) struct Cores {
    threads: Vec<Arc<Core>>,
    _stop: Vec<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct Core {
    handle: Handle,
    seats: AtomicUsize,
}

/// A connection's place on a thread.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Core>);

impl Cores {
    /// Starts so many threads.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let (mut threads, mut stop) = (Vec::new(), Vec::new());
        for index in 0..count.max(1) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let (stopping, stopped) = oneshot::channel();
            thread::Builder::new().name(format!("serve-{index}")).spawn(move || {
                let _ = runtime.block_on(stopped);
            })?;
            threads.push(Arc::new(Core { handle, seats: AtomicUsize::new(0) }));
            stop.push(stopping);
        }
        Ok(Self { threads, _stop: stop })
    }

    /// A place on the thread that has the fewest taken.
    pub(crate) fn seat(&self) -> Option<Seat> {
        let core = self.threads.iter().min_by_key(|core| core.seats.load(Relaxed))?;
        core.seats.fetch_add(1, Relaxed);
        Some(Seat(core.clone()))
    }
}

impl Seat {
    /// What is started by this runs on the thread.
    pub(crate) fn handle(&self) -> &Handle {
        &self.0.handle
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seats.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_spread_evenly() {
        let cores = Cores::start(2).unwrap();
        let thread_of = |seat: &Seat| seat.handle().id();
        let (first, second) = (cores.seat().unwrap(), cores.seat().unwrap());
        assert_ne!(thread_of(&first), thread_of(&second));
        let gone = thread_of(&first);
        drop(first);
        assert_eq!(thread_of(&cores.seat().unwrap()), gone);
    }
}
