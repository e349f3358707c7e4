//! What a revision does once before its first call, and once after its last.

use super::Service;
use super::visit::Visit;
use crate::block::Params;
use crate::call::{Call, CallBody, CallContext, CallHead, Entrance, RequestIds};
use crate::fault::Fault;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;
use tokio::time::Instant;
use tracing::warn;

/// How far a revision is. Whatever code it has, the revision is one.
#[derive(Debug, Default)]
pub(crate) struct Life {
    is_started: AtomicBool,
    is_stopped: AtomicBool,
    ids: RequestIds,
}

/// Why a revision is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartCause {
    /// Nothing of its module was live.
    Load,
    /// It takes the place of another one.
    Swap,
    /// It was live before and is gone back to.
    Rollback,
}

/// Why a revision is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopCause {
    /// Another one is in its place.
    Replaced,
    /// Its file is gone.
    Removed,
    /// It was started and never went live.
    Refused,
    /// The host goes down.
    Shutdown,
}

const CAUSE: HeaderName = HeaderName::from_static("x-cause");

impl StartCause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Swap => "swap",
            Self::Rollback => "rollback",
        }
    }
}

impl StopCause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Removed => "removed",
            Self::Refused => "refused",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Service {
    /// How far its revision is, to be shared by the same revision with other code.
    pub(crate) fn life(&self) -> Arc<Life> {
        self.life.clone()
    }

    /// Whether the other one is the same revision, whatever its code.
    pub(crate) fn lives_on_in(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.life, &other.life)
    }

    /// Lets it do what it does before its first call, unless it has.
    pub(crate) async fn start(&self, cause: StartCause) -> Result<(), Fault> {
        if self.life.is_started.swap(true, SeqCst) || !self.declaration.starts {
            return Ok(());
        }
        let time = Duration::from_millis(self.limits().start_ms);
        let started = self.run_once(Entrance::Start, "START", cause.as_str(), time).await;
        // What did not start has nothing to stop.
        self.life.is_started.store(started.is_ok(), SeqCst);
        started
    }

    /// Lets it do what it does after its last call, unless it has.
    pub(crate) async fn stop(&self, cause: StopCause) {
        let life = &self.life;
        if !life.is_started.load(SeqCst) || life.is_stopped.swap(true, SeqCst) {
            return;
        }
        if !self.declaration.stops {
            return;
        }
        let time = Duration::from_millis(self.limits().stop_ms);
        if let Err(fault) = self.run_once(Entrance::Stop, "STOP", cause.as_str(), time).await {
            let (service, version) = (&self.declaration.name, &self.declaration.version);
            let revision = &self.digest;
            warn!(%service, %version, %revision, %fault, "stop ended in a fault");
        }
    }

    async fn run_once(
        &self,
        entrance: Entrance,
        verb: &'static str,
        cause: &'static str,
        time: Duration,
    ) -> Result<(), Fault> {
        let headers = HeaderMap::from_iter([(CAUSE, HeaderValue::from_static(cause))]);
        let head = CallHead {
            verb: Method::from_bytes(verb.as_bytes()).unwrap_or_default(),
            uri: Uri::from_static("/"),
            params: Params::default(),
            headers,
        };
        let context = CallContext::outermost(self.life.ids.next(None, None), Instant::now() + time);
        let Some(hop) = self.hops.of_entrance(entrance) else { return Ok(()) };
        let mut call = Box::new(Call { entrance, head, body: CallBody::Empty, context });
        let permit = self.gate.admit_beside();
        let visit = Visit::begin(self, &mut call, hop, Instant::now());
        self.serve(call, visit, permit).await.map(drop)
    }
}
