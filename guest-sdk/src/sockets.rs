//! Sockets that the host keeps open: what happens at one, and sending to them.

use serde::Serialize;

use crate::{Bytes, Fault, FromRequest, Request, Text, json};

#[cfg(target_family = "wasm")]
use crate::abi::sockets as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::sockets as host;

/// A socket that is open at the host: a WebSocket of this service, or a browser
/// of its namespace.
///
/// As an argument it is the one that the call came by; a call that came by none
/// is the fault `no-socket` (400). The host keeps the socket, so its name may be
/// kept in state and used in any other call; see [`socket()`]. Nothing happens to
/// a socket that is gone, or that is not this service's.
///
/// ```
/// use picolet_sdk::{prelude::*, testing};
///
/// #[service(name = "chat", version = "1.0.0", root = "/chat")]
/// mod chat {
///     #[websocket("/{name}")]
///     async fn talk(
///         Path(name): Path<String>,
///         socket: Socket,
///         event: SocketEvent,
///     ) -> Result<(), Fault> {
///         match event {
///             SocketEvent::Open => socket.join(&name)?,
///             SocketEvent::Text(text) => {
///                 room(&name).except(&socket).send(text)?;
///             }
///             SocketEvent::Binary(_) => socket.close(4000, "text, please")?,
///             SocketEvent::Close { .. } => {}
///         }
///         Ok(())
///     }
/// }
///
/// # fn main() {
/// let happens = |socket, event| {
///     testing::attend::<chat::Service>("/chat/lobby", socket, event).unwrap();
/// };
/// happens("ann", SocketEvent::Open);
/// happens("bob", SocketEvent::Open);
/// happens("ann", SocketEvent::Text("hello".into()));
/// assert_eq!(testing::sent(), [testing::Sent { to: "bob".into(), message: "hello".into() }]);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Socket {
    id: String,
}

/// The socket of this name.
pub fn socket(id: impl Into<String>) -> Socket {
    Socket { id: id.into() }
}

impl Socket {
    /// Its name, a text without meaning that is never the same again.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Sends a message: a text, bytes, or a [`Message`] that was put together.
    ///
    /// # Errors
    ///
    /// `bad-message` (400), `message-too-large` (413) over 1 MiB.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), Fault> {
        host::send(self.audience(), None, message.into()).map(drop)
    }

    /// Sends data as JSON. Browsers get it as the event of this name.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and the fault `internal` for what cannot be JSON.
    pub fn emit(&self, event: &str, data: &(impl Serialize + ?Sized)) -> Result<(), Fault> {
        self.send(Message::json(data)?.named(event))
    }

    /// Puts it into a room, which is there as long as somebody is in it.
    ///
    /// # Errors
    ///
    /// `bad-room` (400) when the name is not 1 to 128 bytes, `too-many-rooms`
    /// (429) over 256 for one socket.
    pub fn join(&self, room: &str) -> Result<(), Fault> {
        host::join(&self.id, room).map(drop)
    }

    /// Takes it out of a room, if it is there.
    ///
    /// # Errors
    ///
    /// `bad-room` (400).
    pub fn leave(&self, room: &str) -> Result<(), Fault> {
        host::leave(&self.id, room).map(drop)
    }

    /// Closes it once it has been sent what was sent to it before. The code is
    /// 1000 or 3000 to 4999, the reason at most 123 bytes.
    ///
    /// # Errors
    ///
    /// `bad-call` (400) for another code or a longer reason.
    pub fn close(&self, code: u16, reason: &str) -> Result<(), Fault> {
        host::close(&self.id, code, reason).map(drop)
    }

    /// Whether it is open now.
    pub fn is_open(&self) -> bool {
        0 < host::count(self.audience())
    }

    fn audience(&self) -> Audience {
        Audience::Socket(self.id.clone())
    }
}

impl FromRequest for Socket {
    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        match host::from(request.call) {
            Some(id) => Ok(Self { id }),
            None => Err(Fault::new(400, "no-socket", "this call came by no socket")),
        }
    }
}

/// All sockets in a room; see [`room()`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    name: String,
    except: Option<Socket>,
}

/// The room of this name. The WebSockets of a service have rooms of their own,
/// and services that share a namespace those of its browsers.
pub fn room(name: impl Into<String>) -> Room {
    Room { name: name.into(), except: None }
}

