//! Spans as the message that a collector takes.

use crate::call::TraceId;
use crate::traces::{Attribute, SpanKind, SpanView};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use prost::Message;
use std::time::Duration;

/// Whoever began the trace wants it to be recorded, or it would not be sent.
const SAMPLED: u32 = 1;

/// A request with these spans.
pub(super) fn request(spans: Vec<(TraceId, SpanView)>, node: &str) -> Bytes {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let resource = Resource {
        attributes: vec![
            text("service.name", "picolet".to_owned()),
            text("service.version", version.clone()),
            text("service.instance.id", node.to_owned()),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "picolet".to_owned(),
        version,
        ..InstrumentationScope::default()
    };
    let spans = spans.into_iter().map(|(trace, view)| span_of(trace, view)).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let of_host =
        ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![of_host] }.encode_to_vec().into()
}

fn span_of(trace: TraceId, view: SpanView) -> Span {
    let mut attributes: Vec<KeyValue> = view
        .attributes
        .into_iter()
        .map(|(name, value)| match value {
            Attribute::Text(value) => text(name, value),
            Attribute::Number(value) => pair(name, Value::IntValue(value)),
        })
        .collect();
    let own = [
        ("picolet.service", view.service),
        ("picolet.method", view.method),
        ("picolet.revision", view.revision),
    ];
    let own = own.into_iter().filter(|(_, value)| !value.is_empty());
    attributes.extend(own.map(|(name, value)| text(name, value)));
    let status = view.is_failure.then(|| Status {
        message: view.fault.unwrap_or_default(),
        code: StatusCode::Error.into(),
    });
    Span {
        trace_id: trace.bytes().to_vec(),
        span_id: view.id.bytes().to_vec(),
        parent_span_id: view.parent.map(|id| id.bytes().to_vec()).unwrap_or_default(),
        flags: SAMPLED,
        name: view.name,
        kind: kind(view.kind).into(),
        start_time_unix_nano: nanos(view.started),
        end_time_unix_nano: nanos(view.started + view.lasted),
        attributes,
        status,
        ..Span::default()
    }
}

fn kind(kind: SpanKind) -> span::SpanKind {
    match kind {
        SpanKind::Internal => span::SpanKind::Internal,
        SpanKind::Server => span::SpanKind::Server,
        SpanKind::Client => span::SpanKind::Client,
        SpanKind::Producer => span::SpanKind::Producer,
        SpanKind::Consumer => span::SpanKind::Consumer,
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn text(key: &str, value: String) -> KeyValue {
    pair(key, Value::StringValue(value))
}

fn pair(key: &str, value: Value) -> KeyValue {
    let (key, value) = (key.to_owned(), Some(AnyValue { value: Some(value) }));
    KeyValue { key, value, ..KeyValue::default() }
}
