//! Sockets that are open at this host, and the rooms they are in.
//!
//! Who holds a socket enters it and is given a [`Present`]; dropping that takes
//! it out of everything. Who sends names an audience and never waits: what is
//! sent is put into the lines of those who are meant, outside of the lock.

mod rooms;

pub(crate) use crate::call::SocketId;
pub(crate) use rooms::RoomError;
pub(crate) use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::name::Name;
use crate::payload::Content;
use bytes::Bytes;
use rooms::Table;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;

/// Codes of a close (RFC 6455, section 7.4.1).
pub(crate) mod code {
    pub(crate) const NORMAL: u16 = 1_000;
    pub(crate) const AWAY: u16 = 1_001;
    pub(crate) const GARBLED: u16 = 1_002;
    /// None was given; never sent.
    pub(crate) const NONE: u16 = 1_005;
    /// The connection broke; never sent.
    pub(crate) const BROKEN: u16 = 1_006;
    pub(crate) const BAD_TEXT: u16 = 1_007;
    pub(crate) const POLICY: u16 = 1_008;
    pub(crate) const TOO_LARGE: u16 = 1_009;
    pub(crate) const TRY_LATER: u16 = 1_013;
}

/// All sockets that are open at this host. Clones share them.
#[derive(Clone)]
pub(crate) struct Sockets {
    table: Arc<Mutex<Table>>,
    sockets_max: usize,
}

/// Whose socket it is: who may send to it, and whose rooms it can be in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// A WebSocket of this service.
    Service(Name),
    /// A browser of this namespace.
    Namespace(Name),
}

/// What a service may send to: its own WebSockets and the browsers of its
/// namespace.
#[derive(Clone, Debug)]
pub(crate) struct Reachable {
    pub(crate) service: Name,
    pub(crate) namespace: Option<Name>,
}

/// Whom to send to.
#[derive(Clone, Debug)]
pub(crate) enum Audience {
    Socket(String),
    Room(String),
    Everyone,
}

/// What is sent, or came. Clones share the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Text(Utf8Bytes),
    Binary(Bytes),
}

/// Something that a service sends.
#[derive(Debug)]
pub(crate) struct Message {
    /// What browsers know it by; empty where nothing was said.
    pub(crate) event: String,
    pub(crate) payload: Payload,
    /// What the payload holds, read once for all who get it.
    content: OnceLock<Content>,
    /// The message as one text, made once for all who get it so.
    rendered: OnceLock<Payload>,
}

/// How a socket is closed: a code of RFC 6455 and a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// The way to whoever is at the other end. It puts into a bounded line; who is
/// too far behind is disconnected by the outlet itself.
pub(crate) trait Outlet: Send + Sync {
    fn send(&self, message: &Arc<Message>);
    /// Closes the socket once it has been sent what is in its line.
    fn close(&self, closing: Closing);
    /// What is live has changed: closes a socket that no service has any more.
    /// Those of browsers go with their namespace.
    fn follow(&self) {}
}

/// As many WebSockets of services are open as may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{max} WebSockets are open, which is the limit of this host")]
pub(crate) struct TooMany {
    pub(crate) max: usize,
}

/// A socket that is open, until this is dropped.
pub(crate) struct Present {
    sockets: Sockets,
    owner: Owner,
    id: SocketId,
}

impl Sockets {
    /// None is open yet. Those of services are bounded here, browsers by who
    /// lets them in.
    pub(crate) fn new(sockets_max: usize) -> Self {
        Self { table: Arc::default(), sockets_max }
    }

    /// Takes a socket in. Dropping what is given back takes it out of everything.
    pub(crate) fn enter(&self, owner: Owner, outlet: Arc<dyn Outlet>) -> Result<Present, TooMany> {
        let id = SocketId::draw();
        let mut table = self.table();
        let is_bounded = matches!(owner, Owner::Service(_));
        if is_bounded && self.sockets_max <= table.of_services() {
            return Err(TooMany { max: self.sockets_max });
        }
        table.enter(owner.clone(), id.clone(), outlet);
        drop(table);
        Ok(Present { sockets: self.clone(), owner, id })
    }

    /// Sends to an audience without one of it; gives how many sockets it was
    /// put into the line of.
    pub(crate) fn send(
        &self,
        by: &Reachable,
        to: &Audience,
        except: Option<&str>,
        message: &Arc<Message>,
    ) -> usize {
        let outlets = self.table().outlets(by, to, except);
        for outlet in &outlets {
            outlet.send(message);
        }
        outlets.len()
    }

    /// Puts a socket into a room, if it is not there yet. False when there is
    /// no such socket.
    pub(crate) fn join(&self, by: &Reachable, socket: &str, room: &str) -> Result<bool, RoomError> {
        self.table().join(by, socket, room)
    }

    /// Takes a socket out of a room. False when it was not there.
    pub(crate) fn leave(
        &self,
        by: &Reachable,
        socket: &str,
        room: &str,
    ) -> Result<bool, RoomError> {
        self.table().leave(by, socket, room)
    }

    /// Closes a socket. False when there is no such socket.
    pub(crate) fn close(&self, by: &Reachable, socket: &str, closing: Closing) -> bool {
        let outlet = self.table().outlet(by, socket);
        match outlet {
            Some(outlet) => {
                outlet.close(closing);
                true
            }
            None => false,
        }
    }

    /// Has the sockets of services look whether anybody has them still. Called
    /// after each change of the live table, by who changed it.
    pub(crate) fn follow(&self) {
        let outlets = self.table().outlets_of_services();
        for outlet in &outlets {
            outlet.follow();
        }
    }

    /// How many sockets an audience has now.
    pub(crate) fn count(&self, by: &Reachable, of: &Audience) -> usize {
        self.table().count(by, of)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Present {
    /// What the socket is known by.
    pub(crate) fn id(&self) -> &SocketId {
        &self.id
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let outlet = self.sockets.table().remove(&self.owner, &self.id);
        // Outside of the lock: it may hold whatever it likes.
        drop(outlet);
    }
}

impl Message {
    pub(crate) fn new(event: String, payload: Payload) -> Self {
        Self { event, payload, content: OnceLock::new(), rendered: OnceLock::new() }
    }

    /// What the payload holds.
    pub(crate) fn content(&self) -> &Content {
        self.content.get_or_init(|| match &self.payload {
            Payload::Text(text) => Content::of_text(text),
            Payload::Binary(bytes) => Content::Binary(bytes.clone()),
        })
    }

    /// The message as the text that the first who wants one makes of it.
    pub(crate) fn rendered(&self, render: impl FnOnce(&Self) -> Payload) -> &Payload {
        self.rendered.get_or_init(|| render(self))
    }
}

impl Payload {
    /// Bytes of it.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// The bytes, shared.
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Text(text) => text.clone().into(),
            Self::Binary(bytes) => bytes.clone(),
        }
    }
}

impl Closing {
    pub(crate) fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// How a socket is closed of which nothing more can be read. None when there
    /// is nobody to tell.
    pub(crate) fn after(error: &Error) -> Option<Self> {
        match error {
            Error::Capacity(_) => Some(Self::new(code::TOO_LARGE, "message too large")),
            Error::Utf8(_) => Some(Self::new(code::BAD_TEXT, "text is not UTF-8")),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
            Error::Protocol(error) => Some(Self::new(code::GARBLED, error.to_string())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
