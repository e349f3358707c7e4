//! Bodies: none, bytes, or a stream in either direction.

use std::{cell::RefCell, collections::VecDeque, fmt, pin::Pin, rc::Rc};

use crate::Fault;
#[cfg(target_family = "wasm")]
use crate::abi::{
    bindings::picolet::service::types as wit,
    rt::async_support::{FutureReader, StreamReader, StreamResult, StreamWriter},
};

/// The body of a request or a response.
///
/// As an argument of a handler it arrives while it is read. As an answer it may
/// be bytes, a stream that is written while the caller reads it, or the body of
/// a request or of another service's answer, which the host then passes on
/// without a copy through the guest.
#[derive(Default)]
pub struct Body(pub(crate) Kind);

#[derive(Default)]
pub(crate) enum Kind {
    #[default]
    Empty,
    Bytes(Vec<u8>),
    #[cfg(target_family = "wasm")]
    Incoming(Incoming),
    Produced(Box<dyn Produce>),
    Kept(Kept),
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What writes a body.
///
/// Behind a pointer, so that a module which never streams has none of the code.
pub(crate) trait Produce {
    /// Runs it to the end inside the guest.
    fn keep(self: Box<Self>) -> Boxed<'static, Kept>;

    /// Gives the host the ends to read and starts the writing.
    #[cfg(target_family = "wasm")]
    fn send(self: Box<Self>) -> wit::Body;
}

impl<F, Fut> Produce for F
where
    F: FnOnce(BodyWriter) -> Fut + 'static,
    Fut: Future<Output = Result<(), Fault>> + 'static,
{
    fn keep(self: Box<Self>) -> Boxed<'static, Kept> {
        Box::pin(async move {
            let chunks = Rc::new(RefCell::new(VecDeque::new()));
            let end = self(BodyWriter(Sink::Guest(Rc::clone(&chunks)))).await;
            Kept {
                chunks: chunks.take(),
                end,
                #[cfg(target_family = "wasm")]
                send: |kept| {
                    Produce::send(Box::new(|mut writer: BodyWriter| async move {
                        for chunk in kept.chunks {
                            writer.write(chunk).await?;
                        }
                        kept.end
                    }))
                },
            }
        })
    }

    #[cfg(target_family = "wasm")]
    fn send(self: Box<Self>) -> wit::Body {
        crate::abi::produced(|writer| Box::pin(self(BodyWriter(Sink::Host(writer)))))
    }
}

/// What a producer has written inside the guest.
pub(crate) struct Kept {
    chunks: VecDeque<Vec<u8>>,
    end: Result<(), Fault>,
    /// Writes what is left to the host.
    #[cfg(target_family = "wasm")]
    send: fn(Kept) -> wit::Body,
}

#[cfg(target_family = "wasm")]
impl Kept {
    pub(crate) fn send(self) -> wit::Body {
        (self.send)(self)
    }
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// A body that is written while it is read.
    ///
    /// The producer starts after the handler has returned, and each write waits
    /// until the reader has taken the chunk. When it ends with a fault, the body
    /// is broken off and the caller does not take it for complete; the same
    /// holds when it never ends.
    ///
    /// ```
    /// use picolet_sdk::{prelude::*, testing};
    ///
    /// let body = Body::stream(|mut writer| async move {
    ///     for line in ["one\n", "two\n"] {
    ///         writer.write(line).await?;
    ///     }
    ///     Ok(())
    /// });
    /// assert_eq!(testing::block_on(body.collect())?, b"one\ntwo\n");
    /// # Ok::<(), Fault>(())
    /// ```
    pub fn stream<F, Fut>(producer: F) -> Self
    where
        F: FnOnce(BodyWriter) -> Fut + 'static,
        Fut: Future<Output = Result<(), Fault>> + 'static,
    {
        Self(Kind::Produced(Box::new(producer)))
    }

