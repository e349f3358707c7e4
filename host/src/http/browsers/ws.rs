//! `/ws`: a browser by plain WebSocket.

use crate::browsers::{
    Browsers, Cause, Order, Place, Said, Space, Transport, Wish, answered, failed, noted, sent,
};
use crate::bus::{Feed, READER_BOUNDS};
use crate::crew::{Crew, StopSignal};
use crate::fault::{BrowserFault, Fault};
use crate::http::Front;
use crate::http::respond::Respond;
use crate::http::websocket::{self, Agreed, Attendant, Bounds, Outbox};
use crate::sockets::{Closing, Message, Outlet, Payload, Present, SocketId, code};
use crate::subject::{SubjectPattern, Subscription};
use crate::upgrade;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Notify;

/// Subjects that one browser may hear.
const SUBSCRIPTIONS_MAX: usize = 64;

/// A browser at the other end.
struct Line {
    space: Arc<Space>,
    place: Arc<Place>,
    outbox: Arc<Outbox>,
}

/// Attends to a browser.
struct Browser {
    browsers: Browsers,
    crew: Crew,
    line: Arc<Line>,
    present: Present,
    wanted: Vec<SubjectPattern>,
    /// What it hears, once it wants to hear anything.
    hearing: Option<Hearing>,
}

/// A feed that a task empties, until this is dropped.
struct Hearing {
    feed: Arc<Feed>,
    gone: Arc<Notify>,
}

/// Opens a WebSocket in the namespace that the query names.
pub(super) fn open<B>(
    front: &Arc<Front>,
    request: &mut Request<B>,
    from: IpAddr,
) -> Result<Response<Respond>, Fault> {
    let handshake = upgrade::judge(request)?;
    let space = front.browsers.space(&namespace(request.uri().query().unwrap_or_default())?)?;
    let place = front.browsers.place(from, Transport::WebSocket)?;
    let outbox = Arc::new(Outbox::default());
    let line = Arc::new(Line { space: space.clone(), place, outbox: outbox.clone() });
    let outlet: Arc<dyn Outlet> = line.clone();
    let present = front.browsers.enter(&space, &outlet)?;
    let attendant = Box::new(Browser {
        browsers: front.browsers.clone(),
        crew: front.crew.clone(),
        line,
        present,
        wanted: Vec::new(),
        hearing: None,
    });
    let bounds = Bounds::of(&front.limits);
    let tally = front.browser_tally.clone();
    let agreed = Agreed { handshake, protocol: None, outbox, bounds, tally, attendant };
    Ok(websocket::upgrade(front, request, agreed))
}

/// The namespace that a query names.
fn namespace(query: &str) -> Result<String, Fault> {
    let bad = |message: String| Fault::BadRequest { message };
    let mut namespace = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "namespace" {
            return Err(bad(format!("there is no {name}, only namespace")));
        }
        namespace = Some(value.into_owned());
    }
    namespace.ok_or_else(|| bad("say which namespace: ?namespace=NAME".to_owned()))
}

impl Attendant for Browser {
    fn hear(&mut self, payload: Payload) -> BoxFuture<'_, Result<(), Closing>> {
        async move {
            self.attend(Said::read(&payload)).await;
            Ok(())
        }
        .boxed()
    }

    fn closed(self: Box<Self>, closing: Closing) -> BoxFuture<'static, ()> {
        // What the host closed has its cause already, but for these.
        let cause = match closing.code {
            code::TRY_LATER => Cause::Slow,
            _ if self.crew.is_disbanding() => Cause::Stopping,
            _ => Cause::Left,
        };
        self.line.place.leave(cause);
        std::future::ready(()).boxed()
    }
}

