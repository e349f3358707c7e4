//! Requests that are turned away before a service is called: as the host is full
//! or stops, for their head, their origin or their body, for coming too fast, or
//! since nobody is there.
//!
//! Each leaves one span with its status and its fault, and its answer names it as
//! every other answer does. What that takes is found out here, when it is needed,
//! so that requests that are served pay nothing for it.

use super::Front;
use super::access::Whose;
use super::respond::{self, Respond};
use crate::call::{Call, Deed, End, RequestId};
use crate::fault::Fault;
use crate::travel;
use http::{Method, Request, Response};
use tokio::time::Instant;

impl Front {
    /// Turns away a request of which nothing but its head was looked at.
    pub(super) fn turn_away<B>(&self, request: &Request<B>, fault: &Fault) -> Response<Respond> {
        self.turn_away_late(request, fault, None)
    }

    /// The same for one that waits since then, if it had to.
    #[cold]
    pub(super) fn turn_away_late<B>(
        &self,
        request: &Request<B>,
        fault: &Fault,
        since: Option<Instant>,
    ) -> Response<Respond> {
        let request_id = travel::read_names(request.headers(), &self.ids);
        let began = since.unwrap_or_else(Instant::now);
        self.note_refused(request.method(), &request_id, began, fault);
        let mut response = respond::fault_of(fault, &request_id);
        if self.has_access_log {
            response.extensions_mut().insert(Box::new(Whose::nobodys(request_id)));
        }
        response
    }

    /// Notes why a call is not made.
    #[cold]
    pub(super) fn note_unmade(&self, call: &Call, fault: Fault) -> Fault {
        let Call { head, context, .. } = call;
        let began = travel::came(context, &head.headers);
        self.note_refused(&head.verb, &context.request_id, began, &fault);
        fault
    }

    /// Notes a request that was turned away.
    pub(super) fn note_refused(
        &self,
        verb: &Method,
        request_id: &RequestId,
        began: Instant,
        fault: &Fault,
    ) {
        let end = End::in_fault(fault);
        self.traces.note_turned_away(request_id, began, Deed::request(verb), end);
    }
}
