//! Health checks of external records, and the end of those whose time is over.

use super::Registry;
use crate::crew::StopSignal;
use crate::name::Name;
use crate::outbound::{self, OutboundError, Protocol, Sent};
use crate::record::{Keeper, Record, Status};
use crate::telemetry::printable;
use futures::StreamExt;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

/// Checks under way at once.
const CHECKS_AT_ONCE: usize = 64;
/// Bytes read of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// What is asked of programs whose record names nothing else.
const USUAL_PATH: &str = "/healthcheck";

/// Why a program does not count as well, as what is said of the path that was
/// asked.
#[derive(Debug, thiserror::Error)]
enum Unwell {
    #[error("is nothing that can be asked")]
    NoRequest,
    #[error("answered {}", .0.as_u16())]
    Answered(StatusCode),
    #[error("gave no answer within {} ms", .0.as_millis())]
    Late(Duration),
    #[error("gave no answer, {error}: {}", root(.error))]
    Unanswered { error: OutboundError },
    #[error("broke its answer off, or made it too long")]
    BrokenAnswer,
}

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
                let health = self.check_health(&record).await;
                self.checked(&key, &record, health);
            })
            .await;
    }

    /// Asks the path that the record names under `health` in its metadata, else
    /// the usual one. Tells why it is not well when it is not.
    pub(super) async fn check_health(&self, record: &Record) -> Result<(), Arc<str>> {
        let path = record.metadata.get("health").and_then(Value::as_str);
        let path = path.filter(|path| path.starts_with('/')).unwrap_or(USUAL_PATH);
        let time = self.times.check_timeout;
        let asked = timeout(time, self.ask(record, path)).await;
        let health = asked.unwrap_or(Err(Unwell::Late(time)));
        health.map_err(|why| format!("{} {why}", printable(path)).into())
    }

    async fn ask(&self, record: &Record, path: &str) -> Result<(), Unwell> {
        let request = Request::get(format!("{}{path}", record.domain));
        let request = request.body(outbound::empty()).map_err(|_| Unwell::NoRequest)?;
        let protocol = if record.is_http2() { Protocol::Http2 } else { Protocol::Http1 };
        let sent = self.outbound.send(request, protocol).await;
        let sent = sent.map_err(|error| Unwell::Unanswered { error })?;
        let Sent { response, place: _place } = sent;
        let status = response.status();
        // Read to the end, so that the connection can be used again.
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        body.map_err(|_| Unwell::BrokenAnswer)?;
        if status.is_success() { Ok(()) } else { Err(Unwell::Answered(status)) }
    }

    fn checked(&self, key: &Name, record: &Record, health: Result<(), Arc<str>>) {
        let now = self.now();
        let mut directory = self.lock();
        let keeper = directory.keeper_mut(key.as_str(), &record.registration);
        let Some(Keeper::Outside(lease)) = keeper else { return };
        let was = lease.status(&self.times, now);
        lease.checked(health, now);
        let cause = lease.why_down(&self.times, now).map(str::to_owned);
        drop(directory);
        let is = if cause.is_some() { Status::Down } else { Status::Up };
        if was != is {
            self.note_change();
            let (service, id, domain) = (&record.name, &record.registration, &record.domain);
            match cause {
                None => info!(%key, %service, %id, domain, "record is up again"),
                Some(cause) => warn!(%key, %service, %id, domain, cause, "record is down"),
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

/// The first cause of an error, which says most.
fn root(error: &OutboundError) -> String {
    let mut root: &dyn Error = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    root.to_string()
}
