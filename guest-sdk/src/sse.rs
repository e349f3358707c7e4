//! Server-sent events.

use std::fmt::Write;

use crate::{Body, BodyWriter, Fault, IntoResponse, Response};

/// Server-sent events (WHATWG HTML, section 9.2), sent as they happen.
///
/// ```
/// use picolet_sdk::prelude::*;
///
/// async fn counted() -> Sse {
///     Sse::new(|mut events| async move {
///         for n in 1..=3 {
///             events.send(Event::data(n.to_string()).id(n.to_string()).event("count")).await?;
///         }
///         Ok(())
///     })
/// }
/// ```
#[derive(Debug)]
pub struct Sse(Body);

impl Sse {
    /// Events that the producer sends. It starts after the handler has returned
    /// and each [`send`](Events::send) waits for the reader.
    pub fn new<F, Fut>(producer: F) -> Self
    where
        F: FnOnce(Events) -> Fut + 'static,
        Fut: Future<Output = Result<(), Fault>> + 'static,
    {
        Self(Body::stream(|writer| producer(Events(writer))))
    }
}

impl IntoResponse for Sse {
    fn into_response(self) -> Result<Response, Fault> {
        let mut response = Response::new("text/event-stream", self.0);
        response.headers.0.push("cache-control", b"no-cache");
        Ok(response)
    }
}

/// Sends the events of an [`Sse`].
#[derive(Debug)]
pub struct Events(BodyWriter);

impl Events {
    /// Sends an event and waits until the reader has taken it.
    ///
    /// # Errors
    ///
    /// A fault named `reader-gone` when nobody reads any more; return it.
    pub async fn send(&mut self, event: Event) -> Result<(), Fault> {
        self.0.write(event.render()).await
    }
}

/// One event, or a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    fields: String,
}

impl Event {
    /// An event with this data, of one line or several.
    pub fn data(data: impl AsRef<str>) -> Self {
        Self::default().lines("data", data.as_ref())
    }

    /// What only keeps the connection busy; readers ignore it.
    pub fn comment(text: impl AsRef<str>) -> Self {
        Self::default().lines("", text.as_ref())
    }

    /// The id that a reader sends back as `last-event-id` when it reconnects.
    pub fn id(self, id: impl AsRef<str>) -> Self {
        self.field("id", id.as_ref())
    }

    /// The name of the event; `message` otherwise.
    pub fn event(self, name: impl AsRef<str>) -> Self {
        self.field("event", name.as_ref())
    }

    /// How many milliseconds a reader waits before it reconnects.
    pub fn retry_ms(mut self, milliseconds: u64) -> Self {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.fields, "retry: {milliseconds}");
        self
    }

    fn lines(mut self, name: &str, text: &str) -> Self {
        for line in text.split('\n').flat_map(|line| line.trim_end_matches('\r').split('\r')) {
            self = self.field(name, line);
        }
        self
    }

    /// Line breaks end a field, so what follows the first one is cut off.
    fn field(mut self, name: &str, value: &str) -> Self {
        let value = value.split(['\n', '\r']).next().unwrap_or_default();
        for part in [name, ": ", value, "\n"] {
            self.fields.push_str(part);
        }
        self
    }

    fn render(mut self) -> String {
        self.fields.push('\n');
        self.fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;

    #[test]
    fn events_are_written_field_by_field() {
        let event = Event::data("one\ntwo").id("7").event("count").retry_ms(50);
        assert_eq!(event.render(), "data: one\ndata: two\nid: 7\nevent: count\nretry: 50\n\n");
        assert_eq!(Event::comment("still here").render(), ": still here\n\n");
        assert_eq!(Event::data("a").id("7\ndata: b").render(), "data: a\nid: 7\n\n");
    }

    #[test]
    fn the_response_is_an_event_stream() {
        let sse = Sse::new(|mut events| async move { events.send(Event::data("x")).await });
        let response = sse.into_response().unwrap();
        assert_eq!(response.headers.get("content-type"), Some("text/event-stream"));
        assert_eq!(response.headers.get("cache-control"), Some("no-cache"));
        assert_eq!(block_on(response.body.collect()), Ok(b"data: x\n\n".to_vec()));
    }
}
