//! The interface `outbound`: requests of a guest to strangers.

use super::{Made, answer, lifted};
use crate::abroad::{OutBody, Terms, begun, out_body};
use crate::block;
use crate::call::{Answer, CallBody, CallContext, Deed, End, Hop};
use crate::engine::{State, outbound, render, types};
use crate::fault::Fault;
use crate::origin::Origin;
use futures::future::FutureExt;
use http::header::{CONTENT_LENGTH, HeaderMap};
use http::{Method, Request, Uri};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::component::{Accessor, HasSelf};
use wasmtime::{AsContextMut, StoreContextMut};

impl outbound::Host for State {}

impl outbound::HostWithStore<State> for HasSelf<State> {
    async fn fetch(
        accessor: &Accessor<State, Self>,
        by: u64,
        request: outbound::OutboundRequest,
    ) -> wasmtime::Result<Result<types::Response, types::Fault>> {
        let begun = accessor.with(|mut access| {
            let mut store = access.as_context_mut();
            let made = make(store.as_context_mut(), by, request)?;
            Ok::<_, wasmtime::Error>(made.map(|made| made.send_out(store.data_mut())))
        })?;
        match begun {
            Ok(answered) => answer(accessor, answered).await,
            Err(fault) => Ok(Err(render(&fault))),
        }
    }
}

/// Checks a request; nothing of it is sent yet.
fn make(
    mut store: StoreContextMut<'_, State>,
    by: u64,
    mut request: outbound::OutboundRequest,
) -> wasmtime::Result<Result<Made, Fault>> {
    let body = std::mem::replace(&mut request.body, types::Body::Empty);
    let body = lifted(store.as_context_mut(), body)?;
    let checked = Checked::of(store.data(), by, &request, body);
    Ok(checked.and_then(|checked| checked.make(store.data())))
}

/// A request that is well-formed.
struct Checked {
    origin: Origin,
    request: Request<OutBody>,
    deadline: Instant,
    context: CallContext,
    by: Arc<Hop>,
}

impl Checked {
    fn of(
        state: &State,
        by: u64,
        request: &outbound::OutboundRequest,
        body: CallBody,
    ) -> Result<Self, Fault> {
        let bad = |message: String| Fault::BadCall { message };
        let Some(call) = state.call(by) else {
            return Err(bad(format!("call {by} is not under way in this instance")));
        };
        let verb = Method::from_bytes(request.verb.as_bytes()).ok();
        let verb = verb.filter(|verb| *verb != Method::CONNECT);
        let verb = verb.ok_or_else(|| bad(format!("verb {:?} cannot be sent", request.verb)))?;
        let (origin, uri) = aim(&request.url).map_err(bad)?;
        let headers = block::decode_headers(&request.headers);
        let mut headers = headers.map_err(|error| bad(error.to_string()))?;
        let time = request.timeout_ms.map(Duration::from_millis);
        let sooner = time.and_then(|time| Instant::now().checked_add(time));
        let deadline = sooner.map_or(call.context.deadline, |it| it.min(call.context.deadline));
        if !matches!(body, CallBody::Stream(_)) {
            headers.remove(CONTENT_LENGTH);
        }
        let (context, by) = (call.context.clone(), call.hop.clone());
        let request = put_together(verb, uri, headers, body);
        Ok(Self { origin, request, deadline, context, by })
    }

    /// Takes a place for it.
    fn make(self, state: &State) -> Result<Made, Fault> {
        let Self { origin, request, deadline, mut context, by } = self;
        let host = state.host.clone();
        let not_granted = || Fault::OutboundNotGranted { origin: origin.to_string() };
        let exit = host.exit.as_ref().ok_or_else(not_granted)?;
        let outbound = host.limits.outbound;
        let Some(place) = state.beside.place(outbound * state.calls()) else {
            exit.note_limit();
            return Err(Fault::OutboundLimit { outbound });
        };
        let terms = Terms { deadline, connect: None, first_byte: None, between: None };
        let call = async move {
            let exit = host.exit.as_ref().ok_or(Fault::Internal)?;
            let deed = || Deed::fetch(by, request.method(), origin.clone());
            let open = host.traces.begin(&mut context, Instant::now(), deed);
            let answered = exit.send(&origin, request, terms).await;
            let answered = answered.map_err(|error| error.fault(&origin)).map(|answered| {
                let (parts, body) = answered.into_parts();
                let (status, headers) = (parts.status, parts.headers);
                Answer { status, headers, body: begun(body, origin) }
            });
            if let Some(open) = open {
                open.end(Instant::now(), End::of(&answered));
            }
            answered
        };
        Ok(Made { call: call.boxed(), place })
    }
}

/// Where a URL leads, and the same as a URI.
fn aim(url: &str) -> Result<(Origin, Uri), String> {
    let wrong = |why: String| format!("{url:?} is no URL that can be asked: {why}");
    let (origin, target) = Origin::of_url(url).map_err(|error| wrong(error.to_string()))?;
    let uri = origin.uri(target).map_err(|error| wrong(error.to_string()))?;
    Ok((origin, uri))
}

fn put_together(verb: Method, uri: Uri, headers: HeaderMap, body: CallBody) -> Request<OutBody> {
    let mut request = Request::new(out_body(body));
    *request.method_mut() = verb;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    request
}
