//! The one task that owns the folder's state and the live table.

mod anew;
mod back;
mod deploy;
mod jobs;
mod judge;
mod orders;
mod swap;
mod view;
mod watching;

use super::events::Events;
use super::folder::{Folder, Stamp, manifest_of};
use super::job::{JOBS_AT_ONCE, Workshop};
use super::past::Past;
use super::plan::Standing;
use super::settle::{QUIET, Settling, Verdict as Settled};
use super::tally::LoadTally;
use super::upload::Uploads;
use super::{ModuleView, RESCAN, RevisionView};
use crate::abroad::Abroad;
use crate::browsers::Browsers;
use crate::buckets::Buckets;
use crate::bus::Bus;
use crate::call::Neighbours;
use crate::crew::{Crew, StopSignal};
use crate::digest::Digest;
use crate::engine::{Engine, Slots};
use crate::hearing::Hearing;
use crate::lane::Lane;
use crate::limits::HostLimits;
use crate::live::Live;
use crate::publish::{Publisher, Snapshots, published};
use crate::registry::Registry;
use crate::settings::Settings;
use crate::sockets::Sockets;
use crate::telemetry::Announcer;
use crate::timing::Timing;
use crate::traces::Traces;
pub(crate) use anew::Restarted;
use deploy::Deploys;
pub(crate) use deploy::{Judged, TakenOut, Verdict, Wait};
use jobs::{Optimizing, Outcome};
use judge::Conduct;
use orders::Order;
pub(crate) use orders::{Named, OrderError, RolledBack};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

/// What others see of the loader.
#[derive(Clone)]
pub(crate) struct Desk {
    views: Snapshots<Vec<ModuleView>>,
    ready: watch::Receiver<bool>,
    orders: mpsc::Sender<Order>,
    uploads: Uploads,
    pub(crate) loads: Arc<LoadTally>,
}

impl Desk {
    /// Every module of the folder.
    pub(crate) fn modules(&self) -> Arc<Vec<ModuleView>> {
        self.views.take()
    }

    /// Whether the first scan is done.
    pub(crate) fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Resolves when it is, and never when the loader ends before that.
    pub(crate) async fn ready(mut self) {
        if self.ready.wait_for(|ready| *ready).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The loader, before it runs.
pub(crate) struct Loader {
    workshop: Arc<Workshop>,
    past: Arc<Past>,
    live: Publisher<Live>,
    hearing: Hearing,
    browsers: Browsers,
    timing: Timing,
    registry: Arc<Registry>,
    announcer: Announcer,
    domain: String,
    node: String,
    drain_max: Duration,
    modules_max: usize,
    started: Instant,
    modules: BTreeMap<String, Module>,
    settling: Settling,
    events: Arc<Events>,
    results: (mpsc::Sender<Outcome>, mpsc::Receiver<Outcome>),
    orders: mpsc::Receiver<Order>,
    deploys: Deploys,
    loads: Arc<LoadTally>,
    views: Publisher<Vec<ModuleView>>,
    ready: watch::Sender<bool>,
    /// Files of the first scan that are not settled one way or the other.
    awaited: BTreeSet<String>,
    /// Manifests without a module.
    orphans: BTreeSet<String>,
    batch: u64,
    modules_seen: u64,
    look_again: Option<Instant>,
    judge_at: Option<Instant>,
}

/// A file of the folder.
#[derive(Default)]
struct Module {
    /// Tells it from one that had its name before.
    id: u64,
    /// How the file looked when it was last taken.
    taken: Option<Stamp>,
    loading: bool,
    /// A newer save waits for the one that is loading.
    again: bool,
    /// Better code for what is live is being compiled.
    optimizing: Option<Optimizing>,
    live: Option<Revision>,
    /// Loaded, and kept from being live by a conflict alone.
    parked: Option<Revision>,
    refusal: Option<String>,
    before: Vec<RevisionView>,
    missing_since: Option<Instant>,
    /// What is known of how it fails.
    conduct: Conduct,
}

#[derive(Clone)]
struct Revision {
    standing: Standing,
    /// What the file held that led to it.
    file: Digest,
    load_ms: u64,
    live_since: SystemTime,
}

/// Revisions before the live one that are listed.
const HISTORY_MAX: usize = 8;
/// Outcomes that wait for the loader.
const OUTCOMES_WAITING: usize = 64;

/// What the loader works with.
pub(crate) struct Tools {
    pub(crate) engine: Arc<Engine>,
    pub(crate) past: Arc<Past>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) live: Publisher<Live>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) neighbours: Arc<dyn Neighbours>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) buckets: Buckets,
    pub(crate) abroad: Abroad,
    pub(crate) sockets: Sockets,
    pub(crate) hearing: Hearing,
    pub(crate) browsers: Browsers,
    pub(crate) timing: Timing,
    pub(crate) crew: Crew,
    pub(crate) traces: Traces,
    pub(crate) announcer: Announcer,
    pub(crate) domain: String,
}

