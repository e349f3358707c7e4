//! What was done for the requests of late.

use super::described::{
    Operation, Paths, array, by_name, count, in_path, in_query, named, object, path, text,
    text_or_null, word,
};
use super::{Admin, Refused};
use crate::call::TraceId;
use crate::telemetry::Line;
use crate::traces::{Attribute, SpanView, TraceView, Which};
use axum::Json;
use axum::extract::{Path, RawQuery, State as AxumState};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Which traces are asked for.
struct Asked {
    which: Which,
    service: Option<String>,
    limit: usize,
}

const LIMIT: usize = 50;
const LIMIT_MAX: usize = 1_000;

impl Asked {
    fn parse(query: &str) -> Result<Self, Refused> {
        let mut asked = Self { which: Which::default(), service: None, limit: LIMIT };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "kind" => {
                    asked.which = Which::parse(&value).ok_or_else(|| {
                        let message = format!("kind is {value:?}, want newest, slow or failed");
                        Refused::bad_request(message)
                    })?;
                }
                "service" => asked.service = Some(value.into_owned()).filter(|it| !it.is_empty()),
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                    asked.limit = limit.ok_or_else(|| {
                        let message = format!(
                            "limit is {value:?}, want a whole number from 1 to {LIMIT_MAX}"
                        );
                        Refused::bad_request(message)
                    })?;
                }
                other => {
                    let message = format!("query has {other:?}, want service, kind or limit");
                    return Err(Refused::bad_request(message));
                }
            }
        }
        Ok(asked)
    }
}

/// A list of traces.
pub(super) async fn traces(
    AxumState(admin): AxumState<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Refused> {
    let Asked { which, service, limit } = Asked::parse(query.as_deref().unwrap_or_default())?;
    let traces = admin.traces.list(which, service.as_deref(), limit);
    let traces: Vec<Value> = traces.iter().map(listed).collect();
    Ok(Json(json!({ "traces": traces })))
}

/// One trace with all that is known of it.
pub(super) async fn trace(
    AxumState(admin): AxumState<Admin>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    let trace = TraceId::parse(&id).ok_or_else(|| {
        let message = format!("{id:?} is no id of a trace: want 32 lower-case hexadecimal digits");
        Refused::bad_request(message)
    })?;
    let spans = admin.traces.find(trace).ok_or_else(|| {
        Refused::not_found(format!("nothing is kept of trace {trace}; only those of late are"))
    })?;
    let spans: Vec<Value> = spans.iter().map(shown).collect();
    let lines = admin.log.lines.of_trace(&id);
    let lines: Vec<&Line> = lines.iter().map(|line| &**line).collect();
    Ok(Json(json!({ "trace_id": id, "spans": spans, "logs": lines })))
}

fn listed(view: &TraceView) -> Value {
    let TraceView { trace, root, began_with, lasted, fault, spans, services } = view;
    let services: Vec<&String> = services.iter().filter(|name| !name.is_empty()).collect();
    json!({
        "trace_id": trace.to_string(),
        "root": began_with,
        "service": root.service,
        "method": root.method,
        "started_ms": whole(root.started.as_millis()),
        "duration_us": micros(*lasted),
        "status": root.status,
        "fault": fault,
        "spans": spans,
        "services": services,
    })
}

fn shown(view: &SpanView) -> Value {
    let attribute = |(name, value): &(&str, Attribute)| {
        let value = match value {
            Attribute::Text(text) => json!(text),
            Attribute::Number(number) => json!(number),
        };
        ((*name).to_owned(), value)
    };
    let attributes: Map<String, Value> = view.attributes.iter().map(attribute).collect();
    json!({
        "span_id": view.id.to_string(),
        "parent_id": view.parent.map(|id| id.to_string()),
        "name": view.name,
        "kind": view.kind.as_str(),
        "service": view.service,
        "method": view.method,
        "revision": view.revision,
        "started_us": micros(view.started),
        "duration_us": micros(view.lasted),
        "status": view.status,
        "fault": view.fault,
        "attributes": attributes,
    })
}

fn micros(time: Duration) -> u64 {
    whole(time.as_micros())
}

fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// For the description of the API.
pub(super) fn described() -> Paths {
    let listed = object(
        &[
            "trace_id",
            "root",
            "service",
            "method",
            "started_ms",
            "duration_us",
            "status",
            "fault",
            "spans",
            "services",
        ],
        json!({
            "trace_id": text(),
            "root": { "type": "string", "description": "the span that it began with, and what that asked for where it is no service's" },
            "service": text(),
            "method": text(),
            "started_ms": count(),
            "duration_us": count(),
            "status": status(),
            "fault": text_or_null(),
            "spans": count(),
            "services": array(text()),
        }),
    );
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT });
    let summary = "Traces of the requests of late, those that began last first";
    let kinds = word(&["newest", "slow", "failed"]);
    let list = Operation::new("listTraces", summary)
        .takes(in_query("service", "that had to do with this one; any when empty", text()))
        .takes(in_query("kind", "which ones", kinds))
        .takes(in_query("limit", "how many", limit))
        .answers("traces", object(&["traces"], json!({ "traces": array(listed) })))
        .refuses(400, "a query that is not understood");
    let id = json!({
        "type": "string", "pattern": "^[0-9a-f]{32}$", "not": { "const": "0".repeat(32) },
    });
    let trace = json!({
        "trace_id": text(), "spans": array(span()), "logs": array(named("Line")),
    });
    let summary = "One trace with its spans, in the order in which they began";
    let one = Operation::new("getTrace", summary)
        .takes(in_path("trace_id", "an id that is not all zeros", id))
        .answers("its spans and its lines", object(&["trace_id", "spans", "logs"], trace))
        .refuses(400, "no id of a trace")
        .refuses(404, "nothing is kept of it");
    vec![
        ("/admin/v1/traces", path([("get", list)])),
        ("/admin/v1/traces/{trace_id}", path([("get", one)])),
    ]
}

fn span() -> Value {
    object(
        &[
            "span_id",
            "parent_id",
            "name",
            "kind",
            "service",
            "method",
            "revision",
            "started_us",
            "duration_us",
            "status",
            "fault",
            "attributes",
        ],
        json!({
            "span_id": text(),
            "parent_id": text_or_null(),
            "name": text(),
            "kind": word(&["internal", "server", "client", "producer", "consumer"]),
            "service": text(),
            "method": text(),
            "revision": text(),
            "started_us": count(),
            "duration_us": count(),
            "status": status(),
            "fault": text_or_null(),
            "attributes": by_name(json!({ "type": ["string", "integer"] })),
        }),
    )
}

fn status() -> Value {
    json!({ "type": "integer", "minimum": 0, "description": "of HTTP; 0 when there is none" })
}
