//! What the dashboard shows, as one stream of server-sent events: first all of
//! it, then every second what has changed.
//!
//! However many read, it is looked at once a second, and while nobody reads not
//! at all. A reader who is slow is told everything again instead of all that it
//! missed.

mod bus;
mod figures;
mod painter;
mod scene;
mod window;

pub(super) use figures::{MethodView, methods};

use super::described::{Operation, Paths, array, count, flag, object, path, text};
use super::{Admin, Refused};
use ::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::body::{Body, Bytes};
use axum::extract::State as AxumState;
use axum::response::{IntoResponse, Response};
use painter::Painter;
use scene::Scene;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked at.
const TICK: Duration = Duration::from_secs(1);

/// The looks that all readers share. Clones share them, too.
#[derive(Clone)]
pub(crate) struct Ticker {
    /// Tells this run of the host from the one after it.
    run: uuid::Uuid,
    /// Where the task that looks tells of it; nothing when none does.
    told: Arc<Mutex<Weak<Ticks>>>,
}

type Ticks = watch::Sender<Option<Arc<Tick>>>;

/// One look.
struct Tick {
    number: u64,
    scene: Scene,
    /// What has changed since the look before, as an event.
    change: Bytes,
}

/// A reader of the stream.
struct Reading {
    ticks: watch::Receiver<Option<Arc<Tick>>>,
    /// The number of the look that it was told of last.
    told: Option<u64>,
    _place: OwnedSemaphorePermit,
}

impl Default for Ticker {
    fn default() -> Self {
        Self { run: uuid::Uuid::new_v4(), told: Arc::default() }
    }
}

impl Ticker {
    /// Every look from now on, and the last one if somebody reads already.
    fn follow(&self, admin: &Admin) -> watch::Receiver<Option<Arc<Tick>>> {
        let mut told = self.lock();
        if let Some(ticks) = told.upgrade() {
            return ticks.subscribe();
        }
        let (ticks, receiver) = watch::channel(None);
        let ticks = Arc::new(ticks);
        *told = Arc::downgrade(&ticks);
        drop(told);
        let (ticker, admin) = (self.clone(), admin.clone());
        let crew = admin.front.crew.clone();
        // When the host stops, the sender goes with the task, and the streams end.
        crew.hire("live", |mut stop| async move {
            tokio::select! {
                () = ticker.tick(ticks, Painter::new(admin)) => (),
                () = stop.stopped() => (),
            }
        });
        receiver
    }

    /// Looks until nobody reads any more.
    async fn tick(&self, ticks: Arc<Ticks>, mut painter: Painter) {
        let mut pace = interval(TICK);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before: Option<Arc<Tick>> = None;
        loop {
            pace.tick().await;
            if self.is_forgotten(&ticks) {
                return;
            }
            let scene = painter.paint();
            let change = before.as_ref().map(|before| scene.change_since(&before.scene));
            let number = before.map_or(0, |before| before.number + 1);
            let tick = Arc::new(Tick { number, scene, change: change.unwrap_or_default() });
            before = Some(tick.clone());
            ticks.send_replace(Some(tick));
        }
    }

    /// Whether nobody reads; who comes then begins anew.
    fn is_forgotten(&self, ticks: &Ticks) -> bool {
        let mut told = self.lock();
        let is_forgotten = ticks.receiver_count() == 0;
        if is_forgotten {
            *told = Weak::new();
        }
        is_forgotten
    }

    fn lock(&self) -> MutexGuard<'_, Weak<Ticks>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// The next event; none when the host stops.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let tick = self.ticks.borrow_and_update().clone();
            if let Some(tick) = tick.filter(|tick| self.told != Some(tick.number)) {
                let follows = self.told.is_some_and(|told| told + 1 == tick.number);
                self.told = Some(tick.number);
                return Some(if follows { tick.change.clone() } else { tick.scene.whole() });
            }
            self.ticks.changed().await.ok()?;
        }
    }
}

pub(super) async fn live(AxumState(admin): AxumState<Admin>) -> Result<Response, Refused> {
    let place = admin.watches.take()?;
    let reading = Reading { ticks: admin.ticker.follow(&admin), told: None, _place: place };
    let events = futures::stream::unfold(reading, |mut reading| async move {
        let event = reading.next().await?;
        Some((Ok::<_, Infallible>(event), reading))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(events)).into_response())
}

/// Who calls whom, counted since the host started.
pub(super) async fn graph(AxumState(admin): AxumState<Admin>) -> axum::Json<Value> {
    let edges = admin.client.edges();
    axum::Json(json!({ "edges": edges.list(), "is_full": edges.is_full() }))
}

/// For the description of the API.
pub(super) fn described() -> Paths {
    let events = json!({ "text/event-stream": { "schema": text() } });
    let summary = "All that the dashboard shows, then every second what has changed";
    let told = "server-sent events: `whole`, then `change` with what is new; members that are \
                null are gone";
    let live = Operation::new("followAll", summary)
        .status(200, told, events)
        .refuses(503, "as many watch or hear as may")
        .lasts();
    let edge = json!({ "from": text(), "to": text(), "calls": count(), "failures": count() });
    let edges = json!({
        "edges": array(object(&["from", "to", "calls", "failures"], edge)), "is_full": flag(),
    });
    let graph = Operation::new("getGraph", "Who calls whom, counted since the host started")
        .answers("pairs; `is_full` when some may be missing", object(&["edges", "is_full"], edges));
    vec![("/admin/v1/live", path([("get", live)])), ("/admin/v1/graph", path([("get", graph)]))]
}
