//! Health checks of external records, and the end of those whose time is over.

use super::Registry;
use crate::crew::StopSignal;
use crate::name::Name;
use crate::outbound::{self, Protocol, Sent};
use crate::record::{Keeper, Record, Status};
use futures::StreamExt;
use http::Request;
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use std::sync::Arc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

/// Checks under way at once.
const CHECKS_AT_ONCE: usize = 64;
/// Bytes read of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

impl Registry {
    /// Asks every external record for its health, time and again, and those
    /// that are down more often: their callers wait for them.
    pub(crate) async fn keep_checking(self: Arc<Self>, mut stop: StopSignal) {
        let every = self.times.check_every;
        let mut ticks = interval(every.min(self.times.check_down_every));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut all_due = Instant::now();
        loop {
            let now = tokio::select! {
                () = stop.stopped() => return,
                now = ticks.tick() => now,
            };
            let all = all_due <= now;
            if all {
                all_due = now + every;
            }
            tokio::select! {
                () = stop.stopped() => return,
                () = self.check(|status| all || status == Status::Down) => (),
            }
            self.sweep();
        }
    }

    async fn check(&self, is_due: impl Fn(Status) -> bool) {
        let now = self.now();
        let external: Vec<(Name, Arc<Record>)> = {
            let directory = self.lock();
            let external = directory.iter().filter(|(_, entry)| entry.keeper != Keeper::Host);
            let due = external.filter(|(_, entry)| is_due(entry.status(&self.times, now)));
            due.map(|(key, entry)| (key.clone(), entry.record.clone())).collect()
        };
        futures::stream::iter(external)
            .for_each_concurrent(CHECKS_AT_ONCE, |(key, record)| async move {
                let healthy = self.is_healthy(&record).await;
                self.checked(&key, &record, healthy);
            })
            .await;
    }

    /// Asks the path that the record names under `health` in its metadata, else
    /// the usual one.
    pub(super) async fn is_healthy(&self, record: &Record) -> bool {
        let path = record.metadata.get("health").and_then(Value::as_str);
        let path = path.filter(|path| path.starts_with('/')).unwrap_or("/healthcheck");
        let request = Request::get(format!("{}{path}", record.domain));
        let Ok(request) = request.body(outbound::empty()) else { return false };
        let answer = async {
            let protocol = if record.is_http2() { Protocol::Http2 } else { Protocol::Http1 };
            let Sent { response, place: _place } =
                self.outbound.send(request, protocol).await.ok()?;
            let is_good = response.status().is_success();
            // Read to the end, so that the connection can be used again.
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            body.collect().await.ok()?;
            Some(is_good)
        };
        matches!(timeout(self.times.check_timeout, answer).await, Ok(Some(true)))
    }

    fn checked(&self, key: &Name, record: &Record, healthy: bool) {
        let now = self.now();
        let mut directory = self.lock();
        let keeper = directory.keeper_mut(key.as_str(), &record.registration);
        let Some(Keeper::Outside(lease)) = keeper else { return };
        let was = lease.status(&self.times, now);
        lease.checked(healthy, now);
        let is = lease.status(&self.times, now);
        drop(directory);
        if was != is {
            self.note_change();
            let (service, id) = (&record.name, &record.registration);
            match is {
                Status::Up => info!(%key, %service, %id, "record is up again"),
                Status::Down => warn!(%key, %service, %id, "record is down"),
            }
        }
    }

    fn sweep(&self) {
        let over = self.lock().sweep(&self.times, self.now());
        for entry in &over {
            let (service, id) = (&entry.record.name, &entry.record.registration);
            info!(%service, %id, "record removed, nobody renewed its lease");
        }
        if !over.is_empty() {
            self.note_change();
        }
    }
}
