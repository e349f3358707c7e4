//! An event as those are told of it who are not WebAssembly: as JSON, and as
//! server-sent events.

use super::{Bus, Event, EventId, Feed, FeedBounds};
use crate::subject::Subscription;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
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
}

/// `application/json`, or anything of the suffix `+json`.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || essence.to_ascii_lowercase().ends_with("+json")
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
        Self { feed, replayed, replayed_to, has_gap, dropped: 0 }
    }

    /// The next lines. Never ends by itself.
    pub(crate) async fn next(&mut self) -> Bytes {
        if std::mem::take(&mut self.has_gap) {
            return "event: gap\ndata: {}\n\n".into();
        }
        if let Some(event) = self.replayed.pop_front() {
            return line(&event);
        }
        loop {
            let Ok(heard) = timeout(HEARTBEAT, self.feed.next()).await else {
                return ": \n\n".into();
            };
            if self.replayed_to.is_some_and(|last| heard.event.id <= last) {
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
