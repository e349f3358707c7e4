//! Bodies between the host and a guest, chunk by chunk, with back-pressure.

use super::bindings::types;
use super::state::State;
use crate::fault::Fault;
use bytes::Bytes;
use futures::channel::{mpsc, oneshot};
use futures::stream::BoxStream;
use futures::{Stream, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Destination, FutureConsumer, FutureReader, Source, StreamConsumer, StreamProducer,
    StreamReader, StreamResult,
};

/// Bytes of a chunk taken from a guest.
const CHUNK_BYTES_MAX: usize = 64 << 10;

/// Chunks that wait between a guest and whoever takes them.
const CHUNKS_WAITING: usize = 1;

/// Gives a body to a guest.
pub(crate) fn lower(
    mut store: StoreContextMut<'_, State>,
    chunks: BoxStream<'static, Result<Bytes, Fault>>,
) -> wasmtime::Result<types::Streamed> {
    let (ended, end) = oneshot::channel();
    let source = ChunkSource { chunks, ended: Some(ended) };
    let data = StreamReader::new(&mut store, source)?;
    let end = FutureReader::new(&mut store, async move {
        let end = end.await.unwrap_or(Err(Fault::ClientLeft));
        wasmtime::error::Ok(end.map_err(|fault| render(&fault)))
    })?;
    Ok(types::Streamed { data, end })
}

/// A fault as guests see it.
pub(crate) fn render(fault: &Fault) -> types::Fault {
    let reply = fault.reply();
    types::Fault {
        status: reply.status.as_u16(),
        name: reply.name.into_owned(),
        message: fault.to_string(),
    }
}

/// A fault that a guest gave.
pub(crate) fn parse(fault: types::Fault) -> Fault {
    let mut message = fault.message;
    message.truncate(message.floor_char_boundary(1_024));
    let name = fault.name;
    let is_name = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let name = if is_name { name } else { "guest-fault".to_owned() };
    Fault::Guest { status: fault.status, name, message }
}

struct ChunkSource {
    chunks: BoxStream<'static, Result<Bytes, Fault>>,
    ended: Option<oneshot::Sender<Result<(), Fault>>>,
}

impl ChunkSource {
    fn end(&mut self, how: Result<(), Fault>) -> Poll<wasmtime::Result<StreamResult>> {
        if let Some(ended) = self.ended.take() {
            let _ = ended.send(how);
        }
        Poll::Ready(Ok(StreamResult::Dropped))
    }
}

impl StreamProducer<State> for ChunkSource {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, State>,
        mut destination: Destination<'a, u8, Bytes>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if destination.remaining(store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        loop {
            match Pin::new(&mut self.chunks).poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) if chunk.is_empty() => (),
                Poll::Ready(Some(Ok(chunk))) => {
                    destination.set_buffer(chunk);
                    return Poll::Ready(Ok(StreamResult::Completed));
                }
                Poll::Ready(Some(Err(fault))) => return self.end(Err(fault)),
                Poll::Ready(None) => return self.end(Ok(())),
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// The host's ends of a body that a guest writes.
pub(crate) struct Lifted {
    /// Chunks as the guest writes them.
    pub(super) chunks: mpsc::Receiver<Bytes>,
    /// How the guest said it ended; dropped when it did not say.
    pub(super) end: oneshot::Receiver<Result<(), Fault>>,
    /// Resolves when nothing of the body is left in the store. A guest may
    /// hand on a body and be done long before that.
    pub(super) drained: Option<oneshot::Receiver<Never>>,
}

/// Never sent: the sinks hold the sender between them, and let go of it.
pub(crate) enum Never {}

/// Takes a body from a guest.
pub(super) fn lift(
    mut store: StoreContextMut<'_, State>,
    body: types::Streamed,
) -> wasmtime::Result<Lifted> {
    let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
    let (ended, end) = oneshot::channel();
    let (held, drained) = oneshot::channel();
    let held = Arc::new(held);
    body.data.pipe(&mut store, ChunkSink { sender, _held: held.clone() })?;
    body.end.pipe(&mut store, EndSink { ended: Some(ended), _held: held })?;
    Ok(Lifted { chunks, end, drained: Some(drained) })
}

/// Takes a body from a guest as one stream of chunks.
pub(crate) fn lift_body(
    store: StoreContextMut<'_, State>,
    body: types::Streamed,
    broken: Fault,
) -> wasmtime::Result<BoxStream<'static, Result<Bytes, Fault>>> {
    lift(store, body).map(|lifted| whole(lifted, broken))
}

/// Chunks of a lifted body, an error when it was broken off.
pub(crate) fn whole(lifted: Lifted, broken: Fault) -> BoxStream<'static, Result<Bytes, Fault>> {
    Box::pin(Whole { lifted, broken: Some(broken) })
}

struct Whole {
    lifted: Lifted,
    broken: Option<Fault>,
}

impl Stream for Whole {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.broken.is_none() {
            return Poll::Ready(None);
        }
        if let Some(chunk) = ready!(Pin::new(&mut self.lifted.chunks).poll_next(cx)) {
            return Poll::Ready(Some(Ok(chunk)));
        }
        let end = ready!(Pin::new(&mut self.lifted.end).poll(cx));
        let broken = self.broken.take();
        Poll::Ready(match (end, broken) {
            (Ok(Ok(())), _) => None,
            (Ok(Err(fault)), _) => Some(Err(fault)),
            (Err(_dropped), broken) => broken.map(Err),
        })
    }
}

struct ChunkSink {
    sender: mpsc::Sender<Bytes>,
    _held: Arc<oneshot::Sender<Never>>,
}

impl StreamConsumer<State> for ChunkSink {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, State>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.sender.poll_ready(cx) {
            Poll::Ready(Ok(())) => (),
            Poll::Ready(Err(_gone)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        let mut source = source.as_direct(store);
        let written = source.remaining();
        let chunk = written.get(..CHUNK_BYTES_MAX).unwrap_or(written);
        let taken = chunk.len();
        if 0 < taken {
            let chunk = Bytes::copy_from_slice(chunk);
            if self.sender.start_send(chunk).is_err() {
                return Poll::Ready(Ok(StreamResult::Dropped));
            }
            source.mark_read(taken);
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

struct EndSink {
    ended: Option<oneshot::Sender<Result<(), Fault>>>,
    _held: Arc<oneshot::Sender<Never>>,
}

impl FutureConsumer<State> for EndSink {
    type Item = Result<(), types::Fault>;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, State>,
        mut source: Source<'_, Self::Item>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut end = None;
        source.read(store, &mut end)?;
        if let (Some(end), Some(ended)) = (end, self.ended.take()) {
            let _ = ended.send(end.map_err(parse));
        }
        Poll::Ready(Ok(()))
    }
}
