//! Sockets of native tests: who is open, in which rooms, and what was sent.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet, HashMap},
};

use super::{block_on, request};
use crate::{
    Fault, Message, Payload, SocketEvent, call,
    service::{Socketed, WebSocket},
    sockets::Audience,
};

/// A message that was sent to a socket on this thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The name of the socket.
    pub to: String,
    /// What it was sent.
    pub message: Message,
}

thread_local! {
    /// Those that are open, with the rooms they are in.
    static OPEN: RefCell<BTreeMap<String, BTreeSet<String>>> =
        const { RefCell::new(BTreeMap::new()) };
    /// By which socket calls came.
    static CAME_BY: RefCell<HashMap<u64, String>> = RefCell::default();
    static SENT: RefCell<Vec<Sent>> = const { RefCell::new(Vec::new()) };
    static CLOSED: RefCell<Vec<(String, u16, String)>> = const { RefCell::new(Vec::new()) };
    /// Away from the calls that tests choose, and from those of `serve`.
    static LAST_CALL: Cell<u64> = const { Cell::new(1 << 48) };
}

/// What was sent to sockets on this thread since this was asked last, one entry
/// for each socket that got it.
pub fn sent() -> Vec<Sent> {
    SENT.take()
}

/// Which sockets were closed by a service on this thread since this was asked
/// last, with code and reason.
pub fn closed() -> Vec<(String, u16, String)> {
    CLOSED.take()
}

/// The rooms that a socket is in, sorted.
pub fn rooms(socket: &str) -> Vec<String> {
    OPEN.with_borrow(|open| open.get(socket).into_iter().flatten().cloned().collect())
}

/// Tells a service what happens at a socket, as the host would: the first
/// `#[websocket]` with a pattern that has this path attends to it. The target is
/// a path, whose parameters are taken as they stand, and, after `?`, a query.
///
/// The socket is open from its `Open` on, unless that ends in a fault, until its
/// `Close`. [`sent`], [`closed`] and [`rooms`] tell what was done.
///
/// # Errors
///
/// The fault of the function.
///
/// # Panics
///
/// When no pattern of the service has this path.
#[track_caller]
#[allow(clippy::panic, reason = "how a test says that it is wrong")]
pub fn attend<S: Socketed>(target: &str, socket: &str, event: SocketEvent) -> Result<(), Fault> {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let below = path.strip_prefix(S::DECLARATION.root).unwrap_or(path);
    let mut all = S::WEBSOCKETS.iter().zip(0..);
    let found = all.find_map(|(websocket, index)| Some((captures(websocket, below)?, index)));
    let Some((captured, index)) = found else {
        let known: Vec<_> = S::WEBSOCKETS.iter().map(|known| known.pattern).collect();
        panic!("no WebSocket at {path}, there are {known:?}");
    };
    let is_opening = event == SocketEvent::Open;
    let is_closing = matches!(event, SocketEvent::Close { .. });
    let mut happening = match event {
        SocketEvent::Open => request("OPEN", target),
        SocketEvent::Text(text) => request("TEXT", target).body(text),
        SocketEvent::Binary(bytes) => request("BINARY", target).body(bytes),
        SocketEvent::Close { code, reason } => {
            request("CLOSE", target).header("x-close-code", &code.to_string()).body(reason)
        }
    };
    for value in captured {
        happening = happening.param("", value);
    }
    let mut happening = happening.socket(socket).build();
    let attended = block_on(call::within(happening.call, S::attend(index, &mut happening)));
    if is_closing || (is_opening && attended.is_err()) {
        OPEN.with_borrow_mut(|open| open.remove(socket));
    }
    attended
}

/// What the parameters stand for; none when the pattern is another one.
fn captures<'p>(websocket: &WebSocket, path: &'p str) -> Option<Vec<&'p str>> {
    let (mut captured, mut rest) = (Vec::new(), Some(path));
    for segment in websocket.pattern.split('/') {
        let left = rest?;
        let (first, after) = left.split_once('/').map_or((left, None), |(a, b)| (a, Some(b)));
        if segment.starts_with("{*") {
            captured.push(left);
            return Some(captured);
        }
        match segment.starts_with('{') {
            true => captured.push(first),
            false if segment == first => {}
            false => return None,
        }
        rest = after;
    }
    rest.is_none().then_some(captured)
}

/// A call that comes by a socket, which is open then.
pub(super) fn came_by(socket: String) -> u64 {
    let call = LAST_CALL.get() + 1;
    LAST_CALL.set(call);
    OPEN.with_borrow_mut(|open| {
        open.entry(socket.clone()).or_default();
    });
    CAME_BY.with_borrow_mut(|calls| calls.insert(call, socket));
    call
}