/// All sockets that this service may send to; see [`everyone()`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Everyone {
    except: Option<Socket>,
}

/// All sockets that this service may send to.
pub fn everyone() -> Everyone {
    Everyone { except: None }
}

macro_rules! audiences {
    ($($type:ident, $self:ident => $audience:expr;)*) => {$(
        impl $type {
            /// The same without one of them.
            #[must_use]
            pub fn except(mut self, socket: &Socket) -> Self {
                self.except = Some(socket.clone());
                self
            }

            /// Sends a message to each of them, and tells how many there were.
            ///
            /// # Errors
            ///
            /// As [`Socket::send`], and `bad-room` (400).
            pub fn send(&self, message: impl Into<Message>) -> Result<usize, Fault> {
                let except = self.except.as_ref().map(Socket::id);
                Ok(host::send(self.audience(), except, message.into())? as usize)
            }

            /// Sends data as JSON to each of them, and tells how many there were.
            /// Browsers get it as the event of this name.
            ///
            /// # Errors
            ///
            /// As [`Socket::emit`], and `bad-room` (400).
            pub fn emit(
                &self,
                event: &str,
                data: &(impl Serialize + ?Sized),
            ) -> Result<usize, Fault> {
                self.send(Message::json(data)?.named(event))
            }

            /// How many there are now, the one that was excepted included.
            pub fn count(&self) -> usize {
                host::count(self.audience()) as usize
            }

            fn audience(&$self) -> Audience {
                $audience
            }
        }
    )*};
}

audiences! {
    Room, self => Audience::Room(self.name.clone());
    Everyone, self => Audience::Everyone;
}

/// Whom to send to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Socket(String),
    Room(String),
    Everyone,
}

/// What is sent to sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What browsers know it by. Empty stands for `message`; WebSockets of a
    /// service do not get it.
    pub event: String,
    /// What it is.
    pub payload: Payload,
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Text. For browsers, JSON; what is none goes as a string of JSON.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl Message {
    /// Data as JSON.
    ///
    /// # Errors
    ///
    /// The fault `internal` for what cannot be JSON.
    pub fn json(data: &(impl Serialize + ?Sized)) -> Result<Self, Fault> {
        match json::to_vec(data).map(String::from_utf8) {
            Ok(Ok(json)) => Ok(json.into()),
            Ok(Err(error)) => Err(Fault::internal(format!("the message: {error}"))),
            Err(error) => Err(Fault::internal(format!("the message: {error}"))),
        }
    }

    /// The same as another event, of at most 128 bytes.
    #[must_use]
    pub fn named(mut self, event: impl Into<String>) -> Self {
        self.event = event.into();
        self
    }
}

impl From<Payload> for Message {
    fn from(payload: Payload) -> Self {
        Self { event: String::new(), payload }
    }
}

macro_rules! messages {
    ($($type:ty, $given:pat => $payload:expr;)*) => {$(
        impl From<$type> for Message {
            fn from($given: $type) -> Self {
                $payload.into()
            }
        }
    )*};
}

messages! {
    String, text => Payload::Text(text);
    &String, text => Payload::Text(text.clone());
    &str, text => Payload::Text(text.to_owned());
    Text, Text(text) => Payload::Text(text);
    Vec<u8>, bytes => Payload::Binary(bytes);
    &[u8], bytes => Payload::Binary(bytes.to_vec());
    Bytes, Bytes(bytes) => Payload::Binary(bytes);
}

/// What has happened at a WebSocket, as an argument of a function that is marked
/// `#[websocket]`. What happens at one socket is told in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketEvent {
    /// Somebody wants to open it. A fault refuses that with its status, and
    /// nothing more is told of this socket.
    Open,
    /// A message of text came.
    Text(String),
    /// A message of bytes came.
    Binary(Vec<u8>),
    /// It is closed.
    Close {
        /// A number of RFC 6455; 1006 when the connection broke.
        code: u16,
        /// Why, in the words of whoever closed it.
        reason: String,
    },
}

