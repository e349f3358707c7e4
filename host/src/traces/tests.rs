//! Traces by themselves: what is kept, and for how long.

use super::*;
use crate::call::{Callee, Calling, Entrance, Hop, Reach, RequestIds, Serving, Sought};
use crate::digest::Digest;
use crate::name::Name;
use http::Method;
use outlet::{OUTLET_MAX, TURNED_AWAY_MAX};

fn traces(traces_max: usize) -> Traces {
    Traces::new(&TraceSettings { traces_max, ..TraceSettings::default() }).0
}

fn context() -> CallContext {
    CallContext::outermost(RequestIds::default().next(None, None), Instant::now())
}

/// A request that was turned away with this status; gives its trace.
fn turn_away(traces: &Traces, status: u16) -> TraceId {
    let request_id = RequestIds::default().next(None, None);
    traces.note_turned_away(&request_id, Instant::now(), deed(), End::with_status(status));
    request_id.trace().id()
}

fn with_collector(ratio: Ratio) -> (Traces, mpsc::Receiver<Segment>) {
    let otlp = Some(http::Uri::from_static("http://a:4318/v1/traces"));
    let settings = TraceSettings { otlp, otlp_ratio: ratio, ..TraceSettings::default() };
    let (traces, outlet) = Traces::new(&settings);
    (traces, outlet.unwrap())
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
fn a_trace_that_began_at_no_service_says_what_was_asked_for() {
    let (traces, now) = (traces(64), Instant::now());
    let call = |what: &str| {
        let sought = Sought { service: "calc".into(), what: what.into() };
        let callee = Callee::Sought(Box::new(sought));
        Deed::Call(Calling { callee, reach: Reach::Nowhere, before: 0 })
    };
    for (asked, expected) in [
        (vec![], "POST /rpc"),
        (vec!["add", "add"], "POST /rpc calc.add"),
        (vec!["add", "sub", "mul"], "POST /rpc calc.add and 2 more"),
    ] {
        let mut context = context();
        let door = || Deed::Request { verb: Method::POST, path: Some(&"/rpc") };
        let first = traces.begin(&mut context, now, door).unwrap();
        for what in asked {
            traces.note(&mut context.clone(), now, call(what), End::with_status(200));
        }
        first.end(now, End::with_status(200));
        let trace = context.request_id.trace().id();
        let listed = traces.list(Which::Newest, None, 10);
        let listed = listed.iter().find(|listed| listed.trace == trace).unwrap();
        assert_eq!(listed.began_with, expected);
    }
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

/// The stages that a call of a service went through.
#[track_caller]
fn check_stages(admitted: Option<Lapse>, lent: Option<Lapse>, expected: &[&str]) {
    let (traces, mut context) = (traces(16), context());
    let name = |text| Name::parse(text).unwrap();
    let (service, method, revision) = (name("calc"), name("add"), Digest::of(&[]));
    let hop = Arc::new(Hop { service, method, revision, route: None });
    let entrance = Entrance::Method(0);
    let deed = || Deed::Serve(Serving { hop, entrance, admitted, lent });
    let open = traces.begin(&mut context, Instant::now(), deed).unwrap();
    open.end(Instant::now(), End::with_status(503));
    let spans = traces.find(context.request_id.trace().id()).unwrap();
    let mut names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn a_call_has_the_stages_that_it_came_to() {
    let now = Some(Lapse::NONE);
    check_stages(None, None, &["calc.add", "queue"]);
    check_stages(now, None, &["calc.add", "instance", "queue"]);
    check_stages(now, now, &["calc.add", "guest", "instance", "queue"]);
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
    let (traces, outlet) = with_collector(Ratio::ALL);
    for _ in 0..OUTLET_MAX + 3 {
        note(&traces, Duration::ZERO, 200);
    }
    assert_eq!(outlet.len(), OUTLET_MAX);
    assert_eq!(traces.counts().unwrap().dropped, 3);
}

#[test]
fn a_flood_of_requests_that_are_turned_away_pushes_out_nothing_that_was_served() {
    let traces = traces(1_600);
    let served = note(&traces, Duration::ZERO, 200);
    let failed = note(&traces, Duration::ZERO, 500);
    for _ in 0..10_000 {
        turn_away(&traces, 404);
    }
    let last = turn_away(&traces, 503);
    assert!(traces.find(served).is_some());
    let mut listed: Vec<_> =
        traces.list(Which::Failed, None, 1_000).iter().map(|one| one.trace).collect();
    listed.sort_unstable();
    let mut both = [failed, last];
    both.sort_unstable();
    assert_eq!(listed, both);
    assert!(traces.list(Which::Slow, None, 10).is_empty());
    let newest = traces.list(Which::Newest, None, 1_000);
    assert_eq!(newest[0].trace, last);
    // One in sixteen of the places, in each of sixteen shards.
    assert!((3..=2 + 16 * 7).contains(&newest.len()), "{}", newest.len());
}

#[test]
fn requests_that_were_turned_away_leave_room_in_the_line_to_a_collector() {
    let (traces, outlet) = with_collector(Ratio::ALL);
    for _ in 0..OUTLET_MAX {
        turn_away(&traces, 503);
    }
    assert_eq!(outlet.len(), TURNED_AWAY_MAX);
    note(&traces, Duration::ZERO, 200);
    assert_eq!(outlet.len(), TURNED_AWAY_MAX + 1);
    assert_eq!(traces.counts().unwrap().dropped, (OUTLET_MAX - TURNED_AWAY_MAX) as u64);
}

#[test]
fn of_traces_that_begin_here_the_ratio_is_sent_and_all_are_kept() {
    let (traces, outlet) = with_collector(Ratio::of(0.25));
    let ids = RequestIds::default();
    // Which version of a service a request goes to is drawn by such bits.
    let mut sent_of_one = [0_u32; 2];
    for _ in 0..8_000 {
        let mut context = CallContext::outermost(ids.next(None, None), Instant::now());
        let bits = context.request_id.bits();
        let open = traces.begin(&mut context, Instant::now(), deed).unwrap();
        open.end(Instant::now(), End::with_status(200));
        let is_sampled = context.request_id.trace().is_sampled();
        assert_eq!(context.request_id.traceparent().ends_with("-01"), is_sampled);
        let half = usize::from(bits >> 63 == 1);
        sent_of_one[half] += u32::from(is_sampled);
    }
    let sent = sent_of_one[0] + sent_of_one[1];
    assert_eq!(outlet.len(), sent as usize);
    // Seven standard deviations or more: they are 39 and 30.
    assert!((1_690..2_310).contains(&sent), "{sent}");
    assert!(sent_of_one.iter().all(|sent| (780..1_220).contains(sent)), "{sent_of_one:?}");
    assert!(1_900 < traces.list(Which::Newest, None, 4_000).len());
}

#[test]
fn what_came_along_is_sent_as_its_caller_says() {
    for (flags, ratio, sent) in [("01", 0.0, 1), ("00", 1.0, 0)] {
        let (traces, outlet) = with_collector(Ratio::of(ratio));
        let given = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        let request_id = RequestIds::default().next(None, Trace::parse(&given));
        traces.note_turned_away(&request_id, Instant::now(), deed(), End::with_status(503));
        let mut context = CallContext::outermost(request_id, Instant::now());
        traces
            .begin(&mut context, Instant::now(), deed)
            .unwrap()
            .end(Instant::now(), End::default());
        assert!(context.request_id.traceparent().ends_with(flags), "{flags}");
        assert_eq!(outlet.len(), 2 * sent, "{flags}");
    }
}
