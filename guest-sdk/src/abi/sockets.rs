//! Sockets that the host keeps.

use super::bindings::picolet::service::sockets as wit;
use crate::{Fault, Message, Payload, call, sockets::Audience};

pub(crate) fn from(call: u64) -> Option<String> {
    wit::from(call)
}

pub(crate) fn send(to: Audience, except: Option<&str>, message: Message) -> Result<u32, Fault> {
    Ok(wit::send(call::current(), &to.into(), except, &message.into())?)
}

pub(crate) fn join(socket: &str, room: &str) -> Result<bool, Fault> {
    Ok(wit::join(call::current(), socket, room)?)
}

pub(crate) fn leave(socket: &str, room: &str) -> Result<bool, Fault> {
    Ok(wit::leave(call::current(), socket, room)?)
}

pub(crate) fn close(socket: &str, code: u16, reason: &str) -> Result<bool, Fault> {
    Ok(wit::close(call::current(), socket, code, reason)?)
}

pub(crate) fn count(of: Audience) -> u32 {
    wit::count(call::current(), &of.into())
}

impl From<Audience> for wit::Audience {
    fn from(audience: Audience) -> Self {
        match audience {
            Audience::Socket(id) => Self::Socket(id),
            Audience::Room(name) => Self::Room(name),
            Audience::Everyone => Self::Everyone,
        }
    }
}

impl From<Message> for wit::Message {
    fn from(message: Message) -> Self {
        let payload = match message.payload {
            Payload::Text(text) => wit::Payload::Text(text),
            Payload::Binary(bytes) => wit::Payload::Binary(bytes),
        };
        Self { event: message.event, payload }
    }
}
