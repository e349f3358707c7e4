//! WebSockets, as programs use them and byte by byte.

use super::{Reply, Wire, within};
use futures::{SinkExt, StreamExt};
use hyper::header::{HeaderName, HeaderValue};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A WebSocket of a program that does as the standard says.
pub(crate) struct WebSocket {
    stream: WebSocketStream<TcpStream>,
    /// What was agreed on, empty without one.
    pub(crate) protocol: String,
}

impl WebSocket {
    /// Opens one.
    pub(crate) async fn open(to: SocketAddr, path: &str) -> Self {
        match Self::open_with(to, path, &[]).await {
            Ok(socket) => socket,
            Err(reply) => panic!("{path}: {reply:?}"),
        }
    }

    /// Opens one with more headers, or tells the head of the answer instead.
    pub(crate) async fn open_with(
        to: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Reply> {
        let mut request = format!("ws://{to}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        let stream = within("a connection", TcpStream::connect(to)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        match within("the handshake", client_async(request, stream)).await {
            Ok((stream, response)) => {
                let protocol = response.headers().get("sec-websocket-protocol");
                let protocol = protocol.map(|protocol| protocol.to_str().unwrap().to_owned());
                Ok(Self { stream, protocol: protocol.unwrap_or_default() })
            }
            Err(Error::Http(response)) => Err(Reply {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                body: response.into_body().unwrap_or_default().into(),
            }),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// Sends text.
    pub(crate) async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Sends any message.
    pub(crate) async fn send(&mut self, message: Message) {
        within("room to write", self.stream.send(message)).await.unwrap();
    }

    /// The next message that is no ping or pong.
    pub(crate) async fn hears(&mut self) -> Message {
        loop {
            match within("a message", self.stream.next()).await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return message,
                other => panic!("no message but {other:?}"),
            }
        }
    }

    /// The next message, which is text.
    pub(crate) async fn text(&mut self) -> String {
        match self.hears().await {
            Message::Text(text) => text.as_str().to_owned(),
            other => panic!("no text but {other:?}"),
        }
    }

    /// Says something, and what is said then.
    pub(crate) async fn answers(&mut self, text: &str) -> String {
        self.say(text).await;
        self.text().await
    }

    /// Begins to close it, and tells how the other side does.
    pub(crate) async fn close(mut self, code: u16, reason: &str) -> (u16, String) {
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        within("room to write", self.stream.close(Some(frame))).await.unwrap();
        self.closing().await
    }

    /// How the other side closes it; messages before are passed over.
    pub(crate) async fn closing(mut self) -> (u16, String) {
        let how = loop {
            match self.hears().await {
                Message::Close(Some(frame)) => {
                    break (frame.code.into(), frame.reason.as_str().to_owned());
                }
                Message::Close(None) => break (1005, String::new()),
                _ => {}
            }
        };
        // The answer to it goes out while the end is waited for.
        let ending = async { while let Some(Ok(_)) = self.stream.next().await {} };
        within("the end of the connection", ending).await;
        how
    }
}

/// The head of a request that opens a WebSocket, with more headers, each with
/// the end of its line.
pub(crate) fn upgrade(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

/// A frame as clients send it: its first byte, how long it is, a mask and the
/// payload.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = frame_head(first, payload.len() as u64);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The same without the payload that it announces.
pub(crate) fn frame_head(first: u8, length: u64) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(length) {
        Ok(length @ 0..=125) => frame.push(0x80 | length as u8),
        Ok(length) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0x37, 0xfa, 0x21, 0x3d]);
    frame
}

/// A WebSocket frame by frame.
pub(crate) struct Frames {
    wire: Wire,
}

impl Frames {
    /// Opens one.
    pub(crate) async fn open(to: SocketAddr, path: &str) -> Self {
        Self::over(Wire::to(to).await, path).await
    }

    /// The same over a connection that is there.
    pub(crate) async fn over(mut wire: Wire, path: &str) -> Self {
        wire.send(upgrade(path, "")).await;
        let (status, headers) = wire.head().await;
        assert_eq!(status, 101, "{path}: {headers:?}");
        // Of the key in the standard's own example.
        assert_eq!(headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        Self { wire }
    }

    /// Sends what may be no frame at all.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.send(bytes).await;
    }

    /// The next frame: its first byte and its payload.
    pub(crate) async fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.wire.take(2).await;
        assert_eq!(head[1] & 0x80, 0, "a host masks nothing");
        let length = match head[1] {
            126 => self.wire.take(2).await,
            127 => self.wire.take(8).await,
            short => vec![short],
        };
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        (head[0], self.wire.take(length).await)
    }

    /// The code that it is closed with; what comes before is passed over.
    pub(crate) async fn closing(&mut self) -> u16 {
        loop {
            if let (0x88, payload) = self.frame().await {
                return match payload[..] {
                    [high, low, ..] => u16::from_be_bytes([high, low]),
                    _ => 1005,
                };
            }
        }
    }

    /// Reads to the end of the connection.
    pub(crate) async fn ended(self) {
        self.wire.rest().await;
    }
}
