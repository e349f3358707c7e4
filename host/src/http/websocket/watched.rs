//! The connection under a WebSocket, watched: whether what has begun is whole,
//! whether the peer shows signs of life, and whether it takes what it is sent.

use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A connection whose peer must take something now and then: when it takes
/// nothing for too long, writing ends with `TimedOut`. Reading ends with
/// `InvalidData` when a message has too many fragments of nothing.
pub(super) struct Watched<T> {
    io: T,
    watch: Watch,
    stall_max: Duration,
    /// Runs while nothing can be written.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// What has been seen of a connection. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    frames: Frames,
    /// Since when a message has begun that is not whole.
    began: Option<Instant>,
    signs: Signs,
}

/// What has happened since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// The peer is there: it sent something, or made room for what it is sent.
    pub(super) is_there: bool,
    /// Bytes that were written, and may be on their way.
    pub(super) written: u64,
}

/// Follows frames without what they say.
#[derive(Debug, Default)]
struct Frames {
    place: Place,
    /// The first byte of the frame.
    first: u8,
    length: u64,
    /// The last frame of data was not the last of its message.
    is_open: bool,
    /// Fragments of that message that had nothing in them.
    empty: u32,
    /// There was a moment at which nothing had begun.
    was_whole: bool,
}

/// Where in a frame the next byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    First,
    Second,
    /// In the length, of which so much is to come, and then a mask.
    Length {
        left: u8,
        mask: u64,
    },
    /// In the mask or the payload, of which so much is to come.
    Payload {
        left: u64,
    },
}

/// Fragments of nothing that a message may have. They cost time, and are not
/// bounded by its size.
const EMPTY_MAX: u32 = 64;

impl<T> Watched<T> {
    /// `read` is what has been read of it already.
    pub(super) fn new(io: T, read: &Bytes, stall_max: Duration) -> (Self, Watch) {
        let watch = Watch::default();
        watch.note_read(read, Instant::now());
        (Self { io, watch: watch.clone(), stall_max, stalled: None }, watch)
    }

    /// The connection, for what nobody looks at any more.
    pub(super) fn inner(&mut self) -> &mut T {
        &mut self.io
    }
}

impl Watch {
    /// Since when a message has begun that is not whole.
    pub(super) fn began(&self) -> Option<Instant> {
        self.seen().began
    }

    /// What has begun has time from now on: it was not read before.
    pub(super) fn restart(&self, now: Instant) {
        if let Some(began) = &mut self.seen().began {
            *began = now;
        }
    }

    /// What has happened since this was asked last.
    pub(super) fn take_signs(&self) -> Signs {
        std::mem::take(&mut self.seen().signs)
    }

