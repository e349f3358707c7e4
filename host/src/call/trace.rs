//! Traces and places in them, as <https://www.w3.org/TR/trace-context/> names
//! them.

use super::mix;
use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

/// Names a trace: all that was done for one request, on whatever hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TraceId(u128);

/// Names a span: one thing that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SpanId(NonZeroU64);

/// A place in a trace: what is done from here on is below its span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    id: TraceId,
    /// None as long as nothing was noted of the trace.
    span: Option<SpanId>,
    flags: u8,
    /// What tracing systems keep beside it.
    state: Option<Arc<str>>,
}

/// Whoever began the trace wants it to be recorded.
const SAMPLED: u8 = 1;

/// Bytes of a `tracestate` that are handed on.
const TRACESTATE_BYTES_MAX: usize = 512;

impl TraceId {
    /// Reads 32 lower-case hexadecimal digits, not all of them 0.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_sound = text.len() == 32 && is_hex(text);
        let number = u128::from_str_radix(text, 16).ok()?;
        (is_sound && number != 0).then_some(Self(number))
    }

    /// As it is sent in bytes.
    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The last bits of it, which differ from trace to trace.
    pub(crate) fn bits(self) -> u64 {
        #[allow(clippy::cast_possible_truncation, reason = "half of it is enough")]
        let low = self.0 as u64;
        low
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

thread_local! {
    /// What the next id of a span is made from. Threads begin far apart, so that
    /// none has to ask another.
    static NEXT: Cell<u64> = Cell::new(uuid::Uuid::new_v4().as_u64_pair().0);
}

impl SpanId {
    /// A new one.
    pub(crate) fn draw() -> Self {
        let count = NEXT.try_with(|next| next.replace(next.get().wrapping_add(1)));
        Self::of(mix(count.unwrap_or_default()))
    }

    /// The id of a part of this span, always the same.
    pub(crate) fn part(self, number: u64) -> Self {
        Self::of(mix(self.0.get() ^ number))
    }

    fn of(bits: u64) -> Self {
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }

    /// As it is sent in bytes.
    pub(crate) fn bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Trace {
    /// A trace that begins here. The bits differ from request to request.
    pub(crate) fn of_bits(bits: u64) -> Self {
        // The end of the id says whether the trace is sent, and the bits where its
        // request goes: neither may follow from the other.
        let id = TraceId(u128::from(bits | 1) << 64 | u128::from(mix(bits)));
        Self { id, span: None, flags: SAMPLED, state: None }
    }

    /// Reads a `traceparent`, none when it is not sound. Version 00 of
    /// <https://www.w3.org/TR/trace-context/#traceparent-header>.
    pub(crate) fn parse(traceparent: &str) -> Option<Self> {
        let mut fields = traceparent.split('-');
        let mut next = || fields.next();
        let ("00", id, span, flags) = (next()?, next()?, next()?, next()?) else { return None };
        let is_sound = span.len() == 16 && is_hex(span) && flags.len() == 2 && is_hex(flags);
        if !is_sound || next().is_some() {
            return None;
        }
        let span = NonZeroU64::new(u64::from_str_radix(span, 16).ok()?)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { id: TraceId::parse(id)?, span: Some(SpanId(span)), flags, state: None })
    }

    /// The same with a `tracestate` beside it, which counts for nothing when it
    /// is not sound.
    pub(crate) fn with_state(self, tracestate: &str) -> Self {
        Self { state: sound_state(tracestate).map(Arc::from), ..self }
    }

    /// Which trace it is.
    pub(crate) fn id(&self) -> TraceId {
        self.id
    }

    /// The span that all that follows is below.
    pub(crate) fn span(&self) -> Option<SpanId> {
        self.span
    }

    /// Goes to another span of the trace.
    pub(crate) fn set_span(&mut self, span: Option<SpanId>) {
        self.span = span;
    }

    /// Whether whoever began it wants it to be recorded.
    pub(crate) fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Whoever it is handed on to is told that it is not recorded.
    pub(crate) fn leave_unsampled(&mut self) {
        self.flags &= !SAMPLED;
    }

    /// As a `traceparent`.
    pub(crate) fn traceparent(&self) -> String {
        // A trace of which nothing is noted is handed on all the same.
        let span = self.span.unwrap_or_else(|| SpanId::of(mix(!self.id.bits())));
        format!("00-{}-{span}-{:02x}", self.id, self.flags)
    }

    /// The `tracestate` beside it.
    pub(crate) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The members of a `tracestate`, as many of the newest, which come first, as
/// may be handed on. <https://www.w3.org/TR/trace-context/#tracestate-header>
fn sound_state(text: &str) -> Option<String> {
    let mut state = String::new();
    for member in text.split(',').map(str::trim).filter(|member| !member.is_empty()) {
        let (key, value) = member.split_once('=')?;
        let is_sound = !key.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_graphic())
            && !value.is_empty()
            && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic() && byte != b'=');
        if !is_sound {
            return None;
        }
        let comma = if state.is_empty() { "" } else { "," };
        if TRACESTATE_BYTES_MAX < state.len() + comma.len() + member.len() {
            break;
        }
        state.push_str(comma);
        state.push_str(member);
    }
    (!state.is_empty()).then_some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_that_is_sound_is_handed_on_as_it_came() {
        let trace = Trace::parse(TRACE).unwrap();
        assert_eq!(trace.traceparent(), TRACE);
        assert!(trace.is_sampled());
        let unsampled = TRACE.replace("-01", "-00");
        assert!(!Trace::parse(&unsampled).unwrap().is_sampled());
        for unsound in [
            "",
            "00-0-0-0",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-+0f067aa0ba902b7-+1",
        ] {
            assert_eq!(Trace::parse(unsound), None, "{unsound}");
        }
    }

    #[test]
    fn a_trace_of_its_own_has_a_sound_traceparent_before_and_after_its_first_span() {
        let mut trace = Trace::of_bits(0);
        let before = Trace::parse(&trace.traceparent()).unwrap();
        assert_eq!((before.id(), trace.span()), (trace.id(), None));
        let span = SpanId::draw();
        trace.set_span(Some(span));
        assert_eq!(Trace::parse(&trace.traceparent()).unwrap().span(), Some(span));
        assert_eq!(TraceId::parse(&trace.id().to_string()), Some(trace.id()));
    }

    #[test]
    fn ids_of_spans_differ_and_their_parts_stay() {
        let (one, other) = (SpanId::draw(), SpanId::draw());
        assert_ne!(one, other);
        assert_eq!(one.part(1), one.part(1));
        assert_ne!(one.part(1), one.part(2));
    }

    #[test]
    fn a_tracestate_is_kept_as_far_as_it_is_sound_and_fits() {
        let kept = |state: &str| Trace::parse(TRACE).unwrap().with_state(state).state;
        let both = kept("congo=t61 rcW, ,rojo@a=00f:0,");
        assert_eq!(both.as_deref(), Some("congo=t61 rcW,rojo@a=00f:0"));
        for unsound in ["", "congo", "=1", "congo=", "a=b=c", "a=\u{e9}"] {
            assert_eq!(kept(unsound), None, "{unsound}");
        }
        let long = format!("a={},b={},c=1", "x".repeat(300), "y".repeat(300));
        assert_eq!(kept(&long).unwrap().len(), 302);
    }
}
