//! Spans as people and collectors are told of them.
//!
//! Names of attributes are those of
//! <https://opentelemetry.io/docs/specs/semconv/>, where there is one.

use super::clock::Clock;
use crate::call::{
    Callee, Calling, Deed, Entrance, GUEST, Hop, INSTANCE, QUEUE, Reach, Serving, Span, SpanId,
};
use crate::route::Verb;
use std::time::Duration;
use tokio::time::Instant;

/// A span with its texts.
#[derive(Clone, Debug)]
pub(crate) struct SpanView {
    pub(crate) id: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) service: String,
    pub(crate) method: String,
    pub(crate) revision: String,
    /// Since 1970.
    pub(crate) started: Duration,
    pub(crate) lasted: Duration,
    /// HTTP status; 0 when there is none.
    pub(crate) status: u16,
    pub(crate) fault: Option<String>,
    pub(crate) is_failure: bool,
    pub(crate) attributes: Vec<(&'static str, Attribute)>,
}

/// What is said of a span beside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Text(String),
    Number(i64),
}

/// What a span is to the one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanKind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

impl SpanKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// Whether a span has to do with a service.
pub(super) fn is_of(span: &Span, service: &str) -> bool {
    match &span.deed {
        Deed::Serve(Serving { hop, .. }) => hop.service.as_str() == service,
        Deed::Call(Calling { callee, .. }) => callee.service() == service,
        Deed::Fetch { by, .. } | Deed::Publish { by, .. } => by.service.as_str() == service,
        Deed::Request { .. } => false,
    }
}

/// A span and, for a call of a service, its stages.
pub(super) fn views(span: &Span, clock: &Clock) -> Vec<SpanView> {
    let mut views = vec![view(span, clock)];
    if let Deed::Serve(serving) = &span.deed {
        let stages = stages(span, serving).into_iter().flatten();
        views.extend(stages.map(|stage| stage_view(&stage, span, serving, clock)));
    }
    views
}

/// A part of a call.
struct Stage {
    part: u64,
    name: &'static str,
    began: Instant,
    ended: Instant,
}

/// Whoever is turned away has only waited, and no guest was entered where no
/// instance was to be had.
fn stages(span: &Span, serving: &Serving) -> [Option<Stage>; 3] {
    let Span { began, lasted, .. } = *span;
    let ended = began + lasted.duration();
    let stage = |part, name, began, ended| Some(Stage { part, name, began, ended });
    let Some(admitted) = serving.admitted.map(|after| began + after.duration()) else {
        return [stage(QUEUE, "queue", began, ended), None, None];
    };
    let queue = stage(QUEUE, "queue", began, admitted);
    let Some(lent) = serving.lent.map(|after| began + after.duration()) else {
        return [queue, stage(INSTANCE, "instance", admitted, ended), None];
    };
    [queue, stage(INSTANCE, "instance", admitted, lent), stage(GUEST, "guest", lent, ended)]
}

fn stage_view(stage: &Stage, span: &Span, serving: &Serving, clock: &Clock) -> SpanView {
    let Hop { service, method, revision, .. } = &*serving.hop;
    SpanView {
        id: span.id.part(stage.part),
        parent: Some(span.id),
        name: stage.name.to_owned(),
        kind: SpanKind::Internal,
        service: service.to_string(),
        method: method.to_string(),
        revision: revision.to_string(),
        started: clock.unix(stage.began),
        lasted: stage.ended.saturating_duration_since(stage.began),
        status: 0,
        fault: None,
        is_failure: false,
        attributes: Vec::new(),
    }
}

fn view(span: &Span, clock: &Clock) -> SpanView {
    let Told { name, kind, service, method, revision, mut attributes } = Told::of(&span.deed);
    let status = span.end.status;
    if status != 0 && kind != SpanKind::Consumer && kind != SpanKind::Internal {
        attributes.push(("http.response.status_code", Attribute::Number(status.into())));
    }
    let fault = span.end.fault.as_ref().map(ToString::to_string);
    let is_failure = span.end.is_failure();
    if let Some(kind) = fault.clone().or_else(|| is_failure.then(|| status.to_string())) {
        attributes.push(("error.type", Attribute::Text(kind)));
    }
    SpanView {
        id: span.id,
        parent: span.parent,
        name,
        kind,
        service,
        method,
        revision,
        started: clock.unix(span.began),
        lasted: span.lasted.duration(),
        status,
        fault,
        is_failure,
        attributes,
    }
}

