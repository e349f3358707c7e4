//! A connection that the host can break, whoever carries it.

use crate::browsers::places::{Cause, Place};
use bytes::Bytes;
use std::any::Any;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A connection with the place that it is for. It breaks when the place is cut,
/// or when its peer takes nothing for too long.
pub(crate) struct Carried<C> {
    connection: C,
    /// What was read of it before.
    early: Bytes,
    place: Arc<Place>,
    stall_max: Duration,
    /// Runs while a write waits.
    stall: Option<Pin<Box<Sleep>>>,
    /// Goes when the connection does.
    _kept: Option<Arc<dyn Any + Send + Sync>>,
}

/// Once it is gone a session that polls has no other way: it is kept from
/// polling since the change to this connection began, even when that failed.
impl<C> Drop for Carried<C> {
    fn drop(&mut self) {
        self.place.end();
    }
}

impl<C> Carried<C> {
    pub(crate) fn new(connection: C, place: Arc<Place>, stall_max: Duration) -> Self {
        let early = Bytes::new();
        Self { connection, early, place, stall_max, stall: None, _kept: None }
    }

    /// The same of a connection that something was read of, and that something
    /// is kept with.
    pub(crate) fn with(mut self, early: Bytes, kept: Option<Arc<dyn Any + Send + Sync>>) -> Self {
        (self.early, self._kept) = (early, kept);
        self
    }

    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// What a write came to. One that waits too long is the end.
    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall_max = self.stall_max;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(stall_max)));
        ready!(stall.as_mut().poll(cx));
        self.place.cut(Cause::Slow);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Carried<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.place.is_cut_for_reader(cx) {
            return Poll::Ready(Ok(()));
        }
        if !self.early.is_empty() {
            let count = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early.split_to(count));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.connection).poll_read(cx, buffer)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Carried<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.place.is_cut_for_writer(cx) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = Pin::new(&mut self.connection).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.place.is_cut_for_writer(cx) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let flushed = Pin::new(&mut self.connection).poll_flush(cx);
        if let Poll::Ready(Ok(())) = &flushed {
            self.place.caught_up();
        }
        self.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browsers::places::{Places, Transport};
    use std::net::IpAddr;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn place() -> Arc<Place> {
        let from = IpAddr::from([127, 0, 0, 1]);
        Places::new(1, 1, 1).take(from, Transport::SocketIo).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_cut_ends_for_its_reader_and_its_writer() {
        let (connection, _peer) = duplex(16);
        let place = place();
        let mut carried = Carried::new(connection, place.clone(), Duration::from_secs(30));
        let cut = async { place.cut(Cause::Slow) };
        let (read, ()) = tokio::join!(carried.read_u8(), cut);
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let written = carried.write_all(b"a").await.unwrap_err();
        assert_eq!(written.kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn what_was_read_before_comes_first() {
        let (connection, mut peer) = duplex(16);
        let carried = Carried::new(connection, place(), Duration::from_secs(30));
        let mut carried = carried.with(Bytes::from_static(b"ab"), None);
        peer.write_all(b"c").await.unwrap();
        let mut seen = [0; 3];
        carried.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"abc");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_cut_off() {
        let (connection, _peer) = duplex(16);
        let place = place();
        let mut carried = Carried::new(connection, place.clone(), Duration::from_secs(30));
        let written = carried.write_all(&[0; 17]).await.unwrap_err();
        assert_eq!(written.kind(), io::ErrorKind::TimedOut);
        assert!(place.is_cut());
    }

    #[tokio::test]
    async fn a_connection_that_goes_ends_the_session_that_was_to_go_on_by_it() {
        let (ended, place) = (Arc::new(AtomicBool::new(false)), place());
        let told = ended.clone();
        place.ends_by(move || told.store(true, Ordering::Relaxed));
        let (connection, _peer) = duplex(16);
        let carried = Carried::new(connection, place, Duration::from_secs(30));
        let carried = carried.with(Bytes::new(), None);
        assert!(!ended.load(Ordering::Relaxed));
        drop(carried);
        assert!(ended.load(Ordering::Relaxed));
    }
}
