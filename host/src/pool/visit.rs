//! A call of a service as it is counted and traced: from when it asked to be
//! let in until its answer began.

use super::Service;
use crate::call::{Answer, Call, CallContext, Deed, End, Entrance, Hop, Lapse, Serving};
use crate::fault::Fault;
use crate::traces::OpenSpan;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::time::Instant;

/// A call under way. Dropping it says that its caller left.
pub(super) struct Visit<'s> {
    service: &'s Service,
    pub(super) hop: Arc<Hop>,
    entrance: Entrance,
    began: Instant,
    open: Option<OpenSpan<'s>>,
}

impl<'s> Visit<'s> {
    /// A call asks to be let in. What its guest does is below it from now on.
    pub(super) fn begin(
        service: &'s Service,
        call: &mut Call,
        hop: Arc<Hop>,
        began: Instant,
    ) -> Self {
        let entrance = call.entrance;
        let deed = || {
            let (hop, admitted, lent) = (hop.clone(), None, None);
            Deed::Serve(Serving { hop, entrance, admitted, lent })
        };
        let open = service.traces.begin(&mut call.context, began, deed);
        if let Some(id) = open.as_ref().and_then(OpenSpan::id) {
            call.context.request_id.trace_mut().set_span(Some(Serving::guest(id)));
        }
        Self { service, hop, entrance, began, open }
    }

    /// It was let in.
    pub(super) fn admitted(&mut self, at: Instant) {
        self.note(|serving, began| serving.admitted = Some(Lapse::between(began, at)));
    }

    /// It has an instance.
    pub(super) fn lent(&mut self, at: Instant) {
        self.note(|serving, began| serving.lent = Some(Lapse::between(began, at)));
    }

    fn note(&mut self, change: impl FnOnce(&mut Serving, Instant)) {
        if let Some(open) = &mut self.open {
            open.change(|deed| {
                if let Deed::Serve(serving) = deed {
                    change(serving, self.began);
                }
            });
        }
    }

    /// Its answer has begun, or there will be none.
    pub(super) fn end(self, outcome: &Result<Answer, Fault>) {
        let now = Instant::now();
        let is_failure = self.service.counts.ended(outcome);
        if let Entrance::Method(index) = self.entrance
            && let Some(figures) = self.service.figures.get(index as usize)
        {
            let took = now.saturating_duration_since(self.began);
            figures.note(took, outcome.is_err(), is_failure);
        }
        if let Some(open) = self.open {
            open.end(now, End::of(outcome));
        }
    }

    /// It was not let in.
    pub(super) fn turned_away(self, fault: &Fault, context: &mut CallContext) {
        match self.entrance {
            Entrance::Method(_) | Entrance::Socket(_) => {
                self.service.counts.sheds.fetch_add(1, Relaxed);
                if let Some(open) = self.open {
                    open.end(Instant::now(), End::in_fault(fault));
                }
            }
            // Asked again soon, and that would fill traces and counts.
            _ => self.forget(context),
        }
    }

    /// It asks elsewhere.
    pub(super) fn forget(self, context: &mut CallContext) {
        if let Some(open) = self.open {
            open.forget(context);
        }
    }
}
