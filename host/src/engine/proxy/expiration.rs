//! When an instance of a `wasi:http` guest ends.

use super::super::loan::Loan;
use super::super::pulse::ticks;
use super::super::slots::{Given, Keeper};
use super::super::state::Beside;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::ready;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep_until};
use wasmtime_wasi_http::handler::{WorkerExpiration, WorkerStatus};

/// What the second line of defence waits beyond the bound of a call.
const GRACE: Duration = Duration::from_millis(100);
/// Calls an instance may begin before it has finished with all it began. The
/// engine prefers a new call to what a guest does after an answer, so an
/// instance that is never idle would gather tasks, and their handles, for ever.
const CALLS_AT_A_STRETCH: usize = 16;

/// Instances of one revision that wait for a call.
pub(super) struct Waiting {
    count: AtomicUsize,
    count_max: usize,
    /// One permit for each that was told to go.
    to_go: Arc<Semaphore>,
}

/// Whether one instance waits for a call.
pub(super) struct Idleness {
    is_idle: AtomicBool,
    /// Calls begun since it was idle.
    calls: AtomicUsize,
    waiting: Arc<Waiting>,
}

/// The call that an instance is serving.
#[derive(Default)]
pub(super) struct Serving {
    until: Option<Instant>,
    /// Sent when the answer has begun; dropped when nobody waits for it.
    answered: Option<oneshot::Receiver<()>>,
}

type Event = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Ends an instance that overstays.
pub(super) struct Expiration {
    pub(super) serving: Arc<Mutex<Serving>>,
    pub(super) idleness: Arc<Idleness>,
    beside: Arc<Beside>,
    idle_max: Duration,
    /// Resolves when the revision is gone.
    retired: Event,
    /// While it is idle: resolves when another needs its place.
    told_to_go: Option<Event>,
    alarm: Pin<Box<Sleep>>,
}

impl Waiting {
    /// Lets so many instances wait.
    pub(super) fn new(count_max: usize) -> Arc<Self> {
        let to_go = Arc::new(Semaphore::new(0));
        Arc::new(Self { count: AtomicUsize::new(0), count_max, to_go })
    }

    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }
}

impl Keeper for Waiting {
    fn give_up_one(&self) -> Given {
        if self.count() <= self.to_go.available_permits() {
            return Given::Nothing;
        }
        self.to_go.add_permits(1);
        Given::Soon
    }
}

impl Idleness {
    pub(super) fn new(waiting: Arc<Waiting>) -> Arc<Self> {
        let (is_idle, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
        Arc::new(Self { is_idle, calls, waiting })
    }

    /// A call begins.
    pub(super) fn begin_call(&self) {
        self.calls.fetch_add(1, Relaxed);
        self.end();
    }

    /// Whether the instance has to be idle before it begins another call.
    pub(super) fn is_due(&self) -> bool {
        CALLS_AT_A_STRETCH <= self.calls.load(Relaxed)
    }

    /// The instance has something to do.
    fn end(&self) {
        if self.is_idle.swap(false, Relaxed) {
            self.waiting.count.fetch_sub(1, Relaxed);
        }
    }

    /// The instance waits. False when enough others do.
    fn begin(&self) -> bool {
        self.is_idle.swap(true, Relaxed)
            || self.waiting.count.fetch_add(1, Relaxed) < self.waiting.count_max
    }
}

impl Drop for Idleness {
    fn drop(&mut self) {
        self.end();
    }
}

impl Serving {
    pub(super) fn of(until: Instant, answered: oneshot::Receiver<()>) -> Self {
        Self { until: Some(until), answered: Some(answered) }
    }
}

impl Expiration {
    /// For an instance of a revision that is gone when `alive` is closed.
    pub(super) fn new(
        beside: Arc<Beside>,
        idleness: Arc<Idleness>,
        loan: Loan,
        mut alive: watch::Receiver<()>,
    ) -> Self {
        let idle_max = loan.idle_max();
        Self {
            serving: Arc::default(),
            idleness,
            beside,
            idle_max,
            retired: Box::pin(async move { while alive.changed().await.is_ok() {} }),
            told_to_go: None,
            alarm: Box::pin(sleep_until(Instant::now() + idle_max)),
        }
    }

    /// Ready when an instance without a call has to go.
    fn look_at_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.idleness.begin() || self.retired.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if CALLS_AT_A_STRETCH <= self.idleness.calls.swap(0, Relaxed) {
            // It refused calls until now, and is asked again.
            cx.waker().wake_by_ref();
        }
        let to_go = &self.idleness.waiting.to_go;
        let told = self.told_to_go.get_or_insert_with(|| Box::pin(told(to_go.clone())));
        told.poll_unpin(cx)
    }

    /// Ready when nobody waits for the answer any more.
    fn look_at_call(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(answered) = serving.answered.as_mut() else { return Poll::Pending };
        match ready!(answered.poll_unpin(cx)) {
            Ok(()) => {
                serving.answered = None;
                Poll::Pending
            }
            Err(_nobody_waits) => Poll::Ready(()),
        }
    }

    /// The alarm is moved when it has to come earlier, or has come too early;
    /// most calls leave it where it is.
    fn wait_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if at < self.alarm.deadline() {
            self.alarm.as_mut().reset(at);
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            if at <= self.alarm.deadline() {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(at);
        }
        Poll::Pending
    }

    fn call_until(&self) -> Option<Instant> {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        serving.until.map(|until| until + GRACE)
    }
}

/// Resolves for one of those who wait for it.
async fn told(to_go: Arc<Semaphore>) {
    if let Ok(told) = to_go.acquire().await {
        told.forget();
    }
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        start: std::time::Instant,
    ) -> Poll<()> {
        // Asked whenever the instance has come to rest.
        let Beside { meter, met, .. } = &*self.beside;
        if meter.paused(Instant::now) {
            // When it goes on is not told.
            met.rest(ticks());
        } else {
            met.go_on(ticks());
        }
        let idle_until = Instant::from_std(start + self.idle_max);
        let at = if status == WorkerStatus::Idle {
            if self.look_at_idle(cx).is_ready() {
                return Poll::Ready(());
            }
            idle_until
        } else {
            self.told_to_go = None;
            if status == WorkerStatus::Requests && self.look_at_call(cx).is_ready() {
                return Poll::Ready(());
            }
            self.call_until().unwrap_or(idle_until)
        };
        self.wait_until(at, cx)
    }
}