    /// The next chunk, of any length but 0; none at the end.
    ///
    /// # Errors
    ///
    /// The fault with which the body was broken off; there is nothing more
    /// after it.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        match self.take_whole() {
            Some(whole) => Ok((!whole.is_empty()).then_some(whole)),
            None => self.next_streamed().await,
        }
    }

    /// All of it.
    ///
    /// # Errors
    ///
    /// The fault with which the body was broken off.
    pub async fn collect(mut self) -> Result<Vec<u8>, Fault> {
        match self.take_whole() {
            Some(whole) => Ok(whole),
            None => self.collect_streamed().await,
        }
    }

    /// All of it when it need not be waited for.
    fn take_whole(&mut self) -> Option<Vec<u8>> {
        match &mut self.0 {
            Kind::Empty => Some(Vec::new()),
            Kind::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Empty;
                Some(bytes)
            }
            _ => None,
        }
    }

    /// In a box, so that no handler carries the machinery of streams.
    #[inline(never)]
    fn next_streamed(&mut self) -> Boxed<'_, Result<Option<Vec<u8>>, Fault>> {
        Box::pin(async move {
            if let Kind::Produced(_) = self.0
                && let Kind::Produced(producer) = std::mem::take(&mut self.0)
            {
                self.0 = Kind::Kept(producer.keep().await);
            }
            match &mut self.0 {
                #[cfg(target_family = "wasm")]
                Kind::Incoming(incoming) => incoming.next().await,
                Kind::Kept(kept) => match kept.chunks.pop_front() {
                    Some(chunk) => Ok(Some(chunk)),
                    None => std::mem::replace(&mut kept.end, Ok(())).map(|()| None),
                },
                Kind::Empty | Kind::Bytes(_) | Kind::Produced(_) => Ok(None),
            }
        })
    }

    #[inline(never)]
    fn collect_streamed(mut self) -> Boxed<'static, Result<Vec<u8>, Fault>> {
        Box::pin(async move {
            let mut whole = Vec::new();
            while let Some(chunk) = self.next_streamed().await? {
                if whole.is_empty() {
                    whole = chunk;
                } else {
                    whole.extend_from_slice(&chunk);
                }
            }
            Ok(whole)
        })
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(if bytes.is_empty() { Kind::Empty } else { Kind::Bytes(bytes) })
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        text.as_bytes().to_vec().into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Empty => f.write_str("Body(empty)"),
            Kind::Bytes(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            _ => f.write_str("Body(streamed)"),
        }
    }
}

/// Writes a body while it is read.
pub struct BodyWriter(Sink);

enum Sink {
    #[cfg(target_family = "wasm")]
    Host(StreamWriter<u8>),
    Guest(Rc<RefCell<VecDeque<Vec<u8>>>>),
}

impl BodyWriter {
    /// Writes a chunk and waits until the reader has taken it.
    ///
    /// # Errors
    ///
    /// A fault named `reader-gone` when nobody reads any more; return it, there
    /// is nothing left to do.
    pub async fn write(&mut self, chunk: impl Into<Vec<u8>>) -> Result<(), Fault> {
        let chunk = chunk.into();
        if chunk.is_empty() {
            return Ok(());
        }
        match &mut self.0 {
            #[cfg(target_family = "wasm")]
            Sink::Host(writer) => match writer.write_all(chunk).await {
                unread if unread.is_empty() => Ok(()),
                _ => Err(Fault::reader_gone()),
            },
            Sink::Guest(chunks) => {
                chunks.borrow_mut().push_back(chunk);
                Ok(())
            }
        }
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyWriter")
    }
}

/// A body that the host writes.
#[cfg(target_family = "wasm")]
pub(crate) struct Incoming {
    data: StreamReader<u8>,
    end: Option<FutureReader<Result<(), wit::Fault>>>,
    /// Set once all of `data` was read.
    ended: bool,
}

#[cfg(target_family = "wasm")]
impl Incoming {
    /// How much is asked for at once.
    const CHUNK_BYTES_MAX: usize = 64 * 1024;

    pub(crate) fn new(streamed: wit::Streamed) -> Self {
        Self { data: streamed.data, end: Some(streamed.end), ended: false }
    }

    /// Passes on what was not read yet.
    pub(crate) fn into_streamed(self) -> wit::Body {
        match self.end {
            Some(end) if !self.ended => wit::Body::Streamed(wit::Streamed { data: self.data, end }),
            _ => wit::Body::Empty,
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        while !self.ended {
            let (result, chunk) = self.data.read(Vec::with_capacity(Self::CHUNK_BYTES_MAX)).await;
            self.ended = matches!(result, StreamResult::Dropped);
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
        match self.end.take() {
            Some(end) => Ok(end.await.map(|()| None)?),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;

    #[test]
    fn chunks_come_one_by_one_and_the_fault_after_them() {
        let mut body = Body::stream(|mut writer| async move {
            writer.write("a").await?;
            writer.write("").await?;
            writer.write("b").await?;
            Err(Fault::unavailable("tired"))
        });
        block_on(async {
            assert_eq!(body.next().await, Ok(Some(b"a".to_vec())));
            assert_eq!(body.next().await, Ok(Some(b"b".to_vec())));
            assert_eq!(body.next().await, Err(Fault::unavailable("tired")));
            assert_eq!(body.next().await, Ok(None));
        });
    }

    #[test]
    fn bytes_come_once() {
        let mut body = Body::from("abc");
        assert_eq!(block_on(body.next()), Ok(Some(b"abc".to_vec())));
        assert_eq!(block_on(body.next()), Ok(None));
        assert_eq!(block_on(Body::empty().collect()), Ok(Vec::new()));
    }
}
