//! Bytes on a socket, for requests that no client sends.

use super::{Reply, within};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection, byte by byte.
pub(crate) struct Wire {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Wire {
    /// Connects.
    pub(crate) async fn to(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
        Self::over(stream)
    }

    /// Takes over a connection.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self { stream, seen: Vec::new() }
    }

    /// The answer to one request on a connection of its own.
    pub(crate) async fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> Reply {
        let mut wire = Self::to(address).await;
        wire.send(request).await;
        wire.reply().await
    }

    /// Sends; that the other side reads no more is told by what it answers.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.try_send(bytes).await;
    }

    /// Sends as long as the other side takes it.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        within("room to write", self.stream.write_all(bytes.as_ref())).await
    }

    /// The next answer, or none when the other side leaves first.
    pub(crate) async fn try_reply(&mut self) -> Option<Reply> {
        while !self.seen.windows(4).any(|part| part == b"\r\n\r\n") {
            match self.stream.read_buf(&mut self.seen).await {
                Ok(1..) => (),
                _ => return None,
            }
        }
        Some(self.reply().await)
    }

    /// Says that nothing follows.
    pub(crate) async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next answer.
    pub(crate) async fn reply(&mut self) -> Reply {
        self.read_reply(true).await
    }

    /// The next answer, to `HEAD`.
    pub(crate) async fn reply_to_head(&mut self) -> Reply {
        self.read_reply(false).await
    }

    async fn read_reply(&mut self, has_body: bool) -> Reply {
        let (status, headers) = self.head().await;
        let mut reply = Reply { status, headers, body: Default::default() };
        if !has_body || status == 204 || status == 304 {
            return reply;
        }
        reply.body = if reply.header("transfer-encoding") == "chunked" {
            self.chunked().await.into()
        } else {
            let length = reply.header("content-length").parse().unwrap_or_default();
            self.take(length).await.into()
        };
        reply
    }

    /// The head of the next answer.
    pub(crate) async fn head(&mut self) -> (u16, HeaderMap) {
        let text = self.until("\r\n\r\n").await;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|text| text.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {text:?}"));
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        (status, headers)
    }

    /// The next chunk of a chunked body; empty for the last.
    pub(crate) async fn chunk(&mut self) -> Vec<u8> {
        let size = self.until("\r\n").await;
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("{size:?}"));
        let mut chunk = self.take(size + 2).await;
        chunk.truncate(size);
        chunk
    }

    async fn chunked(&mut self) -> Vec<u8> {
        let mut whole = Vec::new();
        loop {
            let chunk = self.chunk().await;
            if chunk.is_empty() {
                return whole;
            }
            whole.extend(chunk);
        }
    }

    /// Everything up to and with a text.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        loop {
            let at = self.seen.windows(text.len()).position(|part| part == text.as_bytes());
            if let Some(at) = at {
                let taken: Vec<u8> = self.seen.drain(..at + text.len()).collect();
                return String::from_utf8_lossy(&taken).into_owned();
            }
            self.more().await;
        }
    }

    /// The next so many bytes.
    pub(crate) async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.seen.len() < length {
            self.more().await;
        }
        self.seen.drain(..length).collect()
    }

    async fn more(&mut self) {
        let read = within("something to read", self.stream.read_buf(&mut self.seen)).await;
        match read {
            Ok(0) => panic!("closed after {:?}", String::from_utf8_lossy(&self.seen)),
            Ok(_) => (),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&self.seen)),
        }
    }

    /// Everything up to the end of the connection, in order or not.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        let reading = async { while let Ok(1..) = self.stream.read_buf(&mut self.seen).await {} };
        within("the end of the connection", reading).await;
        self.seen
    }
}
