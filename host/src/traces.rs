//! Traces: what was done for the requests of late.
//!
//! While a request runs its spans are gathered beside it. When it is over they
//! become one entry of a ring, whose oldest entry goes. Requests that were slow
//! and such that failed have rings of their own, so that they stay while many
//! others pass. Everything is bounded. A lock is held for as long as it takes to
//! put an entry into a ring, or to look through rings for whoever asks, and
//! there are sixteen.
//!
//! Requests that were turned away before a service was called have a small ring
//! of their own, and are the first that a collector misses: they cost whoever
//! sends them next to nothing, so a flood of them must push out nothing that was
//! served, while the newest still tell why.

mod clock;
mod outlet;
mod ring;
mod segment;
mod view;

pub(crate) use outlet::SendCounts;
pub(crate) use segment::Segment;
pub(crate) use view::{Attribute, SpanKind, SpanView};

use crate::call::{
    CallContext, Deed, End, Lapse, RequestId, Span, SpanId, Trace, TraceId, Trail, mix,
};
use crate::settings::{Ratio, TraceSettings};
use clock::Clock;
use outlet::Outlet;
use ring::Rings;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The traces of a host. Clones share them.
#[derive(Clone)]
pub(crate) struct Traces {
    /// None when nothing is noted.
    shared: Option<Arc<Shared>>,
}

struct Shared {
    shards: Vec<Mutex<Rings>>,
    slow: Duration,
    clock: Clock,
    /// Of the traces that begin here, those that are to be sent.
    ratio: Ratio,
    outlet: Option<Outlet>,
}

/// A span that is under way. Dropping it says that it was cancelled.
#[must_use]
pub(crate) struct OpenSpan<'t> {
    shared: &'t Shared,
    /// None once it has ended.
    span: Option<Span>,
    trail: Trail,
    /// Whether the request ends with it.
    is_first: bool,
    trace: TraceId,
    is_sampled: bool,
}

/// Which traces are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Which {
    #[default]
    Newest,
    Slow,
    Failed,
}

/// A trace in a list.
#[derive(Debug)]
pub(crate) struct TraceView {
    pub(crate) trace: TraceId,
    /// The span that all began with.
    pub(crate) root: SpanView,
    /// What that is called, and what it asked for where it is no service's.
    pub(crate) began_with: String,
    pub(crate) lasted: Duration,
    /// The name of the fault of it, or of the first below it that failed.
    pub(crate) fault: Option<String>,
    pub(crate) spans: usize,
    pub(crate) services: BTreeSet<String>,
}

/// So many threads can note something at once.
const SHARDS: usize = 16;

impl Which {
    /// Reads its name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "newest" => Some(Self::Newest),
            "slow" => Some(Self::Slow),
            "failed" => Some(Self::Failed),
            _ => None,
        }
    }
}

impl Traces {
    /// Where traces are kept, and what is to be sent of them, when they are.
    pub(crate) fn new(settings: &TraceSettings) -> (Self, Option<mpsc::Receiver<Segment>>) {
        if !settings.traces {
            return (Self::none(), None);
        }
        let (outlet, sent) = match settings.otlp {
            Some(_) => {
                let (outlet, sent) = Outlet::new();
                (Some(outlet), Some(sent))
            }
            None => (None, None),
        };
        let each_max = settings.traces_max.div_ceil(SHARDS);
        let shards = (0..SHARDS).map(|_| Mutex::new(Rings::new(each_max))).collect();
        let slow = Duration::from_millis(settings.slow_ms);
        let (clock, ratio) = (Clock::default(), settings.otlp_ratio);
        (Self { shared: Some(Arc::new(Shared { shards, slow, clock, ratio, outlet })) }, sent)
    }

    /// Where nothing is noted.
    pub(crate) fn none() -> Self {
        Self { shared: None }
    }