pub(crate) fn from(call: u64) -> Option<String> {
    CAME_BY.with_borrow(|calls| calls.get(&call).cloned())
}

#[allow(clippy::needless_pass_by_value, reason = "a guest hands it over")]
pub(crate) fn send(to: Audience, except: Option<&str>, message: Message) -> Result<u32, Fault> {
    const BYTES_MAX: usize = 1 << 20;
    if let Audience::Room(room) = &to {
        check_room(room)?;
    }
    if NAME_BYTES_MAX < message.event.len() {
        return Err(Fault::new(400, "bad-message", "the event has more than 128 bytes"));
    }
    let bytes = match &message.payload {
        Payload::Text(text) => text.len(),
        Payload::Binary(bytes) => bytes.len(),
    };
    if BYTES_MAX < bytes {
        return Err(Fault::new(413, "message-too-large", "the message has more than 1 MiB"));
    }
    let mut to = among(&to);
    to.retain(|id| Some(id.as_str()) != except);
    let count = u32::try_from(to.len()).unwrap_or(u32::MAX);
    let sent = to.into_iter().map(|to| Sent { to, message: message.clone() });
    SENT.with_borrow_mut(|all| all.extend(sent));
    Ok(count)
}

pub(crate) fn join(socket: &str, room: &str) -> Result<bool, Fault> {
    const ROOMS_MAX: usize = 256;
    check_room(room)?;
    OPEN.with_borrow_mut(|open| {
        let Some(rooms) = open.get_mut(socket) else { return Ok(false) };
        if rooms.len() == ROOMS_MAX && !rooms.contains(room) {
            return Err(Fault::new(429, "too-many-rooms", "a socket is in 256 rooms at most"));
        }
        rooms.insert(room.to_owned());
        Ok(true)
    })
}

pub(crate) fn leave(socket: &str, room: &str) -> Result<bool, Fault> {
    check_room(room)?;
    OPEN.with_borrow_mut(|open| Ok(open.get_mut(socket).is_some_and(|rooms| rooms.remove(room))))
}

pub(crate) fn close(socket: &str, code: u16, reason: &str) -> Result<bool, Fault> {
    const REASON_BYTES_MAX: usize = 123;
    if code != 1000 && !(3000..=4999).contains(&code) {
        return Err(Fault::new(400, "bad-call", format!("{code} is no code to close with")));
    }
    if REASON_BYTES_MAX < reason.len() {
        return Err(Fault::new(400, "bad-call", "the reason has more than 123 bytes"));
    }
    let was_open = OPEN.with_borrow_mut(|open| open.remove(socket)).is_some();
    if was_open {
        let closed = (socket.to_owned(), code, reason.to_owned());
        CLOSED.with_borrow_mut(|all| all.push(closed));
    }
    Ok(was_open)
}

#[allow(clippy::needless_pass_by_value, reason = "a guest hands it over")]
pub(crate) fn count(of: Audience) -> u32 {
    u32::try_from(among(&of).len()).unwrap_or(u32::MAX)
}

/// Those of an audience that are open.
fn among(audience: &Audience) -> Vec<String> {
    OPEN.with_borrow(|open| {
        let is_meant = |(id, rooms): &(&String, &BTreeSet<String>)| match audience {
            Audience::Socket(meant) => *id == meant,
            Audience::Room(room) => rooms.contains(room),
            Audience::Everyone => true,
        };
        open.iter().filter(is_meant).map(|(id, _)| id.clone()).collect()
    })
}

const NAME_BYTES_MAX: usize = 128;

fn check_room(room: &str) -> Result<(), Fault> {
    if (1..=NAME_BYTES_MAX).contains(&room.len()) {
        return Ok(());
    }
    Err(Fault::new(400, "bad-room", "the name of a room is 1 to 128 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_as_routes_are() {
        fn captured(pattern: &'static str, path: &'static str) -> Option<Vec<&'static str>> {
            let websocket =
                WebSocket { name: "", pattern, params: &[], protocols: &[], description: "" };
            captures(&websocket, path)
        }
        assert_eq!(captured("", ""), Some(vec![]));
        assert_eq!(captured("/chat", "/chat"), Some(vec![]));
        assert_eq!(captured("/chat/{room}", "/chat/lobby"), Some(vec!["lobby"]));
        assert_eq!(captured("/{a}/{*rest}", "/x/y/z"), Some(vec!["x", "y/z"]));
        for (pattern, path) in [("/chat", "/chat/a"), ("/chat/{room}", "/chat"), ("/a", "/b")] {
            assert_eq!(captured(pattern, path), None, "{pattern} {path}");
        }
    }
}
