//! Traces by themselves: what is kept, and for how long.

use super::*;
use crate::call::RequestIds;
use http::Method;

fn traces(traces_max: usize) -> Traces {
    Traces::new(&TraceSettings { traces_max, ..TraceSettings::default() }).0
}

fn context() -> CallContext {
    CallContext::outermost(RequestIds::default().next(None, None), Instant::now())
}

fn deed() -> Deed {
    Deed::Request { verb: Method::GET, path: None }
}

/// A request that lasted so long and ended so; gives its trace.
fn note(traces: &Traces, lasted: Duration, status: u16) -> TraceId {
    let (mut context, began) = (context(), Instant::now());
    let open = traces.begin(&mut context, began, deed).unwrap();
    open.end(began + lasted, End::with_status(status));
    context.request_id.trace().id()
}

#[test]
fn what_was_slow_or_failed_stays_while_many_others_pass() {
    let traces = traces(160);
    let fast = note(&traces, Duration::ZERO, 200);
    let slow = note(&traces, Duration::from_millis(500), 200);
    let failed = note(&traces, Duration::ZERO, 500);
    for _ in 0..10_000 {
        note(&traces, Duration::from_millis(499), 404);
    }
    assert!(traces.find(fast).is_none());
    let only = |which| {
        let [one] = &traces.list(which, None, 10)[..] else { panic!("want one {which:?}") };
        one.trace
    };
    assert_eq!((only(Which::Slow), only(Which::Failed)), (slow, failed));
    assert!(traces.find(slow).is_some() && traces.find(failed).is_some());
    assert_eq!(traces.list(Which::Newest, None, 1_000).len(), 160);
    assert_eq!(traces.list(Which::Newest, Some("calc"), 10).len(), 0);
}

#[test]
fn spans_below_belong_to_the_request_and_late_ones_to_its_trace() {
    let traces = traces(64);
    let (mut context, now) = (context(), Instant::now());
    let first = traces.begin(&mut context, now, deed).unwrap();
    let (root, mut late_context) = (first.id(), context.clone());
    let mut inner_context = context.clone();
    let inner = traces.begin(&mut inner_context, now, deed).unwrap();
    let late = traces.begin(&mut late_context, now, deed).unwrap();
    inner.end(now, End::with_status(200));
    first.end(now, End::with_status(200));
    let trace = context.request_id.trace().id();
    assert_eq!(traces.find(trace).unwrap().len(), 2);
    drop(late);
    let spans = traces.find(trace).unwrap();
    let parents: Vec<_> = spans.iter().map(|span| span.parent).collect();
    assert_eq!(parents.iter().filter(|parent| **parent == root).count(), 2, "{parents:?}");
    assert!(spans.iter().any(|span| span.fault.as_deref() == Some("cancelled")));
    assert_eq!(traces.list(Which::Newest, None, 10).len(), 1);
}

#[test]
fn what_is_forgotten_leaves_no_trace() {
    let (traces, mut context) = (traces(16), context());
    let open = traces.begin(&mut context, Instant::now(), deed).unwrap();
    open.forget(&mut context);
    assert_eq!(context.request_id.trace().span(), None);
    assert!(context.trail.is_none());
    assert!(traces.find(context.request_id.trace().id()).is_none());
}

#[test]
fn nothing_is_noted_where_nothing_is_wanted() {
    let settings = TraceSettings { traces: false, ..TraceSettings::default() };
    let (traces, mut context) = (Traces::new(&settings).0, context());
    assert!(traces.begin(&mut context, Instant::now(), deed).is_none());
    assert!(context.trail.is_none());
    assert!(traces.list(Which::Newest, None, 10).is_empty());
}

#[test]
fn what_a_collector_does_not_take_in_time_is_dropped_and_counted() {
    let otlp = Some(http::Uri::from_static("http://a:4318/v1/traces"));
    let settings = TraceSettings { otlp, ..TraceSettings::default() };
    let (traces, outlet) = Traces::new(&settings);
    for _ in 0..OUTLET_MAX + 3 {
        note(&traces, Duration::ZERO, 200);
    }
    assert_eq!(outlet.unwrap().len(), OUTLET_MAX);
    assert_eq!(traces.counts().unwrap().dropped, 3);
}