    /// Begins a span of a request: what is done in this context from now on is
    /// below it. None when nothing is noted.
    pub(crate) fn begin(
        &self,
        context: &mut CallContext,
        began: Instant,
        deed: impl FnOnce() -> Deed,
    ) -> Option<OpenSpan<'_>> {
        let shared = self.shared.as_deref()?;
        let (is_first, trail) = match &context.trail {
            Some(trail) => (false, trail.clone()),
            None => (true, context.trail.get_or_insert_default().clone()),
        };
        let trace = context.request_id.trace_mut();
        let is_sampled = shared.is_sampled(trace);
        if !is_sampled {
            trace.leave_unsampled();
        }
        let (id, parent) = (SpanId::draw(), trace.span());
        trace.set_span(Some(id));
        let trace = trace.id();
        let (deed, end) = (deed(), End::default());
        let span = Some(Span { id, parent, began, lasted: Lapse::NONE, deed, end });
        Some(OpenSpan { shared, span, trail, is_first, trace, is_sampled })
    }

    /// Notes something that took no time, or was over before anybody knew.
    pub(crate) fn note(&self, context: &mut CallContext, began: Instant, deed: Deed, end: End) {
        if let Some(open) = self.begin(context, began, || deed) {
            open.end(Instant::now(), end);
        }
    }

    /// Notes a request that was turned away before a service was called.
    pub(crate) fn note_turned_away(
        &self,
        request_id: &RequestId,
        began: Instant,
        deed: Deed,
        end: End,
    ) {
        let Some(shared) = &self.shared else { return };
        let trace = request_id.trace();
        let (id, parent) = (SpanId::draw(), trace.span());
        let lasted = Lapse::between(began, Instant::now());
        let first = Span { id, parent, began, lasted, deed, end };
        let segment = Segment { trace: trace.id(), first, below: Vec::new(), lost: 0 };
        if let Some(outlet) = shared.outlet.as_ref().filter(|_| shared.is_sampled(trace)) {
            outlet.offer_turned_away(&segment);
        }
        let Some(mut rings) = shared.rings(segment.trace) else { return };
        let gone = rings.turned_away.push(segment);
        drop(rings);
        drop(gone);
    }

    /// Traces, those that began last first.
    pub(crate) fn list(
        &self,
        which: Which,
        service: Option<&str>,
        count_max: usize,
    ) -> Vec<TraceView> {
        let Some(shared) = &self.shared else { return Vec::new() };
        let mut found: BTreeMap<TraceId, Instant> = BTreeMap::new();
        for shard in 0..SHARDS {
            let Some(rings) = shared.lock(shard) else { continue };
            for segment in rings.of(which, shared.slow) {
                let is_of = |name| segment.spans().any(|span| view::is_of(span, name));
                if service.is_none_or(is_of) {
                    let began = found.entry(segment.trace).or_insert(segment.first.began);
                    *began = segment.first.began.max(*began);
                }
            }
        }
        let mut newest: Vec<(Instant, TraceId)> =
            found.into_iter().map(|(trace, began)| (began, trace)).collect();
        newest.sort_unstable_by(|one, other| other.cmp(one));
        newest.truncate(count_max);
        newest.into_iter().filter_map(|(_, trace)| shared.summary(trace)).collect()
    }

    /// All that is known of a trace, in the order in which it began. None when
    /// nothing is.
    pub(crate) fn find(&self, trace: TraceId) -> Option<Vec<SpanView>> {
        let shared = self.shared.as_deref()?;
        let segments = shared.segments(trace);
        (!segments.is_empty()).then(|| shared.views(&segments))
    }

    /// The spans of a segment, to be sent.
    pub(crate) fn views(&self, segment: &Segment) -> Vec<SpanView> {
        let shared = self.shared.as_deref();
        shared.map(|shared| shared.views(std::slice::from_ref(segment))).unwrap_or_default()
    }

    /// So many spans were sent, or not taken.
    pub(crate) fn note_sending(&self, sent: u64, failed: u64) {
        let outlet = self.shared.as_deref().and_then(|shared| shared.outlet.as_ref());
        if let Some(outlet) = outlet {
            outlet.note(sent, failed);
        }
    }

    /// What became of spans that are to be sent. None when none are.
    pub(crate) fn counts(&self) -> Option<SendCounts> {
        Some(self.shared.as_deref()?.outlet.as_ref()?.counts())
    }
}

