//! A host that runs: what its tasks are, and in which order they end.

use super::{Crews, Host, admin_side};
use crate::admin;
use crate::crew::Report;
use crate::http::Front;
use crate::limits::{HOOK_MS, HostLimits};
use crate::telemetry::Announcer;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::info;

/// A host that runs.
pub(super) struct Run {
    pub(super) front: Arc<Front>,
    crews: Crews,
    pub(super) announcer: Announcer,
    limits: HostLimits,
    /// Whether addresses are let go of.
    closing: watch::Sender<bool>,
}

/// What the loader gets until the last service has stopped; each is bounded.
const STOPS_GRACE: Duration = Duration::from_millis(2 * *HOOK_MS.end());
/// What the admin side gets to end its answers.
const ADMIN_GRACE: Duration = Duration::from_millis(500);
/// What is left of streams gets when their connections have ended.
const STREAMS_GRACE: Duration = Duration::from_millis(500);

impl Host {
    /// Starts the tasks of the host.
    pub(super) fn start(self) -> Run {
        let limits = self.settings.limits;
        let Crews { outer, loading, .. } = &self.crews;
        let closing = watch::Sender::new(false);
        for listener in self.listeners {
            let (front, closing) = (self.front.clone(), closing.subscribe());
            outer.hire("accept", |_| front.accept(listener, closing));
        }
        let front = self.front.clone();
        outer.hire("watch", |stop| front.keep_watch(stop));
        let registry = self.admin.registry.clone();
        outer.hire("health checks", |stop| registry.keep_checking(stop));
        for external in self.settings.external {
            let registry = self.admin.registry.clone();
            outer.hire("external", |stop| registry.keep_external(external, stop));
        }
        if let Some(exporter) = self.exporter {
            outer.hire("otlp", |stop| exporter.run(stop));
        }
        loading.hire("loader", |stop| self.loader.run(stop));
        let router = admin::router(self.admin, limits.admin_body_bytes_max);
        let (listener, admin_closing) = (self.admin_listener, closing.subscribe());
        let crew = outer.clone();
        outer.hire("admin", |_| admin_side::serve(listener, router, limits, crew, admin_closing));
        let (front, crews, announcer) = (self.front, self.crews, self.announcer);
        Run { front, crews, announcer, limits, closing }
    }
}

/// How the tasks of each crew ended: the inner one, the loader's, the outer one.
pub(super) type Reports = [Report; 3];

impl Run {
    /// Lets what runs finish within the bound.
    pub(super) async fn drain(&self) -> Reports {
        let Crews { outer, loading, inner } = &self.crews;
        let drain = Duration::from_millis(self.limits.drain_ms_max);
        tokio::time::sleep(Duration::from_millis(self.limits.linger_ms_max)).await;
        self.closing.send_replace(true);
        let (of_inner, ()) = tokio::join!(inner.disband(drain), self.front.browsers.close());
        // Every connection has ended, and with it its streams; services may still be
        // told of sockets that were not open yet.
        self.front.streams.disband(STREAMS_GRACE).await;
        let of_loading = loading.disband(STOPS_GRACE).await;
        [of_inner, of_loading, outer.disband(ADMIN_GRACE).await]
    }

    /// Ends what runs.
    pub(super) async fn cut(&self) -> Reports {
        info!("told twice to stop, cutting what still runs");
        let (Crews { outer, loading, inner }, now) = (&self.crews, Duration::ZERO);
        self.closing.send_replace(true);
        self.front.streams.disband(now).await;
        self.front.browsers.close().await;
        [inner.disband(now).await, loading.disband(now).await, outer.disband(now).await]
    }
}
