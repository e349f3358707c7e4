//! The log of a session that asks for more of it.

use crate::call::{Answer, CallContext, Hop, RequestId};
use crate::digest::Digest;
use crate::fault::Fault;
use std::sync::Arc;
use tokio::time::Instant;
use tracing::info;

/// One call of such a session.
pub(super) struct SessionLog {
    request_id: RequestId,
    revision: Digest,
    hop: Arc<Hop>,
    began: Instant,
}

impl SessionLog {
    /// Notes that a call begins, if its session asks for that.
    pub(super) fn begin(context: &CallContext, hop: &Arc<Hop>, revision: Digest) -> Option<Self> {
        if !context.is_logged() {
            return None;
        }
        let Hop { service, method, .. } = &**hop;
        let (request_id, trace_id) = (&context.request_id, context.request_id.trace_id());
        let caller = context.chain.latest_first().next().map(|hop| hop.service.to_string());
        info!(
            target: "session", %service, %revision, %method, caller, %request_id, trace_id,
            "call begins"
        );
        let (request_id, hop) = (request_id.clone(), hop.clone());
        Some(Self { request_id, revision, hop, began: Instant::now() })
    }

    /// Notes how it ended.
    pub(super) fn end(self, outcome: &Result<Answer, Fault>) {
        let Hop { service, method, .. } = &*self.hop;
        let (request_id, trace_id) = (&self.request_id, self.request_id.trace_id());
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (status, fault) = match outcome {
            Ok(answer) => (answer.status.as_u16(), None),
            Err(fault) => (fault.reply().status.as_u16(), Some(fault.reply().name)),
        };
        info!(
            target: "session", %service, revision = %self.revision, %method, status,
            fault = fault.as_deref(), micros, %request_id, trace_id, "call is answered"
        );
    }
}
