//! A WebSocket on its connection, in two halves: what comes, and what goes.
//!
//! The protocol is tungstenite's. Here its errors become the codes of a close,
//! and what goes is taken out of the line only when there is room for it.

use super::outbox::{Next, Outbox};
use super::tally::{Cause, Tally};
use super::watched::{Watch, Watched};
use super::{Bounds, Ended, code};
use crate::sockets::{Closing, Payload};
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use std::future::poll_fn;
use std::io;
use tokio::io::{AsyncWriteExt, copy, sink};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

type Socket = WebSocketStream<Watched<TcpStream>>;

/// Something whole that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    Message(Payload),
    /// A ping, which is answered by itself, or a pong.
    Sign,
    /// The peer closes, and says how.
    Close(Closing),
}

/// What comes.
pub(super) struct Reader(SplitStream<Socket>);

/// What goes.
pub(super) struct Writer {
    sink: SplitSink<Socket, Message>,
    /// What of a message has not gone.
    rest: Option<Rest>,
    is_ping_due: bool,
    last_message: Instant,
}

struct Rest {
    kind: Data,
    bytes: Bytes,
}

/// Read at once, and kept by a socket that is idle.
const READ_BYTES: usize = 4 << 10;
/// Small messages are put together up to this before they are written.
const BATCH_BYTES: usize = 16 << 10;
/// Larger messages go in parts of this. A socket keeps as much as it once had to
/// buffer.
const PART_BYTES: usize = 16 << 10;
/// Bytes of the reason of a close.
const REASON_BYTES_MAX: usize = 123;

/// Takes up a connection after its handshake; `read` is what has been read of it.
pub(super) async fn begin(tcp: TcpStream, read: Bytes, bounds: &Bounds) -> (Reader, Writer, Watch) {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(BATCH_BYTES)
        .max_message_size(Some(bounds.message_bytes_max))
        .max_frame_size(Some(bounds.message_bytes_max));
    let (watched, watch) = Watched::new(tcp, &read, bounds.stall_max);
    // Copied: what it was read into is large, and would be kept.
    let (read, role) = (read.to_vec(), Role::Server);
    let socket = Socket::from_partially_read(watched, read, role, Some(config)).await;
    let (sink, stream) = socket.split();
    let last_message = Instant::now();
    (Reader(stream), Writer { sink, rest: None, is_ping_due: false, last_message }, watch)
}

impl Reader {
    /// What comes next. Nothing is lost when it is dropped before it is done.
    pub(super) async fn next(&mut self) -> Result<Arrived, Ended> {
        let Some(arrived) = self.0.next().await else { return Err(Ended::gone()) };
        Ok(match arrived.map_err(|error| ended(&error))? {
            Message::Text(text) => Arrived::Message(Payload::Text(text)),
            Message::Binary(bytes) => Arrived::Message(Payload::Binary(bytes)),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Arrived::Sign,
            Message::Close(frame) => Arrived::Close(closing(frame)),
        })
    }

    /// Lets the peer take what has been sent, and ends the connection. What is
    /// still on its way here must be taken, or the end overtakes the goodbye.
    pub(super) async fn end(self, writer: Writer) {
        // What the writer holds of a message is dropped here: it is wanted no more.
        let Ok(mut socket) = self.0.reunite(writer.sink) else { return };
        if socket.flush().await.is_err() {
            return;
        }
        let tcp = socket.get_mut().inner();
        if tcp.shutdown().await.is_ok() {
            // Who has gone has nothing to say.
            let _ = copy(tcp, &mut sink()).await;
        }
    }
}

impl Writer {
    /// Asks the peer whether it is there.
    pub(super) fn ping(&mut self) {
        self.is_ping_due = true;
    }

    /// When the last message was begun, or the socket.
    pub(super) fn last_message(&self) -> Instant {
        self.last_message
    }

    /// Whether a part of a message has not gone.
    pub(super) fn is_within_message(&self) -> bool {
        self.rest.is_some()
    }

    /// Writes what is in the line for as long as there is a line; gives how that
    /// ended. Nothing is lost when it is dropped before it is done.
    pub(super) async fn work(&mut self, outbox: &Outbox, tally: &Tally) -> Ended {
        loop {
            if let Err(error) = poll_fn(|cx| self.sink.poll_ready_unpin(cx)).await {
                return unsent(&error);
            }
            if let Some(part) = self.next_part() {
                if let Err(error) = self.sink.start_send_unpin(part) {
                    return unsent(&error);
                }
                continue;
            }
            match outbox.next() {
                Next::Payload(payload) => {
                    tally.note_went();
                    self.last_message = Instant::now();
                    self.rest = Some(payload.into());
                }
                Next::Ended(ended) => return ended,
                Next::Nothing => {
                    if let Err(error) = self.sink.flush().await {
                        return unsent(&error);
                    }
                    outbox.changed().await;
                }
            }
        }
    }

    /// Says goodbye, behind what has been begun.
    pub(super) async fn close(&mut self, ended: &Ended) -> Result<(), Error> {
        if ended.cause == Cause::Client {
            // The answer is there, goes with the end, and may have nothing before it.
            return Ok(());
        }
        while let Some(part) = self.next_part() {
            self.sink.feed(part).await?;
        }
        let reason = &ended.closing.reason;
        let end = reason.floor_char_boundary(REASON_BYTES_MAX);
        let reason = reason.get(..end).unwrap_or_default().into();
        let frame = CloseFrame { code: ended.closing.code.into(), reason };
        self.sink.send(Message::Close(Some(frame))).await
    }

    /// The next that goes before what is in the line.
    fn next_part(&mut self) -> Option<Message> {
        if std::mem::take(&mut self.is_ping_due) {
            return Some(Message::Ping(Bytes::new()));
        }
        let Rest { kind, mut bytes } = self.rest.take()?;
        let part = bytes.split_to(PART_BYTES.min(bytes.len()));
        let is_last = bytes.is_empty();
        if !is_last {
            self.rest = Some(Rest { kind: Data::Continue, bytes });
        }
        Some(Message::Frame(Frame::message(part, OpCode::Data(kind), is_last)))
    }
}

impl From<Payload> for Rest {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Text(text) => Self { kind: Data::Text, bytes: text.into() },
            Payload::Binary(bytes) => Self { kind: Data::Binary, bytes },
        }
    }
}

/// How the peer says that it closes.
fn closing(frame: Option<CloseFrame>) -> Closing {
    match frame {
        Some(frame) => Closing::new(frame.code.into(), frame.reason.as_str()),
        None => Closing::new(code::NONE, ""),
    }
}

/// Why nothing more can be read.
fn ended(error: &Error) -> Ended {
    if is_watched(error, io::ErrorKind::InvalidData) {
        return Ended::new(Cause::Garbled, code::POLICY, "too many empty fragments");
    }
    // Answers to pings are written by the side that reads.
    let Some(closing) = Closing::after(error) else { return unsent(error) };
    let cause = match closing.code {
        code::TOO_LARGE => Cause::TooLarge,
        _ => Cause::Garbled,
    };
    Ended { closing, cause }
}

/// Why nothing more can be written.
fn unsent(error: &Error) -> Ended {
    if is_watched(error, io::ErrorKind::TimedOut) { Ended::slow() } else { Ended::gone() }
}

/// Whether it was the watch that said so, and not the system.
fn is_watched(error: &Error, kind: io::ErrorKind) -> bool {
    matches!(error, Error::Io(error) if error.kind() == kind && error.raw_os_error().is_none())
}
