//! What a guest may import from the host: `picolet:service` and WASI.

mod config;
mod fetching;
mod follow;
mod keyvalue;
mod messaging;
mod publishing;
mod state;

use crate::block;
use crate::call::{Answer, AnswerBody, CallBody, CallContext, CallTarget, OutgoingCall};
use crate::engine::{
    self, AnswerToCome, Place, State, bus, client, context, directory, lift_body, lower, prompt,
    render, types, watch,
};
use crate::fault::Fault;
use crate::travel;
use bytes::Bytes;
use futures::channel::{mpsc, oneshot};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::BoxStream;
use futures::{SinkExt, StreamExt};
use std::future::poll_fn;
use std::task::Poll;
use tokio::time::Instant;
use wasmtime::component::{Accessor, HasSelf, Linker};
use wasmtime::{AsContextMut, StoreContextMut};

/// Everything the host offers. What a module may use of it is judged when it
/// is verified.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    types::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    context::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    client::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    watch::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    prompt::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    directory::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    bus::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    engine::outbound::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    engine::messaging::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    engine::kept::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    engine::keyvalue::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    engine::atomics::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    engine::batch::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    engine::configured::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl types::Host for State {}

impl context::Host for State {
    fn request_id(&mut self, call: u64) -> wasmtime::Result<String> {
        Ok(self.context(call).map(|context| context.request_id.to_string()).unwrap_or_default())
    }

    fn trace(&mut self, call: u64) -> wasmtime::Result<String> {
        Ok(self.context(call).map(|context| context.request_id.traceparent()).unwrap_or_default())
    }

    fn trace_state(&mut self, call: u64) -> wasmtime::Result<String> {
        let state = self.context(call).and_then(|context| context.request_id.tracestate());
        Ok(state.unwrap_or_default().to_owned())
    }

    fn remaining_ms(&mut self, call: u64) -> wasmtime::Result<u64> {
        let remaining = self
            .context(call)
            .map(|context| context.deadline.saturating_duration_since(Instant::now()).as_millis());
        Ok(u64::try_from(remaining.unwrap_or_default()).unwrap_or(u64::MAX))
    }

    fn caller(&mut self, call: u64) -> wasmtime::Result<Option<String>> {
        let last = self.context(call).and_then(|context| context.chain.latest_first().next());
        Ok(last.map(|hop| hop.service.to_string()))
    }

    fn property(&mut self, call: u64, name: String) -> wasmtime::Result<Option<String>> {
        let properties = self.context(call).map(|context| &context.properties);
        if name.is_empty() {
            return Ok(properties.map(travel::baggage));
        }
        Ok(properties.and_then(|properties| properties.get(&name)).map(str::to_owned))
    }

    fn set_property(&mut self, call: u64, name: String, value: String) -> wasmtime::Result<bool> {
        Ok(self.call_mut(call).is_some_and(|call| call.context.properties.set(&name, &value)))
    }
}

impl State {
    fn context(&self, call: u64) -> Option<&CallContext> {
        self.call(call).map(|call| &call.context)
    }
}

impl directory::Host for State {
    fn entries(&mut self, key: String) -> wasmtime::Result<Vec<directory::Entry>> {
        let entries = self.host.neighbours.entries(&key);
        let entry = |from: crate::call::DirectoryEntry| directory::Entry {
            name: from.name,
            version: from.version,
            registration: from.registration,
            domain: from.domain,
            root: from.root,
            up: from.up,
            methods: from.methods,
        };
        Ok(entries.into_iter().map(entry).collect())
    }
}

impl client::Host for State {}

impl client::HostWithStore<State> for HasSelf<State> {
    async fn invoke(
        accessor: &Accessor<State, Self>,
        by: u64,
        call: client::Call,
    ) -> wasmtime::Result<Result<types::Response, types::Fault>> {
        let begun = accessor.with(|mut access| {
            let mut store = access.as_context_mut();
            let made = Made::of(store.as_context_mut(), by, call)?;
            Ok::<_, wasmtime::Error>(made.map(|made| made.send_out(store.data_mut())))
        })?;
        match begun {
            Ok(answered) => answer(accessor, answered).await,
            Err(fault) => Ok(Err(render(&fault))),
        }
    }
}

impl prompt::Host for State {
    async fn begin(&mut self, by: u64, call: client::Call) -> wasmtime::Result<prompt::Begun> {
        let failed = |fault: &Fault| Ok(prompt::Begun::Failed(render(fault)));
        let made = match Made::of_whole(self, by, call) {
            Ok(made) => made,
            Err(fault) => return failed(&fault),
        };
        // This runs on the guest's own stack, outside of the event loop of its
        // store; so the callee's may run inside of it, as far as it gets.
        let Made { mut call, place } = made;
        let first = poll_fn(|cx| Poll::Ready(call.poll_unpin(cx))).await;
        let made = match first {
            Poll::Ready(Err(fault)) => return failed(&fault),
            Poll::Ready(Ok(Answer { status, headers, body })) => match whole(body) {
                Ok(body) => {
                    let (status, head) = (status.as_u16(), block::encode_headers(&headers));
                    return Ok(prompt::Begun::Answered(types::Response { status, head, body }));
                }
                Err(chunks) => {
                    let body = AnswerBody::Stream(chunks);
                    let call = std::future::ready(Ok(Answer { status, headers, body })).boxed();
                    Made { call, place }
                }
            },
            Poll::Pending => Made { call, place },
        };
        let answered = made.send_out(self);
        Ok(prompt::Begun::UnderWay(self.add_ticket(by, answered)))
    }
}

