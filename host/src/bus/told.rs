//! An event as those are told of it who are not WebAssembly: as JSON, and as
//! server-sent events.

use super::{Bus, Event, EventId, Feed, FeedBounds};
use crate::payload::{Content, is_json};
use crate::subject::{Subject, Subscription};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Events that wait for one reader.
pub(crate) const READER_BOUNDS: FeedBounds = FeedBounds { events_max: 256, bytes_max: 4 << 20 };

/// How often a reader hears something when nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(15);

impl Event {
    /// Its members: `subject`, `id`, `publisher` and `content_type` when there
    /// is one, and the payload: `data` when it says that it is JSON and is,
    /// otherwise `text` when it is UTF-8, otherwise `base64`.
    pub(crate) fn to_json(&self) -> Value {
        let news = &self.news;
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
        put("subject", news.subject.as_str().into());
        put("id", self.id.to_string().into());
        if let Some(publisher) = &news.origin.publisher {
            put("publisher", publisher.as_str().into());
        }
        let content_type = news.content_type.as_ref().and_then(|value| value.to_str().ok());
        if let Some(content_type) = content_type {
            put("content_type", content_type.into());
        }
        let is_json = content_type.is_some_and(is_json);
        match (
            is_json.then(|| serde_json::from_slice(&news.payload)),
            str::from_utf8(&news.payload),
        ) {
            (Some(Ok(data)), _) => put("data", data),
            (_, Ok(text)) => put("text", text.into()),
            (_, Err(_)) => put("base64", STANDARD.encode(&news.payload).into()),
        }
        Value::Object(members)
    }

    /// The same for those who hear events among other messages: `event`, `data`
    /// and `event_id`.
    pub(crate) fn to_message(&self) -> Map<String, Value> {
        let data = self.content().into_value();
        let members = [
            ("event", Value::from(self.news.subject.as_str())),
            ("data", data),
            ("event_id", Value::from(self.id.to_string())),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What its payload is.
    pub(crate) fn content(&self) -> Content {
        Content::read(self.news.content_type.as_ref(), &self.news.payload)
    }
}

/// Server-sent events for one reader.
pub(crate) struct Told {
    feed: Feed,
    /// What it missed while it was away.
    replayed: VecDeque<Arc<Event>>,
    /// The last of those; what is older comes a second time.
    replayed_to: Option<EventId>,
    has_gap: bool,
    dropped: u64,
    /// Whether the reader may be told of a subject now.
    may_hear: Box<dyn Fn(&Subject) -> bool + Send>,
}

impl Told {
    /// What is published from now on, and before it, after the event that the
    /// reader saw last, what is still known.
    pub(crate) fn new(bus: &Arc<dyn Bus>, wanted: &[Subscription], after: Option<EventId>) -> Self {
        let feed = Feed::of_stream(bus, READER_BOUNDS);
        // First, so that nothing falls in between.
        feed.listen_to(wanted.iter().cloned());
        let replay = after.map(|after| bus.replay(after));
        let (events, has_gap) = replay.map_or((Vec::new(), false), |r| (r.events, r.has_gap));
        let replayed_to = events.last().map(|event| event.id);
        let is_wanted = |event: &Arc<Event>| {
            wanted.iter().any(|wanted| wanted.pattern.covers(&event.news.subject))
        };
        let replayed = events.into_iter().filter(is_wanted).collect();
        Self { feed, replayed, replayed_to, has_gap, dropped: 0, may_hear: Box::new(|_| true) }
    }

    /// Only on subjects that it may hear when it is told.
    pub(crate) fn where_allowed(
        self,
        may_hear: impl Fn(&Subject) -> bool + Send + 'static,
    ) -> Self {
        Self { may_hear: Box::new(may_hear), ..self }
    }

    /// Lines until something stops them. What is kept goes with them.
    pub(crate) fn lines(
        self,
        stop: BoxFuture<'static, ()>,
        kept: impl Send + 'static,
    ) -> BoxStream<'static, Bytes> {
        let lines = stream::unfold((self, kept), |(mut told, kept)| async move {
            let lines = told.next().await;
            Some((lines, (told, kept)))
        });
        lines.take_until(stop).boxed()
    }

    /// The next lines. Never ends by itself.
    pub(crate) async fn next(&mut self) -> Bytes {
        if std::mem::take(&mut self.has_gap) {
            return "event: gap\ndata: {}\n\n".into();
        }
        while let Some(event) = self.replayed.pop_front() {
            if (self.may_hear)(&event.news.subject) {
                return line(&event);
            }
        }
        loop {
            let Ok(heard) = timeout(HEARTBEAT, self.feed.next()).await else {
                return ": \n\n".into();
            };
            let is_old = self.replayed_to.is_some_and(|last| heard.event.id <= last);
            if is_old || !(self.may_hear)(&heard.event.news.subject) {
                continue;
            }
            let lost = self.feed.dropped() - self.dropped;
            self.dropped += lost;
            let line = line(&heard.event);
            if lost == 0 {
                return line;
            }
            let missed = format!("event: missed\ndata: {{\"events\":{lost}}}\n\n");
            return [missed.as_bytes(), &line].concat().into();
        }
    }
}

/// JSON has no line breaks of its own.
fn line(event: &Event) -> Bytes {
    format!("id: {}\ndata: {}\n\n", event.id, event.to_json()).into()
}
