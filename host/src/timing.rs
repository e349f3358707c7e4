//! Services do something from time to time.
//!
//! Each timer of a service has a task, which outlives the revisions that
//! declare it unchanged. When it fires, one of the versions that have it is
//! called.

use crate::block::Params;
use crate::call::{Call, CallBody, CallContext, CallHead, Entrance, RequestIds, mix};
use crate::cores::Cores;
use crate::crew::{Crew, StopSignal};
use crate::declaration::Timer;
use crate::fault::Fault;
use crate::live::Live;
use crate::name::Name;
use crate::pool::{Served, Service};
use crate::publish::Snapshots;
use crate::schedule::Schedule;
use crate::traffic::Asked;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

/// All timers of services. Clones share them.
#[derive(Clone)]
pub(crate) struct Timing {
    shared: Arc<Shared>,
}

struct Shared {
    live: Snapshots<Live>,
    crew: Crew,
    cores: Arc<Cores>,
    ids: RequestIds,
    /// Those of each service.
    clocks: Mutex<BTreeMap<Name, Vec<Arc<Clock>>>>,
}

/// One timer of a service.
struct Clock {
    service: Name,
    timer: Timer,
    since: Instant,
    fired: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
    gone: Notify,
}

/// How a timer does.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct TimerView {
    pub(crate) name: Name,
    /// `every 30s`, or `cron` and the pattern.
    pub(crate) schedule: String,
    pub(crate) overlap: bool,
    pub(crate) description: String,
    /// Times that it fired.
    pub(crate) fired: u64,
    /// Of these, those that ended in a fault.
    pub(crate) failed: u64,
    /// Times that it was due and left out: the time before had not ended, the
    /// service had no place for it, or no version of it takes traffic.
    pub(crate) skipped: u64,
}

/// When a service that had no place is asked again.
const AGAIN: Duration = Duration::from_millis(20);
/// How long it is asked.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the clock on the wall is looked at by those who wait for it.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Runs of one timer that may go on at once.
const AT_ONCE_MAX: usize = 16;

const SCHEDULED_AT: HeaderName = HeaderName::from_static("x-scheduled-at");

impl Timing {
    /// Nothing fires before [`follow`](Self::follow).
    pub(crate) fn new(live: Snapshots<Live>, crew: Crew, cores: Arc<Cores>) -> Self {
        let (ids, clocks) = (RequestIds::default(), Mutex::default());
        Self { shared: Arc::new(Shared { live, crew, cores, ids, clocks }) }
    }

    /// Takes up the timers of the services that are live now. Called after each
    /// change of the table, by who changed it.
    pub(crate) fn follow(&self) {
        let live = self.shared.live.take();
        let mut clocks = self.shared.clocks();
        clocks.retain(|service, clocks| {
            clocks.retain(|clock| {
                let versions = live.versions(service.as_str());
                let stays = versions.iter().any(|version| clock.index_in(version).is_some());
                if !stays {
                    clock.gone.notify_one();
                }
                stays
            });
            !clocks.is_empty()
        });
        for service in live.services() {
            let name = &service.declaration.name;
            for timer in &service.declaration.timers {
                let there = clocks.entry(name.clone()).or_default();
                if !there.iter().any(|clock| clock.timer.is_same(timer)) {
                    there.push(self.shared.hire(Clock::new(name.clone(), timer.clone())));
                }
            }
        }
        clocks.retain(|_, clocks| !clocks.is_empty());
    }

    /// How the timers do, by service.
    pub(crate) fn views(&self) -> BTreeMap<Name, Vec<TimerView>> {
        let clocks = self.shared.clocks();
        let views = |clocks: &Vec<Arc<Clock>>| clocks.iter().map(|clock| clock.view()).collect();
        clocks.iter().map(|(service, clocks)| (service.clone(), views(clocks))).collect()
    }

    /// How those of one service do.
    pub(crate) fn view(&self, service: &Name) -> Vec<TimerView> {
        let clocks = self.shared.clocks();
        clocks.get(service).into_iter().flatten().map(|clock| clock.view()).collect()
    }
}

impl Shared {
    fn clocks(&self) -> MutexGuard<'_, BTreeMap<Name, Vec<Arc<Clock>>>> {
        self.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a task keep a timer, on one of the threads that serve.
    fn hire(self: &Arc<Self>, clock: Clock) -> Arc<Clock> {
        let clock = Arc::new(clock);
        let Some(seat) = self.cores.seat() else { return clock };
        let (shared, kept) = (self.clone(), clock.clone());
        let threads = seat.handle().clone();
        self.crew.hire_on(&threads, "timer", |stop| async move {
            let _seat = seat;
            shared.keep(&kept, stop).await;
        });
        clock
    }