impl Loader {
    pub(crate) fn new(settings: &Settings, tools: Tools) -> (Self, Desk) {
        let limits: HostLimits = settings.limits;
        let folder = Folder { path: settings.folder.clone(), links_out: settings.links_out };
        let workshop = Workshop {
            folder,
            engine: tools.engine,
            past: Some(tools.past.clone()),
            limits,
            neighbours: tools.neighbours,
            bus: tools.bus,
            buckets: tools.buckets,
            abroad: tools.abroad,
            sockets: tools.sockets,
            config: settings.config.clone(),
            environment: settings.environment.clone(),
            slots: tools.slots,
            crew: tools.crew,
            traces: tools.traces,
            jobs: Lane::new(JOBS_AT_ONCE),
            fast_reload: settings.fast_reload,
        };
        let (views, seen) = published(Vec::new());
        let ready = watch::Sender::new(false);
        let (sender, orders) = Self::order_book();
        let uploads = Uploads::new(&settings.folder, limits);
        let loads = Arc::<LoadTally>::default();
        let (is_ready, tally) = (ready.subscribe(), loads.clone());
        let desk = Desk { views: seen, ready: is_ready, orders: sender, uploads, loads: tally };
        let loader = Self {
            workshop: Arc::new(workshop),
            past: tools.past,
            live: tools.live,
            hearing: tools.hearing,
            browsers: tools.browsers,
            timing: tools.timing,
            registry: tools.registry,
            announcer: tools.announcer,
            domain: tools.domain,
            node: settings.node.clone(),
            drain_max: Duration::from_millis(limits.drain_ms_max),
            modules_max: limits.modules_max,
            started: Instant::now(),
            modules: BTreeMap::new(),
            settling: Settling::default(),
            events: Arc::default(),
            results: mpsc::channel(OUTCOMES_WAITING),
            orders,
            deploys: Deploys::default(),
            loads,
            views,
            ready,
            awaited: BTreeSet::new(),
            orphans: BTreeSet::new(),
            batch: 0,
            modules_seen: 0,
            look_again: None,
            judge_at: None,
        };
        (loader, desk)
    }

    /// Watches and loads until told to stop; what is live stays live, and has its
    /// last word.
    pub(crate) async fn run(mut self, mut stop: StopSignal) {
        let mut watcher = self.watch();
        let events = self.events.clone();
        self.scan(true);
        self.note_orphans();
        self.note_ready();
        let mut rescan = Instant::now() + RESCAN;
        loop {
            let next = self.look_again.map_or(rescan, |at| at.min(rescan));
            tokio::select! {
                () = stop.stopped() => break,
                Some(outcome) = self.results.1.recv() => self.take_outcomes(outcome),
                () = sleep_until(self.judge_at.unwrap_or(next)), if self.judge_at.is_some() => {
                    self.judge_versions();
                }
                Some(order) = self.orders.recv() => self.take_order(order),
                () = events.came.notified() => {
                    self.take_events();
                    self.scan(false);
                }
                () = sleep_until(next) => {
                    if rescan <= Instant::now() {
                        rescan = Instant::now() + RESCAN;
                        watcher = watcher.or_else(|| self.watch());
                        self.rearm(watcher.as_mut());
                        self.note_orphans();
                        self.reclaim();
                    }
                    self.look_again = None;
                    self.scan(false);
                }
            }
            self.put_waiting();
            self.note_ready();
        }
        self.stop_all().await;
    }

