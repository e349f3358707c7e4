//! The steps of a call, in the log of a session that asks for them.

use super::begun::Begun;
use super::course::Course;
use super::here;
use crate::fault::Fault;
use crate::fleet::Place;
use tracing::info;

impl Course {
    /// Notes whom the call goes to: after which fault of another endpoint, and
    /// where it leaves the host, why nobody here has it.
    pub(super) fn log(&self, begun: &Begun) {
        let (service, endpoint) = (&self.pending.call.service, begun.endpoint.id());
        let (place, here) = match begun.place {
            Place::Here => ("here", None),
            Place::There => ("there", self.why_not_here(begun)),
        };
        let last = self.reasons.as_ref().map(|(first, last)| last.as_ref().unwrap_or(first));
        let (after, request_id) = (last.map(Fault::to_string), &self.context.request_id);
        let trace_id = request_id.trace_id();
        info!(
            target: "session", %service, %endpoint, place, here, after, %request_id, trace_id,
            "call goes to an endpoint"
        );
    }

    /// How the service fares here; none where it is not.
    fn why_not_here(&self, begun: &Begun) -> Option<&'static str> {
        let Self { shared, options, .. } = self;
        let listed = shared.registry.endpoints(options.key.as_deref(), &options.selector);
        let local = listed.into_iter().find(|endpoint| endpoint.is_local)?;
        if begun.rests(&local) {
            return Some("resting");
        }
        let is_full = here::find(&*shared.locals, &local).is_some_and(|service| service.is_full());
        Some(if is_full { "full" } else { "serving" })
    }
}
