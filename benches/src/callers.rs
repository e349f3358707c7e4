//! Connections that ask, check every answer and count, beside what is measured.

use crate::Measured;
use crate::connection::{Answer, Connection};
use crate::machine::{LOAD_CORE, pin};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One kind of request, and what may be answered.
#[derive(Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) path: &'static str,
    /// Every so manieth request is of this kind, unless an earlier kind is.
    pub(crate) every: u64,
    pub(crate) status: u16,
    /// Beginnings of bodies, one of which must fit.
    pub(crate) bodies: &'static [&'static str],
}

/// How much is asked.
#[derive(Clone, Copy)]
pub(crate) struct Callers {
    pub(crate) connections: u64,
    /// The least time between two requests of a connection.
    pub(crate) pause: Duration,
    pub(crate) asks: &'static [Ask],
}

/// Callers at work. They stop when it is dropped.
pub(crate) struct Calling {
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// What they came to.
pub(crate) struct Tally {
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    pub(crate) first_failure: Option<String>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
    first_failure: OnceLock<String>,
}

impl Callers {
    pub(crate) fn start(self, address: SocketAddr) -> Calling {
        let shared = Arc::<Shared>::default();
        let begin = |first| {
            let shared = shared.clone();
            std::thread::spawn(move || self.call(address, first, &shared))
        };
        let threads = (0..self.connections).map(begin).collect();
        Calling { threads, shared }
    }

    fn call(self, address: SocketAddr, first: u64, shared: &Shared) {
        // On another core they are as good a load, if not as good a measure.
        let _ = pin(LOAD_CORE);
        let mut connection = None;
        // Each begins elsewhere, so that they do not all ask the same at once.
        let mut count = first * 97;
        while !shared.is_over.load(Ordering::Relaxed) {
            let before = Instant::now();
            count += 1;
            let asked = self.asks.iter().find(|ask| count.is_multiple_of(ask.every));
            let Some(ask) = asked else { continue };
            match ask.put(address, &mut connection) {
                Ok(()) => drop(shared.answered.fetch_add(1, Ordering::Relaxed)),
                Err(error) => {
                    connection = None;
                    shared.failed.fetch_add(1, Ordering::Relaxed);
                    let _ = shared.first_failure.set(format!("{}: {error}", ask.path));
                }
            }
            std::thread::sleep(self.pause.saturating_sub(before.elapsed()));
        }
    }
}

impl Ask {
    fn put(&self, address: SocketAddr, connection: &mut Option<Connection>) -> Measured {
        let connection = match connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(address)?),
        };
        let Answer { status, body } = connection.get(self.path)?;
        let fits = |expected: &&str| body.starts_with(expected.as_bytes());
        if status == self.status && self.bodies.iter().any(fits) {
            return Ok(());
        }
        Err(format!("answered {status} {}", String::from_utf8_lossy(&body)).into())
    }
}

impl Calling {
    /// Requests that were answered as they must be.
    pub(crate) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Stops the callers once each has its answer.
    pub(crate) fn end(mut self) -> Measured<Tally> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| "a caller panicked")?;
        }
        Ok(Tally {
            answered: self.answered(),
            failed: self.shared.failed.load(Ordering::Relaxed),
            first_failure: self.shared.first_failure.get().cloned(),
        })
    }
}

impl Tally {
    /// Fails when any request did.
    pub(crate) fn check(&self) -> Measured {
        let Some(first) = &self.first_failure else { return Ok(()) };
        let (failed, all) = (self.failed, self.failed + self.answered);
        Err(format!("{failed} of {all} requests failed, first {first}").into())
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}
