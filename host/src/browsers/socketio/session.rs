//! One browser in one namespace, by socket.io.

use super::spoken::{Spoken, read};
use crate::browsers::calls::Order;
use crate::browsers::pace::Paced;
use crate::browsers::places::{CALLS_AT_ONCE, Cause, Place};
use crate::browsers::space::{Listener, Space, Told};
use crate::browsers::wire::event;
use crate::browsers::{Browsers, Shared};
use crate::fault::{BrowserFault, Fault};
use crate::payload::Content;
use crate::sockets::{Closing, Message, Outlet, Present, SocketId};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Serialize, Serializer};
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::AckSender;
use socketioxide::handler::{
    ConnectHandler, DisconnectHandler, FromMessageParts, MessageHandler, Value as Raw,
};
use socketioxide::socket::{DisconnectReason, Socket};
use socketioxide::{SendError, SocketError};
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Tells the handlers here from closures.
pub(super) struct Ours;

/// Lets browsers into a namespace.
#[derive(Clone)]
pub(super) struct Door {
    shared: Weak<Shared>,
    space: Arc<Space>,
}

/// A browser in a namespace.
struct Session {
    browsers: Browsers,
    space: Arc<Space>,
    place: Arc<Place>,
    stage: Mutex<Stage>,
}

/// How far a session is.
enum Stage {
    Before,
    Inside(Present),
    After,
}

/// The way to a browser.
struct Line {
    socket: Arc<Socket>,
    place: Arc<Place>,
}

/// Hears what a browser sends.
struct Ear(Arc<Session>);

/// Hears that it is gone.
struct Farewell(Arc<Session>);

/// Where the answer of a call goes.
struct Reply {
    line: Line,
    ack: Option<AckSender>,
}

/// Content as it is sent: bytes as bytes.
struct Sent<'c>(&'c Content);

impl Door {
    pub(super) fn new(shared: Weak<Shared>, space: Arc<Space>) -> Self {
        Self { shared, space }
    }

    /// Gets everything ready before the browser is told that it is in, so that
    /// nothing it sends is missed.
    fn welcome(&self, socket: &Arc<Socket>) -> Result<(), Fault> {
        let shared = self.shared.upgrade().ok_or(Fault::Stopping)?;
        let browsers = Browsers { shared };
        if browsers.is_closing() {
            return Err(Fault::Stopping);
        }
        let place = socket.req_parts().extensions.get::<Arc<Place>>();
        let place = place.cloned().ok_or(Fault::Internal)?;
        judge(&place, &browsers)?;
        let session = Arc::new(Session {
            browsers,
            space: self.space.clone(),
            place,
            stage: Mutex::new(Stage::Before),
        });
        socket.on_fallback::<_, Ours>(Ear(session.clone()));
        socket.on_disconnect::<_, Ours>(Farewell(session.clone()));
        socket.extensions.insert(session);
        Ok(())
    }
}

impl ConnectHandler<LocalAdapter, Ours> for Door {
    /// The browser is in.
    fn call(&self, socket: Arc<Socket>, _auth: Option<Raw>) {
        if let Some(session) = socket.extensions.get::<Arc<Session>>() {
            session.enter(&socket);
        }
    }

    fn call_middleware<'a>(
        &'a self,
        socket: Arc<Socket>,
        _auth: &'a Option<Raw>,
    ) -> BoxFuture<'a, Result<(), Box<dyn Display + Send>>> {
        let welcomed = self.welcome(&socket);
        let refused = |fault: Fault| -> Box<dyn Display + Send> { Box::new(fault) };
        std::future::ready(welcomed.map_err(refused)).boxed()
    }
}

impl Session {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on services can send to the browser, and it hears events.
    fn enter(&self, socket: &Arc<Socket>) {
        let mut stage = self.stage();
        if !matches!(&*stage, Stage::Before) {
            return;
        }
        let line = self.line(socket);
        let outlet: Arc<dyn Outlet> = line.clone();
        let Ok(present) = self.browsers.enter(&self.space, &outlet) else {
            *stage = Stage::After;
            drop(stage);
            return self.turn_away(socket);
        };
        let id = present.id().clone();
        *stage = Stage::Inside(present);
        drop(stage);
        if self.space.listen(id.clone(), line).is_err() {
            self.turn_away(socket);
        }
        // It may have left meanwhile, and its farewell come too early.
        if !matches!(&*self.stage(), Stage::Inside(_)) {
            self.space.leave(&id);
        }
    }

    /// The namespace has gone while the browser came in.
    fn turn_away(&self, socket: &Arc<Socket>) {
        let is_closing = self.browsers.is_closing();
        let cause = if is_closing { Cause::Stopping } else { Cause::Namespace };
        self.place.leave(cause);
        if socket.clone().disconnect().is_err() {
            self.place.cut(cause);
        }
    }

    /// The browser is gone.
    fn leave(&self) {
        let before = std::mem::replace(&mut *self.stage(), Stage::After);
        if let Stage::Inside(present) = before {
            self.space.leave(present.id());
        }
    }

