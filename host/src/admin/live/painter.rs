//! Looks at everything the dashboard shows, once a second.

use super::bus::Subjects;
use super::figures::{latency, micros};
use super::scene::{Scene, Section, as_json};
use super::window::{Sample, Window};
use crate::admin::Admin;
use crate::call::EndpointState;
use crate::engine::Tier;
use crate::loader::ModuleView;
use crate::pool::Service;
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Draws scenes, and remembers the last seconds for their figures.
pub(super) struct Painter {
    admin: Admin,
    services: HashMap<String, Window>,
    edges: HashMap<String, Window>,
    subjects: Subjects,
}

/// What of a service stays as it is for a while.
#[derive(Serialize)]
struct ServiceView<'s> {
    name: &'s str,
    version: String,
    root: &'s str,
    module: &'s str,
    digest: String,
    tier: Tier,
    key: &'s str,
    traffic: u32,
    withdrawn: Option<&'s str>,
    methods: usize,
    concurrency: usize,
    queue: usize,
    memory_mib: u64,
}

/// What of it changes with every call; rates and times are of the last ten
/// seconds.
#[derive(Serialize)]
struct FiguresView {
    calls: u64,
    rate: f64,
    failing: f64,
    p50_us: Option<u64>,
    p99_us: Option<u64>,
    running: usize,
    waiting: usize,
    idle: usize,
    instances: usize,
    /// Of the linear memories of all of them.
    memory_bytes: usize,
}

#[derive(Serialize)]
struct EdgeView<'e> {
    from: &'e str,
    to: &'e str,
    calls: u64,
    failures: u64,
    rate: f64,
    failing: f64,
}

impl Painter {
    pub(super) fn new(admin: Admin) -> Self {
        let (services, edges) = (HashMap::new(), HashMap::new());
        Self { admin, services, edges, subjects: Subjects::new() }
    }

    /// What there is now.
    pub(super) fn paint(&mut self) -> Scene {
        let now = Instant::now();
        let mut scene = Scene { host: self.host(), ..Scene::default() };
        self.paint_services(&mut scene, now);
        self.paint_edges(&mut scene.edges, now);
        for module in self.admin.desk.modules().iter() {
            let ModuleView { file, .. } = module;
            scene.modules.put(file, module);
        }
        for record in self.admin.registry.leased() {
            scene.records.put(format!("{} {}", record.key, record.registration), &record);
        }
        for endpoint in self.admin.client.endpoints() {
            let id = endpoint.identity().replace('\n', " ");
            scene.endpoints.put(id, &steady(endpoint));
        }
        for (service, listener) in self.admin.hearing.views() {
            scene.listeners.put(service.to_string(), &listener);
        }
        self.subjects.look(&*self.admin.bus, now);
        self.subjects.paint(&mut scene.subjects);
        scene
    }

    fn paint_services(&mut self, scene: &mut Scene, now: Instant) {
        let live = self.admin.live.take();
        for service in live.services() {
            let (id, of) = (&service.registration, Arc::as_ptr(&service.counts).addr());
            let window = self.services.entry(id.clone()).or_default();
            let tally = service.counts.tally();
            let is_same = |last: &&Sample| last.calls == tally.calls;
            let known = window.last(of).filter(is_same).map(|last| last.latency.clone());
            let latency = known.unwrap_or_else(|| Arc::new(latency(service)));
            let (calls, failures) = (tally.calls, tally.failures);
            window.push(of, Sample { at: now, calls, failures, latency });
            scene.services.put(id, &ServiceView::of(service));
            scene.figures.put(id, &FiguresView::of(service, calls, window));
        }
        self.services.retain(|id, _| scene.services.has(id));
    }

    fn paint_edges(&mut self, section: &mut Section, now: Instant) {
        for edge in self.admin.client.edges().list() {
            let id = format!("{}>{}", edge.from, edge.to);
            let window = self.edges.entry(id.clone()).or_default();
            let (calls, failures, latency) = (edge.calls, edge.failures, Arc::default());
            window.push(0, Sample { at: now, calls, failures, latency });
            let recent = window.recent();
            let (rate, failing) = (recent.rate, recent.failing);
            let (from, to) = (&*edge.from, &*edge.to);
            section.put(id, &EdgeView { from, to, calls, failures, rate, failing });
        }
    }

    fn host(&self) -> String {
        let admin = &self.admin;
        let (events, registry) = (admin.bus.counts(), &admin.registry);
        as_json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "run": admin.ticker.run,
            "time_ms": unix_ms(SystemTime::now()),
            "ready": admin.desk.is_ready(),
            "stopping": admin.front.is_stopping(),
            "requests": admin.front.requests(),
            "tasks": admin.front.crew.len(),
            "readers": admin.watches.count(),
            "waiting": admin.client.waiting(),
            "memory_bytes": resident_bytes(),
            "records": registry.len(),
            "leases": registry.lease_clock(),
            "published": events.published,
            "delivered": events.delivered,
            "unheard": events.unheard,
            "subscriptions": events.subscriptions,
            "edges_full": admin.client.edges().is_full(),
        }))
    }
}

impl<'s> ServiceView<'s> {
    fn of(service: &'s Service) -> Self {
        let (declaration, limits) = (&service.declaration, service.limits_now());
        Self {
            name: declaration.name.as_str(),
            version: declaration.version.to_string(),
            root: &declaration.root,
            module: service.module.as_str(),
            digest: service.digest.hex(),
            tier: service.tier,
            key: service.manifest.key.as_str(),
            traffic: service.traffic(),
            withdrawn: service.withdrawn(),
            methods: declaration.methods.len(),
            concurrency: limits.concurrency,
            queue: limits.queue,
            memory_mib: limits.memory_mib,
        }
    }
}

impl FiguresView {
    fn of(service: &Service, calls: u64, window: &Window) -> Self {
        let (running, waiting) = service.load();
        let recent = window.recent();
        Self {
            calls,
            rate: recent.rate,
            failing: recent.failing,
            p50_us: recent.p50.map(micros),
            p99_us: recent.p99.map(micros),
            running,
            waiting,
            idle: service.idle(),
            instances: service.usage().instances(),
            memory_bytes: service.usage().memory_bytes(),
        }
    }
}

/// An endpoint without what changes with every call and tells little.
fn steady(endpoint: EndpointState) -> EndpointState {
    let round = |micros: u64| {
        let digits = micros.checked_ilog10().unwrap_or_default().saturating_sub(1);
        let unit = 10_u64.pow(digits);
        micros / unit * unit
    };
    let rests_ms = endpoint.rests_ms.map(|ms| ms.div_ceil(1_000) * 1_000);
    let latency_us = endpoint.latency_us.map(round);
    EndpointState { rests_ms, latency_us, ..endpoint }
}

fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What the process holds in memory, as the kernel says.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}
