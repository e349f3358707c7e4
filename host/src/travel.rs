//! What of a call's context travels in headers: request id, trace, deadline,
//! properties, depth.

use crate::call::{CallContext, RequestIds};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// Names a request; kept when it comes in, made otherwise.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Milliseconds until the deadline of a request.
pub(crate) const TIMEOUT_MS: HeaderName = HeaderName::from_static("x-picolet-timeout-ms");
/// Services that wait for this call further up.
pub(crate) const DEPTH: HeaderName = HeaderName::from_static("x-picolet-depth");
/// <https://www.w3.org/TR/trace-context/>
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// <https://www.w3.org/TR/baggage/>
pub(crate) const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// Reads the context of a request that comes in. A request that brings no
/// deadline has none but the bounds of whoever answers it.
pub(crate) fn read(headers: &HeaderMap, ids: &RequestIds) -> CallContext {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let request_id = ids.next(text(&REQUEST_ID), text(&TRACEPARENT));
    let timeout = text(&TIMEOUT_MS).and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
    let deadline = Instant::now() + timeout.map_or(LONGEST, |timeout| timeout.min(LONGEST));
    let mut context = CallContext::outermost(request_id, deadline);
    context.hops_before = text(&DEPTH).and_then(|depth| depth.parse().ok()).unwrap_or_default();
    if let Some(baggage) = text(&BAGGAGE) {
        read_baggage(baggage, &context);
    }
    context
}

/// A bound on what a caller may ask for, so that clocks do not overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

fn read_baggage(baggage: &str, context: &CallContext) {
    for member in baggage.split(',') {
        let pair = member.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else { continue };
        if let Ok(value) = percent_decode_str(value.trim()).decode_utf8() {
            context.set_property(name.trim(), &value);
        }
    }
}

/// Writes the context of a request that leaves.
pub(crate) fn write(context: &CallContext, headers: &mut HeaderMap) {
    let mut put = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    put(REQUEST_ID, context.request_id.to_string());
    put(TRACEPARENT, context.request_id.traceparent());
    let remaining = context.deadline.saturating_duration_since(Instant::now());
    put(TIMEOUT_MS, remaining.as_millis().to_string());
    put(DEPTH, (context.hops_before + context.chain.len()).to_string());
    let properties = context.properties.lock().unwrap_or_else(PoisonError::into_inner);
    if !properties.is_empty() {
        let member =
            |(name, value): &(String, String)| format!("{name}={}", crate::path::encode(value));
        put(BAGGAGE, properties.iter().map(member).collect::<Vec<_>>().join(","));
    }
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
        let context = read(&headers, &RequestIds::default());
        tokio::time::advance(Duration::from_millis(200)).await;

        let mut out = HeaderMap::new();
        write(&context, &mut out);
        let text = |name: &HeaderName| out.get(name).unwrap().to_str().unwrap();
        assert_eq!(text(&REQUEST_ID), "r-1");
        assert_eq!(text(&TIMEOUT_MS), "300");
        assert_eq!(text(&DEPTH), "3");
        assert_eq!(text(&BAGGAGE), "user=a%2Fb,x=1");
        assert_eq!(text(&TRACEPARENT).len(), 55);
    }
}