/// What a deed is called.
struct Told {
    name: String,
    kind: SpanKind,
    service: String,
    method: String,
    revision: String,
    attributes: Vec<(&'static str, Attribute)>,
}

impl Told {
    fn of(deed: &Deed) -> Self {
        match deed {
            Deed::Serve(serving) => Self::served(serving),
            Deed::Call(calling) => Self::called(calling),
            Deed::Request { verb, path } => {
                let mut attributes = vec![("http.request.method", text(verb.as_str()))];
                attributes.extend(path.map(|path| ("http.route", text(*path))));
                let name = match path {
                    Some(path) => format!("{verb} {path}"),
                    None => verb.to_string(),
                };
                let (service, method, revision) = (String::new(), String::new(), String::new());
                Self { name, kind: SpanKind::Server, service, method, revision, attributes }
            }
            Deed::Fetch { by, stranger } => {
                let (verb, origin) = &**stranger;
                let attributes = vec![
                    ("http.request.method", text(verb.as_str())),
                    ("server.address", text(origin.authority())),
                ];
                Self::by(by, format!("{verb} {origin}"), SpanKind::Client, attributes)
            }
            Deed::Publish { by, subject } => {
                let attributes = vec![
                    ("messaging.system", text("picolet")),
                    ("messaging.operation.type", text("send")),
                    ("messaging.destination.name", text(subject.to_string())),
                ];
                Self::by(by, format!("publish {subject}"), SpanKind::Producer, attributes)
            }
        }
    }

    fn by(
        hop: &Hop,
        name: String,
        kind: SpanKind,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Self {
        let Hop { service, method, revision, .. } = hop;
        let (service, method) = (service.to_string(), method.to_string());
        Self { name, kind, service, method, revision: revision.to_string(), attributes }
    }

    fn served(serving: &Serving) -> Self {
        let hop = &*serving.hop;
        let (kind, mut attributes) = match serving.entrance {
            Entrance::Method(_) => (SpanKind::Server, rpc(hop)),
            Entrance::Subscription(_) => {
                let process = ("messaging.operation.type", text("process"));
                (SpanKind::Consumer, vec![("messaging.system", text("picolet")), process])
            }
            Entrance::Socket(_) => {
                (SpanKind::Server, vec![("network.protocol.name", text("websocket"))])
            }
            Entrance::Timer(_) => (SpanKind::Internal, vec![("picolet.entrance", text("timer"))]),
            Entrance::Start => (SpanKind::Internal, vec![("picolet.entrance", text("start"))]),
            Entrance::Stop => (SpanKind::Internal, vec![("picolet.entrance", text("stop"))]),
        };
        if let Some((verb, path)) = &hop.route {
            if *verb != Verb::Any {
                attributes.push(("http.request.method", text(verb.as_str())));
            }
            attributes.push(("http.route", text(path.as_str())));
        }
        Self::by(hop, format!("{}.{}", hop.service, hop.method), kind, attributes)
    }

    fn called(calling: &Calling) -> Self {
        let Calling { callee, reach, before } = calling;
        let (service, method) = (callee.service().to_owned(), callee.method().to_owned());
        let mut attributes = vec![
            ("rpc.system.name", text("picolet")),
            ("rpc.service", text(service.as_str())),
            ("rpc.method", text(method.as_str())),
        ];
        if let (Callee::Listed { record, .. }, Reach::Elsewhere) = (callee, reach) {
            attributes.push(("server.address", text(record.domain.as_str())));
        }
        if 0 < *before {
            let resent = Attribute::Number((*before).into());
            attributes.push(("http.request.resend_count", resent));
        }
        let name = format!("{service}.{method}");
        let (kind, revision) = (SpanKind::Client, String::new());
        Self { name, kind, service, method, revision, attributes }
    }
}

impl Callee {
    fn service(&self) -> &str {
        match self {
            Self::Listed { record, .. } => record.name.as_str(),
            Self::Sought(sought) => &sought.service,
        }
    }

    /// Whatever answers at a path has no name that is known here.
    fn method(&self) -> &str {
        match self {
            Self::Listed { record, method } => {
                let method = method.and_then(|index| record.methods.get(usize::from(index)));
                method.map_or("*", |method| method.name.as_str())
            }
            Self::Sought(sought) => &sought.what,
        }
    }
}

fn rpc(hop: &Hop) -> Vec<(&'static str, Attribute)> {
    vec![
        ("rpc.system.name", text("picolet")),
        ("rpc.service", text(hop.service.as_str())),
        ("rpc.method", text(hop.method.as_str())),
    ]
}

fn text(text: impl Into<String>) -> Attribute {
    Attribute::Text(text.into())
}