    async fn keep(&self, clock: &Clock, mut stop: StopSignal) {
        let mut under_way = FuturesUnordered::new();
        let at_once = if clock.timer.overlap { AT_ONCE_MAX } else { 1 };
        let mut next = clock.next_due();
        loop {
            tokio::select! {
                due = reached(next) => {
                    next = clock.next_due();
                    if under_way.len() < at_once {
                        under_way.push(self.fire(clock, due));
                    } else {
                        clock.skipped.fetch_add(1, Relaxed);
                    }
                }
                Some(()) = under_way.next() => (),
                () = clock.gone.notified() => break,
                () = stop.stopped() => break,
            }
        }
        while under_way.next().await.is_some() {}
    }

    /// Calls a version that has the timer. One that has no place for it now is
    /// asked again for a while. Where there is none, the time is left out.
    async fn fire(&self, clock: &Clock, due: Timestamp) {
        let given_up = Instant::now() + PATIENCE;
        while let Some((service, index)) = self.choose(clock, due) {
            match service.call(Box::new(self.call(&service, index, clock, due))).await {
                Served::Closing(_) => sleep(AGAIN).await,
                Served::Answered(Err(Fault::Overloaded { .. } | Fault::HostOverloaded)) => {
                    if given_up <= Instant::now() {
                        break;
                    }
                    sleep(AGAIN).await;
                }
                Served::Answered(outcome) => {
                    clock.fired.fetch_add(1, Relaxed);
                    if let Err(fault) = outcome {
                        clock.failed.fetch_add(1, Relaxed);
                        let (revision, timer) = (&service.digest, &clock.timer.name);
                        let service = &clock.service;
                        warn!(%service, %revision, %timer, %fault, "timer ended in a fault");
                    }
                    return;
                }
            }
        }
        clock.skipped.fetch_add(1, Relaxed);
    }

    /// A version that takes traffic and has a timer, and which of its timers it is.
    fn choose(&self, clock: &Clock, due: Timestamp) -> Option<(Arc<Service>, u32)> {
        let lot = mix(due.as_millisecond().unsigned_abs());
        let asked = Asked { version: None, random: lot };
        let index_in = |version: &Service| clock.index_in(version);
        self.live.peek().draw(clock.service.as_str(), &asked, index_in)
    }

    /// A timer that fires as the call that a service knows it by.
    fn call(&self, service: &Service, index: u32, clock: &Clock, due: Timestamp) -> Call {
        let at = HeaderValue::from(due.as_millisecond());
        let head = CallHead {
            verb: Method::from_bytes(b"TIMER").unwrap_or_default(),
            uri: Uri::from_maybe_shared(format!("/{}", clock.timer.name)).unwrap_or_default(),
            params: Params::default(),
            headers: HeaderMap::from_iter([(SCHEDULED_AT, at)]),
        };
        let deadline = Instant::now() + service.limits().wall();
        let context = CallContext::outermost(self.ids.next(None, None), deadline);
        Call { entrance: Entrance::Timer(index), head, body: CallBody::Empty, context }
    }
}

impl Clock {
    fn new(service: Name, timer: Timer) -> Self {
        let (fired, failed, skipped) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let (since, gone) = (Instant::now(), Notify::new());
        Self { service, timer, since, fired, failed, skipped, gone }
    }

    /// Where a version declares it.
    fn index_in(&self, version: &Service) -> Option<u32> {
        let timers = &version.declaration.timers;
        let index = timers.iter().position(|timer| timer.is_same(&self.timer))?;
        u32::try_from(index).ok()
    }

    /// The first time from now on. Times that were missed, because the machine
    /// slept or its clock was set, are not made up for.
    fn next_due(&self) -> Option<Due> {
        match &self.timer.schedule {
            Schedule::Every(period) => {
                let passed = self.since.elapsed().as_nanos() % period.as_nanos().max(1);
                let passed = Duration::from_nanos(u64::try_from(passed).unwrap_or_default());
                Some(Due::At(Instant::now() + period.saturating_sub(passed)))
            }
            Schedule::Cron(schedule) => schedule.next_after(Timestamp::now()).map(Due::On),
        }
    }

    fn view(&self) -> TimerView {
        TimerView {
            name: self.timer.name.clone(),
            schedule: self.timer.schedule.to_string(),
            overlap: self.timer.overlap,
            description: self.timer.description.clone(),
            fired: self.fired.load(Relaxed),
            failed: self.failed.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
        }
    }
}

/// When a timer is due next.
#[derive(Clone, Copy)]
enum Due {
    At(Instant),
    /// By the clock on the wall, which may be set meanwhile.
    On(Timestamp),
}

/// Resolves when it is due, with the time.
async fn reached(due: Option<Due>) -> Timestamp {
    match due {
        None => std::future::pending().await,
        Some(Due::At(at)) => {
            sleep_until(at).await;
            Timestamp::now()
        }
        Some(Due::On(time)) => loop {
            let left = Timestamp::now().duration_until(time);
            match Duration::try_from(left) {
                Ok(left) if !left.is_zero() => sleep(left.min(LOOK_EVERY)).await,
                _ => return time,
            }
        },
    }
}
