//! What a guest may import from the host: `picolet:service` and WASI.

use crate::block;
use crate::call::{Answer, AnswerBody, CallBody, CallContext, OutgoingCall};
use crate::engine::{State, client, context, directory, lift_body, lower, render, types};
use crate::fault::Fault;
use futures::channel::{mpsc, oneshot};
use futures::future::{BoxFuture, FutureExt};
use futures::{SinkExt, StreamExt};
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
    directory::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
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
        let value = self.context(call).and_then(|context| context.properties.get(&name));
        Ok(value.map(str::to_owned))
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
        let (answer, answered) = oneshot::channel();
        let begun = accessor.with(|mut access| begin(access.as_context_mut(), by, call, answer))?;
        if let Err(fault) = begun {
            return Ok(Err(render(&fault)));
        }
        let answer = match answered.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(fault)) => return Ok(Err(render(&fault))),
            Err(_dropped) => return Ok(Err(render(&Fault::Internal))),
        };
        let body = match answer.body {
            AnswerBody::Empty => types::Body::Empty,
            AnswerBody::Bytes(bytes) => types::Body::Bytes(bytes.into()),
            AnswerBody::Stream(chunks) => accessor.with(|mut access| {
                lower(access.as_context_mut(), chunks).map(types::Body::Streamed)
            })?,
        };
        let head = block::encode_headers(&answer.headers);
        Ok(Ok(types::Response { status: answer.status.as_u16(), head, body }))
    }
}

type Answered = oneshot::Sender<Result<Answer, Fault>>;

/// Hands a call to the errands of its store: whoever drives the store makes
/// the call beside it.
fn begin(
    mut store: StoreContextMut<'_, State>,
    by: u64,
    call: client::Call,
    answer: Answered,
) -> wasmtime::Result<Result<(), Fault>> {
    let bad = |message: String| Ok(Err(Fault::BadCall { message }));
    let Some(caller) = store.data().call(by) else {
        return bad(format!("call {by} is not under way in this instance"));
    };
    let (context, hop) = (caller.context.clone(), caller.hop.clone());
    if !store.data().host.may_call(&call.service) {
        return Ok(Err(Fault::CallNotGranted { service: call.service }));
    }
    let outbound = store.data().host.limits.outbound;
    let Some(place) = store.data().beside.place(outbound) else {
        return Ok(Err(Fault::OutboundLimit { outbound }));
    };
    let block = |error: block::BlockError| Fault::BadCall { message: error.to_string() };
    let decoded = block::decode_pairs(&call.options).map_err(block).and_then(|options| {
        let query = block::decode_pairs(&call.query).map_err(block)?;
        let headers = block::decode_headers(&call.headers).map_err(block)?;
        Ok((options, query, headers))
    });
    let (options, query, headers) = match decoded {
        Ok(decoded) => decoded,
        Err(fault) => return Ok(Err(fault)),
    };
    let body = match call.body {
        types::Body::Empty => CallBody::Empty,
        types::Body::Bytes(bytes) => CallBody::Bytes(bytes.into()),
        types::Body::Streamed(body) => {
            CallBody::Stream(lift_body(store.as_context_mut(), body, Fault::ClientLeft)?)
        }
    };
    let (service, method, params) = (call.service, call.method, call.params);
    let outgoing = OutgoingCall { service, method, options, params, query, headers, body };
    let made = store.data().host.neighbours.invoke(context, hop, outgoing);
    let errand = async move {
        run_errand(made, answer).await;
        drop(place);
    };
    store.data().beside.send_out(errand.boxed());
    Ok(Ok(()))
}

/// Waits for an answer and passes it on. A streamed body is pumped from here,
/// because the callee's store cannot run inside the caller's.
async fn run_errand(made: BoxFuture<'static, Result<Answer, Fault>>, mut answered: Answered) {
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