    /// What services know it by.
    fn id(&self) -> Option<SocketId> {
        match &*self.stage() {
            Stage::Inside(present) => Some(present.id().clone()),
            Stage::Before | Stage::After => None,
        }
    }

    fn line(&self, socket: &Arc<Socket>) -> Arc<Line> {
        Arc::new(Line { socket: socket.clone(), place: self.place.clone() })
    }

    /// A browser calls a method.
    fn called(&self, Spoken { target, data }: Spoken, reply: Reply) {
        let Ok(permit) = self.place.calls().clone().try_acquire_owned() else {
            return reply.fault(&BrowserFault::TooManyCalls { calls_max: CALLS_AT_ONCE }.into());
        };
        let (browsers, space) = (self.browsers.clone(), self.space.clone());
        let order = Order { target, data, socket: self.id() };
        self.browsers.shared.crew.hire("browser call", move |_stop| async move {
            match browsers.call(&space, order).await {
                Ok(answered) => {
                    let status = answered.status.as_u16();
                    reply.answer(&answered.content, status, answered.bytes);
                }
                Err(fault) => reply.fault(&fault),
            }
            drop(permit);
        });
    }
}

impl MessageHandler<LocalAdapter, Ours> for Ear {
    fn call(&self, socket: Arc<Socket>, mut raw: Raw, ack_id: Option<i64>) {
        let Self(session) = self;
        let judged = judge(&session.place, &session.browsers);
        if session.place.is_cut() {
            return;
        }
        let Ok(ack) = <AckSender as FromMessageParts<LocalAdapter>>::from_message_parts(
            &socket, &mut raw, &ack_id,
        );
        session.enter(&socket);
        let line = Line { socket, place: session.place.clone() };
        let reply = Reply { line, ack: ack_id.map(|_| ack) };
        match judged.and_then(|()| read(&raw)) {
            Ok(spoken) => session.called(spoken, reply),
            Err(fault) => reply.fault(&fault),
        }
    }
}

/// Judges one more message of a browser. Who sends far too many is cut off.
fn judge(place: &Place, browsers: &Browsers) -> Result<(), Fault> {
    match place.judge() {
        Paced::Granted => return Ok(()),
        Paced::Refused => (),
        Paced::Flood => place.cut(Cause::Flood),
    }
    let per_second = browsers.messages_per_second();
    Err(BrowserFault::TooManyMessages { per_second }.into())
}

impl DisconnectHandler<LocalAdapter, Ours> for Farewell {
    fn call_with_defer(
        &self,
        socket: Arc<Socket>,
        reason: DisconnectReason,
        defer: fn(Arc<Socket>),
    ) {
        let Self(session) = self;
        if reason == DisconnectReason::ClosingServer {
            session.place.leave(Cause::Stopping);
        }
        session.leave();
        // The session and its socket know each other.
        let _: Option<Arc<Session>> = socket.extensions.remove();
        defer(socket);
    }
}

impl Line {
    /// Puts something into the line. Who is too far behind is cut off.
    fn put(&self, bytes: usize, put: impl FnOnce(&Socket) -> Result<(), SendError>) {
        if self.place.is_cut() {
            return;
        }
        let has_room = self.place.may_be_sent(bytes);
        let is_full = has_room
            && matches!(
                put(&self.socket),
                Err(SendError::Socket(SocketError::InternalChannelFull))
            );
        if !has_room || is_full {
            self.place.cut(Cause::Slow);
        }
    }

    fn emit(&self, event: &str, content: &Content, bytes: usize) {
        self.put(bytes, |socket| socket.emit(event, &Sent(content)));
    }
}

impl Outlet for Line {
    fn send(&self, message: &Arc<Message>) {
        self.emit(event(message), message.content(), message.payload.len());
    }

    /// socket.io has no codes; a browser is told that it was disconnected.
    fn close(&self, closing: Closing) {
        let cause = Cause::of(&closing);
        if cause == Cause::Stopping {
            // The whole connection is closed, and the browser comes back.
            return;
        }
        self.place.leave(cause);
        if self.socket.clone().disconnect().is_err() {
            self.place.cut(cause);
        }
    }
}

impl Listener for Line {
    fn tell(&self, told: &Told) {
        self.emit(told.subject.as_str(), &told.content, told.bytes);
    }
}

impl Reply {
    fn answer(self, content: &Content, status: u16, bytes: usize) {
        let Self { line, ack } = self;
        if let Some(ack) = ack {
            line.put(bytes, |_| ack.send(&(Sent(content), status)));
        }
    }

    fn fault(self, fault: &Fault) {
        let (Self { line, ack }, code) = (self, fault.reply().status.as_u16());
        let content = Content::Json(fault.to_json());
        match ack {
            Some(ack) => line.put(FAULT_BYTES, |_| ack.send(&(Sent(&content), code))),
            None => line.emit("fault", &content, FAULT_BYTES),
        }
    }
}

/// What a fault counts for in a line.
const FAULT_BYTES: usize = 256;

impl Serialize for Sent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Content::Json(value) => value.serialize(serializer),
            Content::Text(text) => serializer.serialize_str(text),
            Content::Binary(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}