impl Browser {
    async fn attend(&mut self, Said { id, wish }: Said) {
        let answer = match wish {
            Ok(Wish::Call { target, data }) => return self.call(id, target, data).await,
            Ok(Wish::Subscribe(pattern)) => match self.subscribe(&pattern) {
                Ok(()) => noted(id, "subscribed", &pattern),
                Err(fault) => failed(id, &fault),
            },
            Ok(Wish::Unsubscribe(pattern)) => {
                self.wanted.retain(|wanted| *wanted != pattern);
                self.listen();
                noted(id, "unsubscribed", &pattern)
            }
            Err(fault) => failed(id, &fault),
        };
        self.line.say(answer);
    }

    /// Calls go on side by side; when there are many, the next message waits.
    async fn call(&self, id: Option<Value>, target: String, data: Option<Value>) {
        let calls = self.line.place.calls().clone();
        let Ok(permit) = calls.acquire_owned().await else { return };
        let (browsers, line) = (self.browsers.clone(), self.line.clone());
        let order = Order { target, data, socket: Some(self.id().clone()) };
        self.crew.hire("browser call", move |_stop| async move {
            match browsers.call(&line.space, order).await {
                Ok(_) if id.is_none() => (),
                Ok(made) => line.say(answered(id, made.status, made.content)),
                Err(fault) => line.say(failed(id, &fault)),
            }
            drop(permit);
        });
    }

    fn subscribe(&mut self, pattern: &SubjectPattern) -> Result<(), Fault> {
        if !self.line.space.may_hear(pattern) {
            return Err(BrowserFault::NoSuchEvent { subject: pattern.to_string() }.into());
        }
        if self.wanted.contains(pattern) {
            return Ok(());
        }
        if SUBSCRIPTIONS_MAX <= self.wanted.len() {
            let subscriptions_max = SUBSCRIPTIONS_MAX;
            return Err(BrowserFault::TooManySubscriptions { subscriptions_max }.into());
        }
        self.wanted.push(pattern.clone());
        self.listen();
        Ok(())
    }

    /// From now on it hears what it wants.
    fn listen(&mut self) {
        if self.wanted.is_empty() {
            self.hearing = None;
            return;
        }
        let hearing = self.hearing.get_or_insert_with(|| {
            let feed = Arc::new(self.browsers.feed(READER_BOUNDS));
            let gone = Arc::new(Notify::new());
            let (line, told, left) = (self.line.clone(), feed.clone(), gone.clone());
            self.crew.hire("browser events", |stop| tell(line, told, left, stop));
            Hearing { feed, gone }
        });
        let wanted = self.wanted.iter().cloned();
        hearing.feed.listen_to(wanted.map(|pattern| Subscription { pattern, group: None }));
    }

    fn id(&self) -> &SocketId {
        self.present.id()
    }
}

/// Tells a browser of what it hears, until it is gone.
async fn tell(line: Arc<Line>, feed: Arc<Feed>, gone: Arc<Notify>, mut stop: StopSignal) {
    loop {
        let heard = tokio::select! {
            heard = feed.next() => heard,
            () = gone.notified() => return,
            () = stop.stopped() => return,
        };
        if 0 < feed.dropped() {
            let reason = "too slow for what is published";
            return Outlet::close(&*line, Closing::new(code::TRY_LATER, reason));
        }
        // It may show less than when the browser subscribed.
        if line.space.may_be_told(&heard.event.news.subject) {
            line.say(Value::Object(heard.event.to_message()).to_string());
        }
    }
}

impl Line {
    fn say(&self, text: String) {
        self.outbox.send(Payload::Text(text.into()));
    }
}

impl Outlet for Line {
    fn send(&self, message: &Arc<Message>) {
        self.outbox.send(message.rendered(sent).clone());
    }

    fn close(&self, closing: Closing) {
        self.place.leave(Cause::of(&closing));
        self.outbox.close(closing);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.line.space.leave(self.present.id());
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.gone.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_one_namespace() {
        assert_eq!(namespace("namespace=a.b%2Dc").unwrap(), "a.b-c");
        let missing = namespace("").unwrap_err().to_string();
        assert!(missing.starts_with("say which namespace"), "{missing}");
        let other = namespace("namespace=a&token=b").unwrap_err().to_string();
        assert!(other.starts_with("there is no token"), "{other}");
    }
}
