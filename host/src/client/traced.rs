//! Each try of a call as a span, which is what its callee is below.

use super::Shared;
use super::begun::Begun;
use super::course::{Begun as HowFar, Course};
use crate::call::{
    Answer, CallContext, CallTarget, Callee, Calling, Deed, End, OutgoingCall, Reach, Sought,
};
use crate::edges::Went;
use crate::fault::Fault;
use crate::fleet::Place;
use crate::name::Name;
use crate::traces::OpenSpan;
use std::sync::atomic::Ordering::Relaxed;
use tokio::time::Instant;

impl Shared {
    /// Counts a try and begins its span, which began when it was looked for an endpoint.
    pub(super) fn begin_try(
        &self,
        course: &mut Course,
        begun: &Begun,
        began: Instant,
    ) -> Option<OpenSpan<'_>> {
        self.tally.tries.fetch_add(1, Relaxed);
        let Course { context, pending, moves, failures, .. } = course;
        self.traces.begin(context, began, || {
            let record = begun.endpoint.record.clone();
            let method = match &pending.call.target {
                CallTarget::Method { name, .. } => {
                    record.methods.iter().position(|method| method.name == *name)
                }
                CallTarget::Path { .. } => None,
            };
            let method = method.and_then(|index| u16::try_from(index).ok());
            let reach = match begun.place {
                Place::Here => Reach::Here,
                Place::There => Reach::Elsewhere,
            };
            let before = u8::try_from(*moves + *failures).unwrap_or(u8::MAX);
            Deed::Call(Calling { callee: Callee::Listed { record, method }, reach, before })
        })
    }
}

/// The span of a try ends. One that was not begun, as its endpoint is being
/// replaced, was nothing.
pub(super) fn end_try(
    open: Option<OpenSpan<'_>>,
    outcome: &Result<Answer, (Fault, Option<HowFar>)>,
    context: &mut CallContext,
) {
    let Some(open) = open else { return };
    let end = match outcome {
        Err((_, Some(HowFar::Moved))) => return open.forget(context),
        Err((fault, _)) => End::in_fault(fault),
        Ok(answer) => End::with_status(answer.status.as_u16()),
    };
    open.end(Instant::now(), end);
}

/// The same for one that had no answer in time.
pub(super) fn end_late(open: Option<OpenSpan<'_>>, fault: &Fault) {
    if let Some(open) = open {
        open.end(Instant::now(), End::in_fault(fault));
    }
}

/// How a try went between its caller and whoever was called. None of one that is
/// made again as its endpoint is being replaced. Whoever declines what callers do wrong,
/// like calls that come too fast, has not failed.
pub(super) fn went(outcome: &Result<Answer, (Fault, Option<HowFar>)>) -> Option<Went> {
    match outcome {
        Err((_, Some(HowFar::Moved))) => None,
        Err((_, Some(HowFar::Unreached | HowFar::Maybe))) => Some(Went::Wrong),
        Err((fault, None | Some(HowFar::Declined))) => Some(Went::of_status(fault.reply().status)),
        Ok(answer) => Some(Went::of_status(answer.status)),
    }
}

/// Whom nobody is. What a guest asks for may be of any length, and is kept.
fn sought(call: &OutgoingCall) -> Callee {
    let what = match &call.target {
        CallTarget::Method { name, .. } => beginning(name),
        CallTarget::Path { .. } => "*",
    };
    let service = beginning(&call.service).into();
    Callee::Sought(Box::new(Sought { service, what: what.into() }))
}

fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(Name::BYTES_MAX)).unwrap_or_default()
}

impl Course {
    /// Notes that there was nobody to call; why tries before this one failed is
    /// known.
    pub(super) fn untried(&mut self, began: Instant, nobody: Fault) -> Fault {
        if self.reasons.is_none() {
            let callee = sought(&self.pending.call);
            let deed = Deed::Call(Calling { callee, reach: Reach::Nowhere, before: 0 });
            let end = End::in_fault(&nobody);
            self.shared.traces.note(&mut self.context, began, deed, end);
        }
        nobody
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{AnswerBody, CallBody};
    use crate::fault::GatewayFault;
    use http::{HeaderMap, Method, StatusCode};
    use std::time::Duration;

    fn answer(status: StatusCode) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: AnswerBody::Empty }
    }

    #[test]
    fn failures_are_those_of_who_was_called_and_what_never_got_there() {
        for (status, expected) in [
            (StatusCode::OK, Went::Well),
            (StatusCode::NOT_FOUND, Went::Well),
            (StatusCode::TOO_MANY_REQUESTS, Went::Well),
            (StatusCode::BAD_GATEWAY, Went::Wrong),
        ] {
            assert_eq!(went(&Ok(answer(status))), Some(expected), "{status}");
        }
        let bad = || Fault::BadCall { message: String::new() };
        assert_eq!(went(&Err((bad(), None))), Some(Went::Well));
        assert_eq!(went(&Err((Fault::Internal, None))), Some(Went::Wrong));
        assert_eq!(went(&Err((bad(), Some(HowFar::Unreached)))), Some(Went::Wrong));
        assert_eq!(went(&Err((Fault::Stopping, Some(HowFar::Moved)))), None);
        let second = Duration::from_secs(1);
        let too_fast = GatewayFault::too_many("calls of service calc".to_owned(), 1, second);
        for (fault, expected) in [
            (too_fast.into(), Went::Well),
            (Fault::HostOverloaded, Went::Wrong),
            (Fault::Stopping, Went::Wrong),
        ] {
            let told = format!("{fault:?}");
            assert_eq!(went(&Err((fault, Some(HowFar::Declined)))), Some(expected), "{told}");
        }
    }

    #[track_caller]
    fn check(service: &str, target: CallTarget, expected: (&str, &str)) {
        let (service, options) = (service.to_owned(), Vec::new());
        let (headers, body) = (HeaderMap::new(), CallBody::Empty);
        let Callee::Sought(sought) =
            sought(&OutgoingCall { service, target, headers, body, options, timeout: None })
        else {
            panic!("nobody was found")
        };
        assert_eq!((&*sought.service, &*sought.what), expected);
    }

    #[test]
    fn of_what_is_sought_the_beginning_is_kept_and_of_a_path_nothing() {
        let method = |name: String| CallTarget::Method { name, params: vec![], query: vec![] };
        check("calc", method("add".to_owned()), ("calc", "add"));
        let long = "é".repeat(1_000);
        let cut = "é".repeat(Name::BYTES_MAX / 2);
        check(&long, method(format!("x{long}")), (&cut, &format!("x{}", &cut[2..])));
        let path = CallTarget::Path { verb: Method::GET, rest: "/a?secret=1".to_owned() };
        check("calc", path, ("calc", "*"));
    }
}
