//! How the parts of a host are put together, before any of it runs.

use super::{Crews, Host, Ready};
use crate::admin::{Access, Admin, Ticker, Watches};
use crate::browsers::{Browsers, Footing};
use crate::client::{Client, Means};
use crate::crew::Crew;
use crate::engine::Slots;
use crate::hearing::Hearing;
use crate::http::{Front, Ground};
use crate::live::Live;
use crate::loader::{Desk, Loader, Tools};
use crate::publish::{Publisher, Snapshots, published};
use crate::registry::Registry;
use crate::settings::Settings;
use crate::telemetry::Log;
use crate::timing::Timing;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What knows of services, and calls them.
struct Known {
    registry: Arc<Registry>,
    live: Snapshots<Live>,
    client: Client,
    hearing: Hearing,
    timing: Timing,
    browsers: Browsers,
}

impl Host {
    pub(super) fn wire(
        settings: Settings,
        ready: Ready,
        listeners: Vec<TcpListener>,
        admin_listener: TcpListener,
    ) -> Self {
        let (limits, crews) = (settings.limits, Crews::default());
        let (publisher, live) = published(Live::default());
        let known = Known::of(&settings, &ready, live, &crews.inner);
        let front = front(&settings, &ready, &known, &crews.inner);
        let (loader, desk) = loader(&settings, &ready, &known, (publisher, &crews.inner));
        let Ready { announcer, bus, buckets, abroad, traces, exporter, .. } = ready;
        let Known { registry, live, client, hearing, timing, .. } = known;
        let admin = Admin {
            registry,
            live,
            desk,
            client,
            front: front.clone(),
            ids: Arc::default(),
            watches: Watches::default(),
            ticker: Ticker::default(),
            bus,
            hearing,
            timing,
            buckets,
            abroad,
            traces,
            event_bytes_max: limits.event_bytes_max,
            log: Log::of_process(),
            access: Access::new(settings.token.clone(), settings.is_registry_open),
        };
        Self {
            settings,
            listeners,
            admin_listener,
            front,
            admin,
            loader,
            exporter,
            crews,
            announcer,
        }
    }
}

impl Known {
    fn of(settings: &Settings, ready: &Ready, live: Snapshots<Live>, crew: &Crew) -> Self {
        let (limits, outbound) = (settings.limits, ready.outbound.clone());
        let registry = Registry::new(settings.leases, limits.records_max, outbound.clone());
        let (locals, traces) = (Box::new(live.clone()), ready.traces.clone());
        let means = Means { locals, registry: registry.clone(), outbound, traces };
        let client = Client::new(means, limits, settings.balance);
        let footing = Footing {
            bus: ready.bus.clone(),
            live: live.clone(),
            sockets: ready.sockets.clone(),
            origins: settings.origins.clone(),
            crew: crew.clone(),
            edges: client.edges().clone(),
        };
        let (bus, cores) = (ready.bus.clone(), ready.cores.clone());
        Self {
            registry,
            client,
            hearing: Hearing::new(bus, live.clone(), crew.clone(), cores.clone()),
            timing: Timing::new(live.clone(), crew.clone(), cores),
            browsers: Browsers::new(footing, limits),
            live,
        }
    }
}

fn front(settings: &Settings, ready: &Ready, known: &Known, crew: &Crew) -> Arc<Front> {
    let ground = Ground {
        live: known.live.clone(),
        registry: known.registry.clone(),
        client: known.client.clone(),
        browsers: known.browsers.clone(),
        crew: crew.clone(),
        cores: ready.cores.clone(),
        sockets: ready.sockets.clone(),
        origins: settings.origins.clone(),
        domain: ready.domain.clone(),
        has_access_log: settings.log.access,
        gateway: settings.gateway.clone(),
        traces: ready.traces.clone(),
    };
    Front::new(ground, settings.limits)
}

fn loader(
    settings: &Settings,
    ready: &Ready,
    known: &Known,
    (live, crew): (Publisher<Live>, &Crew),
) -> (Loader, Desk) {
    let tools = Tools {
        engine: ready.engine.clone(),
        past: ready.past.clone(),
        slots: Slots::new(settings.limits.instances_max),
        live,
        registry: known.registry.clone(),
        neighbours: Arc::new(known.client.clone()),
        bus: ready.bus.clone(),
        buckets: ready.buckets.clone(),
        abroad: ready.abroad.clone(),
        sockets: ready.sockets.clone(),
        hearing: known.hearing.clone(),
        timing: known.timing.clone(),
        browsers: known.browsers.clone(),
        crew: crew.clone(),
        traces: ready.traces.clone(),
        announcer: ready.announcer.clone(),
        domain: ready.domain.clone(),
    };
    Loader::new(settings, tools)
}
