//! The way into a guest and back: a request is lowered, its answer lifted.

use super::bindings::types;
use super::exports::{Exports, OtherExports};
use super::state::State;
use super::stream;
use crate::block;
use crate::call::{Call, CallBody, Entrance};
use crate::fault::Fault;
use bytes::Bytes;
use futures::channel::oneshot;
use http::StatusCode;
use wasmtime::component::Accessor;
use wasmtime::{AsContextMut, StoreContextMut};

/// A call as the guest is given it.
pub(super) struct Entry {
    id: u64,
    entrance: Entrance,
    /// A request head block.
    head: Vec<u8>,
    body: CallBody,
}

impl Entry {
    /// Of a call that the store knows by this id. Takes its body.
    pub(super) fn new(id: u64, call: &mut Call) -> Self {
        let body = std::mem::replace(&mut call.body, CallBody::Empty);
        Self { id, entrance: call.entrance, head: block::encode_request(&call.head), body }
    }

    /// Enters the guest and leaves when it has answered.
    pub(super) async fn enter(
        self,
        accessor: &Accessor<State>,
        exports: &Exports,
    ) -> wasmtime::Result<Result<Head, Fault>> {
        let body = match self.body {
            CallBody::Empty => types::Body::Empty,
            CallBody::Bytes(bytes) => types::Body::Bytes(bytes.into()),
            CallBody::Stream(chunks) => {
                let lower = |store: StoreContextMut<'_, State>| stream::lower(store, chunks);
                types::Body::Streamed(accessor.with(|mut access| lower(access.as_context_mut()))?)
            }
        };
        let request = types::Request { call: self.id, head: self.head, body };
        if let Entrance::Method(method) = self.entrance {
            return match exports.service.call_handle(accessor, method, request).await? {
                Ok(response) => {
                    accessor.with(|mut access| Head::lift(access.as_context_mut(), response))
                }
                Err(fault) => Ok(Err(stream::parse(fault))),
            };
        }
        // Only what it declared is asked of it, so what is asked for is there.
        let Some(others) = &exports.others else { return Ok(Err(Fault::Internal)) };
        // Boxed: hardly any call goes this way, and all would be as large.
        Box::pin(others.enter(accessor, self.entrance, request)).await
    }
}

impl OtherExports {
    /// Enters by one of these, which answer nothing.
    async fn enter(
        &self,
        accessor: &Accessor<State>,
        entrance: Entrance,
        request: types::Request,
    ) -> wasmtime::Result<Result<Head, Fault>> {
        let missing = || Ok(Err(Fault::Internal));
        let ended = match entrance {
            Entrance::Method(_) => return missing(),
            Entrance::Subscription(index) => {
                let Some(events) = &self.events else { return missing() };
                events.call_hear(accessor, index, request).await?
            }
            Entrance::Timer(index) => {
                let Some(timers) = &self.timers else { return missing() };
                timers.call_fire(accessor, index, request).await?
            }
            Entrance::Socket(index) => {
                let Some(websockets) = &self.websockets else { return missing() };
                websockets.call_attend(accessor, index, request).await?
            }
            Entrance::Start => {
                let Some(start) = &self.start else { return missing() };
                start.call_start(accessor, request).await?
            }
            Entrance::Stop => {
                let Some(stop) = &self.stop else { return missing() };
                stop.call_stop(accessor, request).await?
            }
        };
        Ok(ended.map(|()| Head::empty()).map_err(stream::parse))
    }
}

/// A lifted response: its body may still be coming.
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: HeadBody,
}

pub(crate) enum HeadBody {
    Empty,
    Bytes(Bytes),
    Streamed(stream::Lifted),
}

impl Head {
    /// Of whoever has nothing to say.
    fn empty() -> Self {
        let (status, headers) = (StatusCode::NO_CONTENT, http::HeaderMap::new());
        Self { status, headers, body: HeadBody::Empty }
    }

    /// Whether the body is still coming.
    pub(super) fn is_streamed(&self) -> bool {
        matches!(self.body, HeadBody::Streamed(_))
    }

    /// Resolves when nothing of the body is left in the store.
    pub(super) fn drained(&mut self) -> Option<oneshot::Receiver<stream::Never>> {
        match &mut self.body {
            HeadBody::Streamed(lifted) => lifted.drained.take(),
            _ => None,
        }
    }

    fn lift(
        store: StoreContextMut<'_, State>,
        response: types::Response,
    ) -> wasmtime::Result<Result<Self, Fault>> {
        let bytes_max = store.data().host.limits.response_body_bytes;
        let bad = |reason: String| Fault::BadAnswer {
            service: store.data().host.service.clone(),
            reason,
        };
        let status = match StatusCode::from_u16(response.status) {
            Ok(status) if 200 <= status.as_u16() && status.as_u16() < 600 => status,
            _ => return Ok(Err(bad(format!("status {}", response.status)))),
        };
        let headers = match block::decode_headers(&response.head) {
            Ok(headers) => headers,
            Err(error) => return Ok(Err(bad(error.to_string()))),
        };
        let body = match response.body {
            types::Body::Empty => HeadBody::Empty,
            types::Body::Bytes(bytes) if bytes_max < bytes.len() as u64 => {
                return Ok(Err(Fault::AnswerTooLarge { bytes_max }));
            }
            types::Body::Bytes(bytes) => HeadBody::Bytes(bytes.into()),
            types::Body::Streamed(body) => HeadBody::Streamed(stream::lift(store, body)?),
        };
        Ok(Ok(Self { status, headers, body }))
    }
}