impl FromRequest for SocketEvent {
    const TAKES_BODY: bool = true;

    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        match request.verb() {
            "OPEN" => Ok(Self::Open),
            "TEXT" => Ok(Self::Text(Text::from_request(request).await?.0)),
            "BINARY" => Ok(Self::Binary(request.take_body().collect().await?)),
            "CLOSE" => {
                let code = request.header("x-close-code").and_then(|code| code.parse().ok());
                let code = code.unwrap_or(ABNORMAL);
                Ok(Self::Close { code, reason: Text::from_request(request).await?.0 })
            }
            _ => {
                let text = "a `SocketEvent` is for functions marked `#[websocket]`";
                Err(Fault::internal(text))
            }
        }
    }
}

/// Of a connection that broke.
const ABNORMAL: u16 = 1006;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, block_on, request};

    fn event(request: testing::RequestBuilder) -> Result<SocketEvent, Fault> {
        block_on(SocketEvent::from_request(&mut request.build()))
    }

    #[test]
    fn the_verb_tells_what_has_happened() {
        assert_eq!(event(request("OPEN", "/")), Ok(SocketEvent::Open));
        let text = event(request("TEXT", "/").body("hi"));
        assert_eq!(text, Ok(SocketEvent::Text("hi".into())));
        let bytes = event(request("BINARY", "/").body(vec![0, 255]));
        assert_eq!(bytes, Ok(SocketEvent::Binary(vec![0, 255])));
        let close = |code, reason: &str| SocketEvent::Close { code, reason: reason.into() };
        let left = event(request("CLOSE", "/").header("x-close-code", "1000").body("bye"));
        assert_eq!(left, Ok(close(1000, "bye")));
        assert_eq!(event(request("CLOSE", "/")), Ok(close(1006, "")));
        assert_eq!(event(request("GET", "/")).unwrap_err().name(), "internal");
    }

    #[test]
    fn a_call_tells_which_socket_it_came_by() {
        let of =
            |request: testing::RequestBuilder| block_on(Socket::from_request(&mut request.build()));
        assert_eq!(of(request("GET", "/").socket("a")), Ok(socket("a")));
        let none = of(request("GET", "/")).unwrap_err();
        assert_eq!((none.status(), none.name()), (400, "no-socket"));
        let mut none = request("GET", "/").build();
        assert_eq!(block_on(Option::<Socket>::from_request(&mut none)), Ok(None));
    }

    #[test]
    fn messages_reach_who_is_meant() {
        for id in ["a", "b", "c"] {
            request("GET", "/").socket(id).build();
        }
        for id in ["a", "b"] {
            socket(id).join("r").unwrap();
        }
        assert_eq!((room("r").count(), everyone().count(), room("s").count()), (2, 3, 0));
        assert_eq!(room("r").except(&socket("a")).send("to b"), Ok(1));
        assert_eq!(everyone().emit("rate", &[1.5]), Ok(3));
        socket("a").leave("r").unwrap();
        socket("b").close(1000, "enough").unwrap();
        assert_eq!(room("r").send("nobody"), Ok(0));
        socket("gone").send("nobody").unwrap();
        assert!(socket("a").is_open() && !socket("b").is_open());
        let sent = testing::sent();
        let sent: Vec<_> = sent.iter().map(|sent| (&*sent.to, &sent.message)).collect();
        let rate = Message::from("[1.5]").named("rate");
        let to_b = Message::from("to b");
        assert_eq!(sent, [("b", &to_b), ("a", &rate), ("b", &rate), ("c", &rate)]);
        assert_eq!(testing::closed(), [("b".to_owned(), 1000, "enough".to_owned())]);
    }

    #[test]
    fn what_the_host_would_refuse_is_refused() {
        let socket = socket("a");
        assert_eq!(socket.join("").unwrap_err().name(), "bad-room");
        assert_eq!(socket.join(&"r".repeat(129)).unwrap_err().name(), "bad-room");
        assert_eq!(socket.close(1001, "").unwrap_err().name(), "bad-call");
        assert_eq!(socket.close(3000, &"r".repeat(124)).unwrap_err().name(), "bad-call");
        assert_eq!(socket.emit(&"e".repeat(129), &1).unwrap_err().name(), "bad-message");
        let large = vec![0; (1 << 20) + 1];
        assert_eq!(socket.send(large).unwrap_err().name(), "message-too-large");
    }
}