impl prompt::HostWithStore<State> for HasSelf<State> {
    async fn finish(
        accessor: &Accessor<State, Self>,
        ticket: u64,
    ) -> wasmtime::Result<Result<types::Response, types::Fault>> {
        match accessor.with(|mut access| access.as_context_mut().data_mut().take_ticket(ticket)) {
            Some(answered) => answer(accessor, answered).await,
            None => {
                let message = format!("ticket {ticket} is not known");
                Ok(Err(render(&Fault::BadCall { message })))
            }
        }
    }
}

/// Waits for an answer and gives it to the guest.
async fn answer(
    accessor: &Accessor<State, HasSelf<State>>,
    answered: AnswerToCome,
) -> wasmtime::Result<Result<types::Response, types::Fault>> {
    let Answer { status, headers, body } = match answered.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(fault)) => return Ok(Err(render(&fault))),
        Err(_dropped) => return Ok(Err(render(&Fault::Internal))),
    };
    let body = match whole(body) {
        Ok(body) => body,
        Err(chunks) => accessor
            .with(|mut access| lower(access.as_context_mut(), chunks).map(types::Body::Streamed))?,
    };
    let head = block::encode_headers(&headers);
    Ok(Ok(types::Response { status: status.as_u16(), head, body }))
}

/// A body that is there, or the chunks of one that is not.
fn whole(body: AnswerBody) -> Result<types::Body, BoxStream<'static, Result<Bytes, Fault>>> {
    match body {
        AnswerBody::Empty => Ok(types::Body::Empty),
        AnswerBody::Bytes(bytes) => Ok(types::Body::Bytes(bytes.into())),
        AnswerBody::Stream(chunks) => Err(chunks),
    }
}

/// A call to a neighbour, checked and not begun.
struct Made {
    call: BoxFuture<'static, Result<Answer, Fault>>,
    place: Place,
}

impl Made {
    /// Checks a call of whatever body.
    fn of(
        mut store: StoreContextMut<'_, State>,
        by: u64,
        mut call: client::Call,
    ) -> wasmtime::Result<Result<Self, Fault>> {
        let body = std::mem::replace(&mut call.body, types::Body::Empty);
        let body = lifted(store.as_context_mut(), body)?;
        Ok(Self::with(store.data(), by, call, body))
    }

    /// Checks a call whose body is there.
    fn of_whole(state: &State, by: u64, mut call: client::Call) -> Result<Self, Fault> {
        let body = match std::mem::replace(&mut call.body, types::Body::Empty) {
            types::Body::Empty => CallBody::Empty,
            types::Body::Bytes(bytes) => CallBody::Bytes(bytes.into()),
            types::Body::Streamed(_) => {
                let message = "a call with a streamed body cannot be begun, invoke it".to_owned();
                return Err(Fault::BadCall { message });
            }
        };
        Self::with(state, by, call, body)
    }

    fn with(state: &State, by: u64, call: client::Call, body: CallBody) -> Result<Self, Fault> {
        let Some(caller) = state.call(by) else {
            let message = format!("call {by} is not under way in this instance");
            return Err(Fault::BadCall { message });
        };
        if !state.host.may_call(&call.service) {
            return Err(Fault::CallNotGranted { service: call.service });
        }
        let block = |error: block::BlockError| Fault::BadCall { message: error.to_string() };
        let options = block::decode_pairs(&call.options).map_err(block)?;
        let query = block::decode_pairs(&call.query).map_err(block)?;
        let headers = block::decode_headers(&call.headers).map_err(block)?;
        let outbound = state.host.limits.outbound;
        let places = outbound * state.calls();
        let place = state.beside.place(places).ok_or(Fault::OutboundLimit { outbound })?;
        let target = CallTarget::Method { name: call.method, params: call.params, query };
        let (service, timeout) = (call.service, None);
        let outgoing = OutgoingCall { service, options, timeout, target, headers, body };
        let (context, hop) = (caller.context.clone(), caller.hop.clone());
        Ok(Self { call: state.host.neighbours.invoke(context, hop, outgoing), place })
    }

    /// Hands the call to whoever drives the store, who makes it beside it.
    fn send_out(self, state: &mut State) -> AnswerToCome {
        let (answer, answered) = oneshot::channel();
        let Self { call, place } = self;
        let errand = async move {
            run_errand(call, answer).await;
            drop(place);
        };
        state.beside.send_out(errand.boxed());
        answered
    }
}

/// A body of a guest, to be sent.
fn lifted(store: StoreContextMut<'_, State>, body: types::Body) -> wasmtime::Result<CallBody> {
    Ok(match body {
        types::Body::Empty => CallBody::Empty,
        types::Body::Bytes(bytes) => CallBody::Bytes(bytes.into()),
        types::Body::Streamed(body) => CallBody::Stream(lift_body(store, body, Fault::ClientLeft)?),
    })
}

/// Waits for an answer and passes it on. A streamed body is pumped from here,
/// because the callee's store cannot run inside the caller's.
async fn run_errand(
    made: BoxFuture<'static, Result<Answer, Fault>>,
    mut answered: oneshot::Sender<Result<Answer, Fault>>,
) {
    let made = tokio::select! {
        made = made => made,
        () = answered.cancellation() => return,
    };
    let Ok(Answer { status, headers, body: AnswerBody::Stream(mut chunks) }) = made else {
        let _ = answered.send(made);
        return;
    };
    let (mut sender, receiver) = mpsc::channel(1);
    let body = AnswerBody::Stream(receiver.boxed());
    if answered.send(Ok(Answer { status, headers, body })).is_err() {
        return;
    }
    while let Some(chunk) = chunks.next().await {
        if sender.send(chunk).await.is_err() {
            return;
        }
    }
}