    /// Gives whether that may be.
    fn note_read(&self, bytes: &[u8], now: Instant) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let mut seen = self.seen();
        seen.signs.is_there = true;
        seen.frames.follow(bytes);
        if std::mem::take(&mut seen.frames.was_whole) {
            seen.began = None;
        }
        if seen.frames.has_begun() {
            seen.began.get_or_insert(now);
        }
        seen.frames.empty <= EMPTY_MAX
    }

    fn note_written(&self, bytes: usize, was_stalled: bool) {
        let mut seen = self.seen();
        seen.signs.written += bytes as u64;
        // Before there was no room, so the peer has made some.
        seen.signs.is_there |= was_stalled;
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Frames {
    fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Place::Payload { left } = self.place {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                bytes = bytes.get(taken..).unwrap_or_default();
                self.go_on(left - taken as u64);
                continue;
            }
            bytes = rest;
            self.follow_head(byte);
        }
    }

    fn follow_head(&mut self, byte: u8) {
        match self.place {
            Place::Second => {
                let mask = if byte & 0x80 == 0 { 0 } else { 4 };
                let (left, length) = match byte & 0x7f {
                    126 => (2, 0),
                    127 => (8, 0),
                    length => (0, u64::from(length)),
                };
                self.length = length;
                self.go_on_in_length(left, mask);
            }
            Place::Length { left, mask } => {
                self.length = self.length << 8 | u64::from(byte);
                self.go_on_in_length(left.saturating_sub(1), mask);
            }
            Place::First | Place::Payload { .. } => {
                self.first = byte;
                self.place = Place::Second;
            }
        }
    }

    fn go_on_in_length(&mut self, left: u8, mask: u64) {
        if left == 0 {
            self.go_on(self.length.saturating_add(mask));
        } else {
            self.place = Place::Length { left, mask };
        }
    }

    /// So much of the frame is to come.
    fn go_on(&mut self, left: u64) {
        if 0 < left {
            self.place = Place::Payload { left };
            return;
        }
        self.place = Place::First;
        let (is_last, is_control) = (self.first & 0x80 != 0, self.first & 0x08 != 0);
        if !is_control {
            self.is_open = !is_last;
            self.empty = match (is_last, self.length) {
                (true, _) => 0,
                (false, 0) => self.empty + 1,
                (false, _) => self.empty,
            };
        }
        self.was_whole |= !self.is_open;
    }

    /// Whether something has begun that is not whole.
    fn has_begun(&self) -> bool {
        self.is_open || self.place != Place::First
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        let may_be = self.watch.note_read(read, Instant::now());
        Poll::Ready(if may_be { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) })
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = Pin::new(&mut self.io).poll_write(cx, bytes) {
            let was_stalled = self.stalled.take().is_some();
            self.watch.note_written(*written.as_ref().unwrap_or(&0), was_stalled);
            return Poll::Ready(written);
        }
        let stall_max = self.stall_max;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(stall_max)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const STALL_MAX: Duration = Duration::from_secs(30);

    /// A frame with a mask.
    fn frame(first: u8, len: u8) -> Vec<u8> {
        let mut frame = vec![first, 0x80 | len, 1, 2, 3, 4];
        frame.extend(vec![7; usize::from(len)]);
        frame
    }

    #[test]
    fn what_is_not_whole_has_begun_when_it_began() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let watch = Watch::default();
        watch.note_read(&frame(0x81, 5), at(0));
        assert_eq!(watch.began(), None);
        let (text, ping) = (frame(0x81, 5), frame(0x89, 0));
        for (second, byte) in text.iter().enumerate() {
            watch.note_read(&[*byte], at(second as u64 + 1));
            let is_last = second + 1 == text.len();
            assert_eq!(watch.began(), (!is_last).then_some(at(1)), "{second}");
        }
        watch.note_read(&frame(0x01, 5), at(20));
        watch.note_read(&ping, at(21));
        watch.note_read(&frame(0x00, 5), at(22));
        assert_eq!(watch.began(), Some(at(20)), "pings and more of it change nothing");
        watch.note_read(&[frame(0x80, 5), ping[..3].to_vec()].concat(), at(23));
        assert_eq!(watch.began(), Some(at(23)));
        watch.restart(at(30));
        assert_eq!(watch.began(), Some(at(30)));
        watch.note_read(&ping[3..], at(31));
        assert_eq!(watch.began(), None);
        watch.restart(at(40));
        assert_eq!(watch.began(), None);
    }

    #[test]
    fn long_frames_are_followed_to_their_end() {
        let watch = Watch::default();
        let now = Instant::now();
        let lengths = [(vec![126, 1, 0], 256), (vec![127, 0, 0, 0, 0, 0, 1, 0, 0], 65_536)];
        for (mut head, len) in lengths {
            head.insert(0, 0x82);
            watch.note_read(&head, now);
            watch.note_read(&vec![0; len - 1], now);
            assert_eq!(watch.began(), Some(now), "{len}");
            watch.note_read(&[0], now);
            assert_eq!(watch.began(), None, "{len}");
        }
        watch.note_read(&[0x82u8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], now);
        watch.note_read(&[0; 100], now);
        assert_eq!(watch.began(), Some(now));
    }

    #[test]
    fn fragments_of_nothing_are_counted() {
        let watch = Watch::default();
        let now = Instant::now();
        for _ in 0..2 {
            assert!(watch.note_read(&frame(0x01, 1), now));
            for _ in 0..EMPTY_MAX {
                assert!(watch.note_read(&frame(0x00, 0), now));
            }
            assert!(watch.note_read(&frame(0x80, 0), now), "the next message begins anew");
        }
        assert!(watch.note_read(&frame(0x01, 0).repeat(64), now));
        assert!(!watch.note_read(&frame(0x00, 0), now));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up() {
        let (near, mut far) = duplex(64);
        let (mut watched, watch) = Watched::new(near, &Bytes::new(), STALL_MAX);
        let start = Instant::now();
        watched.write_all(&[0; 64]).await.unwrap();
        assert_eq!(watch.take_signs(), Signs { is_there: false, written: 64 });
        let reading = async {
            sleep(Duration::from_secs(29)).await;
            far.read_exact(&mut [0; 1]).await.unwrap();
        };
        let (written, ()) = tokio::join!(watched.write_all(&[0; 2]), reading);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 59, "it took something in between");
        assert_eq!(watch.take_signs(), Signs { is_there: true, written: 1 });
        far.write_all(&[0x81]).await.unwrap();
        watched.read_exact(&mut [0; 1]).await.unwrap();
        assert_eq!(watch.take_signs(), Signs { is_there: true, written: 0 });
    }
}
