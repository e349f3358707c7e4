//! What was done for a request, when, and how it went.
//!
//! A span costs next to nothing while the request runs: it is of one size, and
//! shares the names in it. Texts are made of it when somebody looks. Thousands are
//! kept, and each is cold when it goes, so what it costs is the memory it takes:
//! what is rare in it is behind a pointer.

use super::{Answer, Entrance, Hop, Lapse, SpanId};
use crate::fault::Fault;
use crate::origin::Origin;
use crate::record::Record;
use crate::subject::Subject;
use http::Method;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// One thing that was done.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) id: SpanId,
    /// What it was done for; none at the beginning of a trace.
    pub(crate) parent: Option<SpanId>,
    pub(crate) began: Instant,
    pub(crate) lasted: Lapse,
    pub(crate) deed: Deed,
    pub(crate) end: End,
}

/// What was done.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// A service was called.
    Serve(Serving),
    /// A service was called by its name, which is one try.
    Call(Calling),
    /// The host was asked something that is no service's, or could not be told
    /// whose it is.
    Request { verb: Method, path: Option<&'static &'static str> },
    /// A guest asked a stranger, with this verb.
    Fetch { by: Arc<Hop>, stranger: Box<(Method, Origin)> },
    /// A guest published an event.
    Publish { by: Arc<Hop>, subject: Subject },
}

/// A call of a service of this host, by its stages. Each is a span, too.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub(crate) hop: Arc<Hop>,
    pub(crate) entrance: Entrance,
    /// After what time it was let in; none when it was turned away.
    pub(crate) admitted: Option<Lapse>,
    /// After what time it had an instance, for itself or with others; none when it
    /// got none.
    pub(crate) lent: Option<Lapse>,
}

/// A call by name.
#[derive(Clone, Debug)]
pub(crate) struct Calling {
    pub(crate) callee: Callee,
    pub(crate) reach: Reach,
    /// Tries before this one.
    pub(crate) before: u8,
}

/// Who is called.
#[derive(Clone, Debug)]
pub(crate) enum Callee {
    /// One of the registry, and which of its methods, where it is one.
    Listed { record: Arc<Record>, method: Option<u16> },
    /// Nobody was found.
    Sought(Box<Sought>),
}

/// Who was called in vain.
#[derive(Clone, Debug)]
pub(crate) struct Sought {
    pub(crate) service: Box<str>,
    pub(crate) what: Box<str>,
}

/// Where a service is that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Here,
    Elsewhere,
    Nowhere,
}

/// How it went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    /// HTTP status; 0 when there is none.
    pub(crate) status: u16,
    /// The name of the fault that it ended in.
    pub(crate) fault: Option<Box<Cow<'static, str>>>,
}

impl Deed {
    /// A request that no service was asked for. It may come with any verb.
    pub(crate) fn request(verb: &Method) -> Self {
        Self::Request { verb: short(verb), path: None }
    }

    /// A request of a guest to outside. Verbs may be of any length, and are kept.
    pub(crate) fn fetch(by: Arc<Hop>, verb: &Method, origin: Origin) -> Self {
        Self::Fetch { by, stranger: Box::new((short(verb), origin)) }
    }
}

/// The longest verb that is told.
const VERB_BYTES_MAX: usize = 16;

/// The verb, or what OpenTelemetry calls one that is not told.
fn short(verb: &Method) -> Method {
    if verb.as_str().len() <= VERB_BYTES_MAX {
        return verb.clone();
    }
    Method::from_bytes(b"_OTHER").unwrap_or_default()
}

impl Serving {
    /// The span of the guest, which is what all is below that the guest does.
    pub(crate) fn guest(id: SpanId) -> SpanId {
        id.part(GUEST)
    }
}

/// Which part of a call it is, in the ids of its stages.
pub(crate) const QUEUE: u64 = 1;
pub(crate) const INSTANCE: u64 = 2;
pub(crate) const GUEST: u64 = 3;

impl End {
    /// Who asked left before it was over.
    pub(crate) fn cancelled() -> Self {
        Self { status: 0, fault: Some(Box::new(Cow::Borrowed("cancelled"))) }
    }

    /// In an answer or a fault.
    pub(crate) fn of(outcome: &Result<Answer, Fault>) -> Self {
        match outcome {
            Ok(answer) => Self::with_status(answer.status.as_u16()),
            Err(fault) => Self::in_fault(fault),
        }
    }

    /// In an answer.
    pub(crate) fn with_status(status: u16) -> Self {
        Self { status, fault: None }
    }

    /// In a fault.
    pub(crate) fn in_fault(fault: &Fault) -> Self {
        let reply = fault.reply();
        Self { status: reply.status.as_u16(), fault: Some(Box::new(reply.name)) }
    }

    /// Whether something failed: what callers do wrong does not count.
    pub(crate) fn is_failure(&self) -> bool {
        500 <= self.status
    }
}

/// The spans of one request, gathered while it runs. Clones gather together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail(Arc<Mutex<Gathered>>);

#[derive(Debug, Default)]
struct Gathered {
    spans: Vec<Span>,
    lost: u32,
    is_over: bool,
}

/// Spans of one request that are gathered; more are counted.
const SPANS_MAX: usize = 256;
/// Hardly any request has more.
const SPANS_USUAL: usize = 2;

impl Trail {
    /// Adds a span; gives it back when the request is over.
    pub(crate) fn add(&self, span: Span) -> Option<Span> {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.is_over {
            return Some(span);
        }
        if gathered.spans.is_empty() {
            gathered.spans.reserve_exact(SPANS_USUAL);
        }
        if gathered.spans.len() < SPANS_MAX {
            gathered.spans.push(span);
        } else {
            gathered.lost += 1;
        }
        None
    }

    /// The request is over: what was gathered, and how many spans more there
    /// were.
    pub(crate) fn end(&self) -> (Vec<Span>, u32) {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.is_over = true;
        (std::mem::take(&mut gathered.spans), gathered.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span() -> Span {
        let (began, deed) = (Instant::now(), Deed::Request { verb: Method::GET, path: None });
        let (id, end) = (SpanId::draw(), End::default());
        Span { id, parent: None, began, lasted: Lapse::NONE, deed, end }
    }

    #[test]
    fn a_span_is_small() {
        assert!(size_of::<Span>() <= 96, "{} bytes", size_of::<Span>());
    }

    #[test]
    fn verbs_of_any_length_are_not_kept() {
        let method = |length| Method::from_bytes("V".repeat(length).as_bytes()).unwrap();
        for length in [1, VERB_BYTES_MAX] {
            assert_eq!(short(&method(length)), method(length));
        }
        assert_eq!(short(&method(VERB_BYTES_MAX + 1)).as_str(), "_OTHER");
    }

    #[test]
    fn a_trail_is_bounded_and_takes_nothing_when_it_is_over() {
        let trail = Trail::default();
        for _ in 0..SPANS_MAX + 2 {
            assert!(trail.clone().add(span()).is_none());
        }
        let (spans, lost) = trail.end();
        assert_eq!((spans.len(), lost), (SPANS_MAX, 2));
        assert!(trail.add(span()).is_some());
    }

    #[test]
    fn callers_do_not_make_a_trace_fail() {
        assert!(!End::with_status(404).is_failure());
        assert!(!End::cancelled().is_failure());
        assert!(End::in_fault(&Fault::Internal).is_failure());
    }
}
