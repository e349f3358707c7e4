//! What of a call's context travels in headers: request id, trace, deadline,
//! properties, depth.

use crate::call::{CallContext, Properties, RequestId, RequestIds, Trace};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use std::time::Duration;
use tokio::time::Instant;

/// Names a request; kept when it comes in, made otherwise.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Milliseconds until the deadline of a request.
pub(crate) const TIMEOUT_MS: HeaderName = HeaderName::from_static("x-picolet-timeout-ms");
/// The name of a fault, on answers that are one.
pub(crate) const FAULT: HeaderName = HeaderName::from_static("x-picolet-fault");
/// Which version of a service is meant: a requirement such as `^1.2`.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("x-picolet-version");
/// Services that wait for this call further up.
pub(crate) const DEPTH: HeaderName = HeaderName::from_static("x-picolet-depth");
/// <https://www.w3.org/TR/trace-context/>
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What tracing systems keep beside it; may come in several parts.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// <https://www.w3.org/TR/baggage/>
pub(crate) const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// Reads the context of a request that comes in. A request that brings no
/// deadline has none but the bounds of whoever answers it.
pub(crate) fn read(headers: &HeaderMap, ids: &RequestIds) -> CallContext {
    let brought = Brought::find(headers);
    let trace = text(brought.traceparent).and_then(Trace::parse);
    let trace = trace.map(|trace| {
        let parts = headers.get_all(TRACESTATE).iter().filter_map(|part| part.to_str().ok());
        trace.with_state(&parts.collect::<Vec<_>>().join(","))
    });
    let request_id = ids.next(text(brought.request_id), trace);
    let timeout = timeout(brought.timeout_ms);
    let mut context = CallContext::outermost(request_id, Instant::now() + timeout);
    if let Some(depth) = text(brought.depth) {
        context.hops_before = depth.parse().unwrap_or_default();
    }
    if let Some(baggage) = text(brought.baggage) {
        read_baggage(baggage, &mut context.properties);
    }
    context
}

/// The names of a request that goes nowhere, of which nothing else matters.
pub(crate) fn read_names(headers: &HeaderMap, ids: &RequestIds) -> RequestId {
    let Brought { request_id, traceparent, .. } = Brought::find(headers);
    ids.next(text(request_id), text(traceparent).and_then(Trace::parse))
}

/// When a context was [read] of these headers, as its deadline still says.
pub(crate) fn came(context: &CallContext, headers: &HeaderMap) -> Instant {
    let timeout = timeout(headers.get(TIMEOUT_MS));
    context.deadline.checked_sub(timeout).unwrap_or(context.deadline)
}

/// How long a request may take, as far as it says so.
fn timeout(asked: Option<&HeaderValue>) -> Duration {
    let asked = text(asked).and_then(|ms| ms.parse().ok());
    asked.map_or(LONGEST, |ms| Duration::from_millis(ms).min(LONGEST))
}

/// The headers that matter here; the first of each name counts.
#[derive(Default)]
struct Brought<'h> {
    request_id: Option<&'h HeaderValue>,
    timeout_ms: Option<&'h HeaderValue>,
    depth: Option<&'h HeaderValue>,
    traceparent: Option<&'h HeaderValue>,
    baggage: Option<&'h HeaderValue>,
}

impl<'h> Brought<'h> {
    /// One walk over the headers costs less than a look-up for each name.
    fn find(headers: &'h HeaderMap) -> Self {
        let mut brought = Self::default();
        for (name, value) in headers {
            let place = match name.as_str() {
                "x-request-id" => &mut brought.request_id,
                "x-picolet-timeout-ms" => &mut brought.timeout_ms,
                "x-picolet-depth" => &mut brought.depth,
                "traceparent" => &mut brought.traceparent,
                "baggage" => &mut brought.baggage,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        brought
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok())
}

/// A bound on what a caller may ask for, so that clocks do not overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads the value of a `baggage` header.
pub(crate) fn read_baggage(baggage: &str, properties: &mut Properties) {
    for member in baggage.split(',') {
        let pair = member.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else { continue };
        if let Ok(value) = percent_decode_str(value.trim()).decode_utf8() {
            properties.set(name.trim(), &value);
        }
    }
}

/// Writes the context of a request that leaves.
pub(crate) fn write(context: &CallContext, headers: &mut HeaderMap) {
    let put = |headers: &mut HeaderMap, name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    put(headers, REQUEST_ID, context.request_id.to_string());
    put(headers, TRACEPARENT, context.request_id.traceparent());
    let remaining = context.deadline.saturating_duration_since(Instant::now());
    put(headers, TIMEOUT_MS, remaining.as_millis().to_string());
    put(headers, DEPTH, (context.hops_before + context.chain.len()).to_string());
    let baggage = baggage(&context.properties);
    let baggage = (!baggage.is_empty()).then_some(baggage);
    let state = context.request_id.tracestate().map(str::to_owned);
    for (name, value) in [(TRACESTATE, state), (BAGGAGE, baggage)] {
        match value {
            Some(value) => put(headers, name, value),
            // What a caller set by hand is not of this call.
            None => drop(headers.remove(name)),
        }
    }
}

/// Properties as the value of a `baggage` header.
pub(crate) fn baggage(properties: &Properties) -> String {
    let member = |(name, value): (&str, &str)| format!("{name}={}", crate::path::encode(value));
    properties.iter().map(member).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_leaves_is_what_came_in_with_less_time() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("r-1"));
        headers.insert(TIMEOUT_MS, HeaderValue::from_static("500"));
        headers.insert(BAGGAGE, HeaderValue::from_static("user=a%2Fb;meta, x=1, broken"));
        headers.insert(DEPTH, HeaderValue::from_static("3"));
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        headers.insert(TRACEPARENT, HeaderValue::from_static(trace));
        headers.append(TRACESTATE, HeaderValue::from_static("rojo=00f"));
        headers.append(TRACESTATE, HeaderValue::from_static("congo=t61"));
        let (context, began) = (read(&headers, &RequestIds::default()), Instant::now());
        tokio::time::advance(Duration::from_millis(200)).await;
        assert_eq!(came(&context, &headers), began);

        let mut out = HeaderMap::new();
        write(&context, &mut out);
        let text = |name: &HeaderName| out.get(name).unwrap().to_str().unwrap();
        assert_eq!(text(&REQUEST_ID), "r-1");
        assert_eq!(text(&TIMEOUT_MS), "300");
        assert_eq!(text(&DEPTH), "3");
        assert_eq!(text(&BAGGAGE), "user=a%2Fb,x=1");
        assert_eq!(text(&TRACEPARENT), trace);
        assert_eq!(text(&TRACESTATE), "rojo=00f,congo=t61");
    }
}