    /// Looks at every file and begins what is to be done.
    fn scan(&mut self, is_first: bool) {
        let found = match self.workshop.folder.scan() {
            Ok(found) => found,
            Err(error) => {
                let folder = self.workshop.folder.path.display().to_string();
                warn!(folder, %error, "folder cannot be listed; what is live stays live");
                return;
            }
        };
        self.batch += 1;
        let (now, wall) = (self.started.elapsed(), SystemTime::now());
        for (file, stamp) in &found {
            let (known, manifest) = (self.modules.get(file), manifest_of(file));
            if known.is_none() && self.modules_max <= self.modules.len() {
                let max = self.modules_max;
                warn!(file, max, "not looked at, the folder holds too many modules");
                continue;
            }
            let module = self.modules.entry(file.clone()).or_insert_with(|| {
                self.modules_seen += 1;
                Module { id: self.modules_seen, ..Module::default() }
            });
            module.missing_since = None;
            if module.taken.as_ref() == Some(stamp) {
                self.settling.forget(file);
                self.settling.forget(&manifest);
                continue;
            }
            let [wasm, toml] = stamp.looks(wall);
            let verdict = self.settling.judge(file, wasm, now);
            match verdict.max(self.settling.judge(&manifest, toml, now)) {
                Settled::Whole => {
                    self.settling.forget(file);
                    self.settling.forget(&manifest);
                    module.taken = Some(stamp.clone());
                    if is_first {
                        self.awaited.insert(file.clone());
                    }
                    self.begin(file);
                }
                Settled::Wait(at) => {
                    if is_first {
                        self.awaited.insert(file.clone());
                    }
                    self.wake_at(self.started + at);
                }
                Settled::BeingWritten => (),
            }
        }
        self.look_for_missing(&found);
        self.render();
    }

    fn look_for_missing(&mut self, found: &BTreeMap<String, Stamp>) {
        let now = Instant::now();
        let gone: Vec<String> =
            self.modules.keys().filter(|file| !found.contains_key(*file)).cloned().collect();
        for file in gone {
            let Some(module) = self.modules.get_mut(&file) else { continue };
            // An editor may take a file away for a moment before it puts the
            // new one there.
            let since = *module.missing_since.get_or_insert(now);
            if now < since + QUIET && module.live.is_some() {
                self.wake_at(since + QUIET);
            } else {
                self.remove(&file);
            }
        }
    }

    fn wake_at(&mut self, at: Instant) {
        self.look_again = Some(self.look_again.map_or(at, |known| known.min(at)));
    }

    fn reclaim(&self) {
        let now = Instant::now();
        for revision in self.modules.values().filter_map(|module| module.live.as_ref()) {
            revision.standing.service.reclaim(now);
        }
    }

    fn note_ready(&mut self) {
        if self.awaited.is_empty() && !*self.ready.borrow() {
            self.ready.send_replace(true);
            self.browsers.open();
            self.announcer.say("ready");
            if self.modules.is_empty() {
                let folder = self.workshop.folder.path.display();
                self.announcer.say(&format!(
                    "{folder} holds no module yet: put a .wasm file there, \
                     or make a service with `picolet new NAME`"
                ));
            }
        }
    }

    fn render(&mut self) {
        let views =
            self.modules.iter().map(|(file, module)| module.view(file, &self.past)).collect();
        drop(self.views.publish(views));
    }
}
