//! Tasks that are owned, named and joined.
//!
//! Hiring is the only way to start a task, and a crew is joined before its
//! owner returns, so nothing outlives what started it. A panic in a task is
//! logged and counted.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::{Instrument, debug_span, error};

/// Tasks of one part of the host. Clones share the same tasks.
#[derive(Clone, Debug)]
pub(crate) struct Crew {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tasks: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
    finished: AtomicUsize,
    panicked: AtomicUsize,
}

/// Told to every task at hiring; resolves when the crew is disbanding.
#[derive(Clone, Debug)]
pub(crate) struct StopSignal(watch::Receiver<bool>);

/// How the tasks ended. A clean stop has nothing in the last two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub finished: usize,
    pub panicked: usize,
    pub cut_short: usize,
}

impl Default for Crew {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                tasks: Mutex::default(),
                stop: watch::Sender::new(false),
                finished: AtomicUsize::new(0),
                panicked: AtomicUsize::new(0),
            }),
        }
    }
}

impl Crew {
    /// Starts a task. After [`Crew::disband`] it is dropped unstarted.
    pub(crate) fn hire<F>(&self, role: &'static str, work: impl FnOnce(StopSignal) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.hire_on(&Handle::current(), role, work);
    }

    /// The same on other threads.
    pub(crate) fn hire_on<F>(
        &self,
        threads: &Handle,
        role: &'static str,
        work: impl FnOnce(StopSignal) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let signal = self.stop_signal();
        if self.is_disbanding() {
            return;
        }
        let mut tasks = self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Reap as we go: a crew that hires per connection must not grow.
        while let Some(ended) = tasks.try_join_next() {
            self.count(&ended);
        }
        tasks.spawn_on(work(signal).instrument(debug_span!("task", role)), threads);
    }

    /// Whether tasks are hired no more.
    pub(crate) fn is_disbanding(&self) -> bool {
        *self.shared.stop.borrow()
    }

    /// What tasks are told with.
    pub(crate) fn stop_signal(&self) -> StopSignal {
        StopSignal(self.shared.stop.subscribe())
    }

    /// Tasks that have not ended yet.
    pub(crate) fn len(&self) -> usize {
        let mut tasks = self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = tasks.try_join_next() {
            self.count(&ended);
        }
        tasks.len()
    }

    /// Asks every task to stop, waits up to `grace`, then cuts the rest short.
    pub(crate) async fn disband(&self, grace: Duration) -> Report {
        self.shared.stop.send_replace(true);
        let mut tasks = {
            let mut tasks = self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        let everyone = async {
            while let Some(ended) = tasks.join_next().await {
                self.count(&ended);
            }
        };
        let mut cut_short = 0;
        if tokio::time::timeout(grace, everyone).await.is_err() {
            tasks.abort_all();
            while let Some(ended) = tasks.join_next().await {
                if ended.as_ref().is_err_and(JoinError::is_cancelled) {
                    cut_short += 1;
                } else {
                    self.count(&ended);
                }
            }
        }
        Report {
            finished: self.shared.finished.load(Ordering::Relaxed),
            panicked: self.shared.panicked.load(Ordering::Relaxed),
            cut_short,
        }
    }

    fn count(&self, ended: &Result<(), JoinError>) {
        match ended {
            Ok(()) => self.shared.finished.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                error!(%error, "a task of the host panicked");
                self.shared.panicked.fetch_add(1, Ordering::Relaxed)
            }
        };
    }
}

impl StopSignal {
    /// Resolves when the crew is told to stop.
    pub(crate) async fn stopped(&mut self) {
        // The sender lives as long as the crew, so an error also means "stop".
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn tells_the_willing_from_the_deaf_and_the_broken() {
        let crew = Crew::default();
        crew.hire("polite", |mut stop| async move { stop.stopped().await });
        crew.hire("deaf", |_stop| sleep(Duration::from_secs(3600)));
        crew.hire("broken", |_stop| async { panic!("on purpose") });
        let report = crew.disband(Duration::from_secs(1)).await;
        assert_eq!(report, Report { finished: 1, panicked: 1, cut_short: 1 });
        crew.hire("late", |_stop| async { panic!("never started") });
        assert_eq!(crew.len(), 0);
    }
}
