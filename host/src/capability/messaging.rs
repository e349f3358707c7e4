//! The interface `sockets`: what a guest sends to those who stay connected.

use crate::engine::{State, messaging, render, types};
use crate::fault::{Fault, SocketFault};
use crate::sockets::{Audience, Closing, Message, Payload, Reachable, RoomError};
use std::sync::Arc;

/// Bytes of a message that is sent.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Bytes of the name of an event.
const EVENT_BYTES_MAX: usize = 128;
/// Bytes of the reason of a close frame, by RFC 6455.
const REASON_BYTES_MAX: usize = 123;

impl messaging::Host for State {
    fn from(&mut self, by: u64) -> wasmtime::Result<Option<String>> {
        let socket = self.call(by).and_then(|call| call.context.socket.as_ref());
        Ok(socket.map(ToString::to_string))
    }

    fn send(
        &mut self,
        by: u64,
        to: messaging::Audience,
        except: Option<String>,
        message: messaging::Message,
    ) -> wasmtime::Result<Result<u32, types::Fault>> {
        let sent = self.reachable(by).and_then(|reachable| {
            let message = Arc::new(checked(message)?);
            let (to, except) = (Audience::from(to), except.as_deref());
            Ok(number(self.host.sockets.send(reachable, &to, except, &message)))
        });
        Ok(sent.map_err(|fault| render(&fault)))
    }

    fn join(
        &mut self,
        by: u64,
        socket: String,
        room: String,
    ) -> wasmtime::Result<Result<bool, types::Fault>> {
        let joined = self.reachable(by).and_then(|reachable| {
            Ok(self.host.sockets.join(reachable, &socket, &room).map_err(SocketFault::from)?)
        });
        Ok(joined.map_err(|fault| render(&fault)))
    }

    fn leave(
        &mut self,
        by: u64,
        socket: String,
        room: String,
    ) -> wasmtime::Result<Result<bool, types::Fault>> {
        let left = self.reachable(by).and_then(|reachable| {
            Ok(self.host.sockets.leave(reachable, &socket, &room).map_err(SocketFault::from)?)
        });
        Ok(left.map_err(|fault| render(&fault)))
    }

    fn close(
        &mut self,
        by: u64,
        socket: String,
        code: u16,
        reason: String,
    ) -> wasmtime::Result<Result<bool, types::Fault>> {
        let closed = self.reachable(by).and_then(|reachable| {
            let closing = closing(code, reason)?;
            Ok(self.host.sockets.close(reachable, &socket, closing))
        });
        Ok(closed.map_err(|fault| render(&fault)))
    }

    fn count(&mut self, by: u64, of: messaging::Audience) -> wasmtime::Result<u32> {
        let count = |reachable| self.host.sockets.count(reachable, &Audience::from(of));
        Ok(self.reachable(by).map_or(0, |reachable| number(count(reachable))))
    }
}

impl State {
    /// What a call may send to, if it is one.
    fn reachable(&self, by: u64) -> Result<&Reachable, Fault> {
        let reachable = self.host.reachable.as_ref().filter(|_| self.call(by).is_some());
        reachable.ok_or_else(|| bad_call(format!("call {by} is not under way in this instance")))
    }
}

fn checked(message: messaging::Message) -> Result<Message, SocketFault> {
    let messaging::Message { event, payload } = message;
    if EVENT_BYTES_MAX < event.len() {
        let len = event.len();
        let message =
            format!("the name of an event has at most {EVENT_BYTES_MAX} bytes, this one has {len}");
        return Err(SocketFault::BadMessage { message });
    }
    let payload = match payload {
        messaging::Payload::Text(text) => Payload::Text(text.into()),
        messaging::Payload::Binary(bytes) => Payload::Binary(bytes.into()),
    };
    if MESSAGE_BYTES_MAX < payload.len() {
        return Err(SocketFault::MessageTooLarge { bytes_max: MESSAGE_BYTES_MAX });
    }
    Ok(Message::new(event, payload))
}

fn closing(code: u16, reason: String) -> Result<Closing, Fault> {
    if code != 1_000 && !(3_000..=4_999).contains(&code) {
        return Err(bad_call(format!("close code {code} is neither 1000 nor one of 3000 to 4999")));
    }
    if REASON_BYTES_MAX < reason.len() {
        let len = reason.len();
        return Err(bad_call(format!(
            "the reason of a close has at most {REASON_BYTES_MAX} bytes, this one has {len}"
        )));
    }
    Ok(Closing { code, reason })
}

fn bad_call(message: String) -> Fault {
    Fault::BadCall { message }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl From<messaging::Audience> for Audience {
    fn from(from: messaging::Audience) -> Self {
        match from {
            messaging::Audience::Socket(socket) => Self::Socket(socket),
            messaging::Audience::Room(room) => Self::Room(room),
            messaging::Audience::Everyone => Self::Everyone,
        }
    }
}

impl From<RoomError> for SocketFault {
    fn from(error: RoomError) -> Self {
        let message = error.to_string();
        match error {
            RoomError::BadName { .. } => Self::BadRoom { message },
            RoomError::TooMany => Self::TooManyRooms { message },
        }
    }
}