impl Shared {
    fn lock(&self, shard: usize) -> Option<MutexGuard<'_, Rings>> {
        let shard = self.shards.get(shard)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All of a trace is in one place.
    fn rings(&self, trace: TraceId) -> Option<MutexGuard<'_, Rings>> {
        let shards = self.shards.len() as u64;
        self.lock(usize::try_from(mix(trace.bits()) % shards.max(1)).unwrap_or_default())
    }

    /// Whether a trace is to be sent. Of one that came along, its caller says so.
    fn is_sampled(&self, trace: &Trace) -> bool {
        match trace.span() {
            None => self.ratio.takes(trace.id().bits()),
            Some(_) => trace.is_sampled(),
        }
    }

    fn keep(&self, segment: Segment, is_sampled: bool) {
        if let Some(outlet) = self.outlet.as_ref().filter(|_| is_sampled) {
            outlet.offer(&segment);
        }
        let slow = (self.slow <= segment.lasted()).then(|| segment.clone());
        let failed = segment.is_failed().then(|| segment.clone());
        let Some(mut rings) = self.rings(segment.trace) else { return };
        let gone = (
            slow.map(|slow| rings.slow.push(slow)),
            failed.map(|failed| rings.failed.push(failed)),
            rings.newest.push(segment),
        );
        drop(rings);
        // To let go of what they share takes longer than to put an entry there.
        drop(gone);
    }

    /// What is there of a trace, each once.
    fn segments(&self, trace: TraceId) -> Vec<Segment> {
        let Some(rings) = self.rings(trace) else { return Vec::new() };
        let mut segments: Vec<Segment> = Vec::new();
        for segment in rings.all().filter(|segment| segment.trace == trace) {
            if !segments.iter().any(|known| known.first.id == segment.first.id) {
                segments.push(segment.clone());
            }
        }
        segments
    }

    fn views(&self, segments: &[Segment]) -> Vec<SpanView> {
        let spans = segments.iter().flat_map(Segment::spans);
        let mut views: Vec<SpanView> =
            spans.flat_map(|span| view::views(span, &self.clock)).collect();
        for segment in segments.iter().filter(|segment| 0 < segment.lost) {
            if let Some(first) = views.iter_mut().find(|view| view.id == segment.first.id) {
                let lost = Attribute::Number(segment.lost.into());
                first.attributes.push(("picolet.spans_lost", lost));
            }
        }
        // Stable, so that parents stay before children that began with them.
        views.sort_by_key(|view| view.started);
        views
    }

    fn summary(&self, trace: TraceId) -> Option<TraceView> {
        let segments = self.segments(trace);
        let first = segments.iter().min_by_key(|segment| segment.first.began)?;
        let end = segments.iter().map(|segment| segment.first.began + segment.lasted()).max()?;
        let views = self.views(&segments);
        let failure = views.iter().find(|view| view.is_failure);
        let fault = failure.and_then(|view| view.fault.clone());
        let root = views.iter().find(|view| view.id == first.first.id)?.clone();
        Some(TraceView {
            trace,
            lasted: end.saturating_duration_since(first.first.began),
            fault: root.fault.clone().or(fault),
            spans: views.len(),
            began_with: beginning(&root, &views),
            services: views.into_iter().map(|view| view.service).collect(),
            root,
        })
    }
}

fn beginning(root: &SpanView, views: &[SpanView]) -> String {
    let below = views.iter().filter(|view| view.parent == Some(root.id));
    // Tries of one call stand side by side.
    let asked: BTreeSet<&str> = below.map(|view| view.name.as_str()).collect();
    match (root.service.as_str(), asked.first(), asked.len()) {
        ("", Some(one), 1) => format!("{} {one}", root.name),
        ("", Some(one), count) => format!("{} {one} and {} more", root.name, count - 1),
        _ => root.name.clone(),
    }
}

impl OpenSpan<'_> {
    /// Which span it is.
    pub(crate) fn id(&self) -> Option<SpanId> {
        self.span.as_ref().map(|span| span.id)
    }

    /// Notes more of what is done.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Deed)) {
        if let Some(span) = &mut self.span {
            change(&mut span.deed);
        }
    }

    /// It is over.
    pub(crate) fn end(mut self, at: Instant, end: End) {
        self.close(at, end);
    }

    /// It was nothing: the context is as it was before.
    pub(crate) fn forget(mut self, context: &mut CallContext) {
        let Some(span) = self.span.take() else { return };
        context.request_id.trace_mut().set_span(span.parent);
        if self.is_first {
            context.trail = None;
        }
    }

    fn close(&mut self, at: Instant, end: End) {
        let Some(span) = self.span.take() else { return };
        let lasted = Lapse::between(span.began, at);
        let span = Span { lasted, end, ..span };
        let (first, (below, lost)) = if self.is_first {
            (span, self.trail.end())
        } else {
            // What goes on when the request is over stands for itself.
            let Some(late) = self.trail.add(span) else { return };
            (late, (Vec::new(), 0))
        };
        let segment = Segment { trace: self.trace, first, below, lost };
        self.shared.keep(segment, self.is_sampled);
    }
}

impl Drop for OpenSpan<'_> {
    fn drop(&mut self) {
        if self.span.is_some() {
            self.close(Instant::now(), End::cancelled());
        }
    }
}

#[cfg(test)]
mod tests;
