//! Events: publishing them, and what a function that hears them is told.

use crate::{Fault, FromRequest, IntoResponse, Request, body::Kind};

/// Publishes an event on a subject such as `rates.eur.usd`, and does not wait
/// for those who hear it.
///
/// The payload is what a handler may return with a whole body:
/// [`Json`](crate::Json), [`Text`](crate::Text), [`Bytes`](crate::Bytes), a
/// `String` and so on; its content type goes along, and so do request id, trace
/// and properties of the running call.
///
/// ```
/// use picolet_sdk::{prelude::*, testing};
///
/// #[derive(Serialize)]
/// struct Rate { value: f64 }
///
/// publish("rates.eur.usd", Json(Rate { value: 1.15 }))?;
/// assert_eq!(testing::published()[0].subject, "rates.eur.usd");
/// # Ok::<(), Fault>(())
/// ```
///
/// # Errors
///
/// The faults `bad-subject` (400), `publish-not-granted` (403),
/// `event-too-large` (413), and `event-loop` (508) when this event would be the
/// 33rd in a row, each published by whoever heard the one before. A streamed
/// body is the fault `bad-payload` (400).
pub fn publish(subject: &str, payload: impl IntoResponse) -> Result<(), Fault> {
    let response = payload.into_response()?;
    let content_type = response.headers.get("content-type").unwrap_or_default();
    match &response.body.0 {
        Kind::Empty => send(subject, content_type, &[]),
        Kind::Bytes(bytes) => send(subject, content_type, bytes),
        _ => Err(Fault::new(400, "bad-payload", "an event cannot have a streamed body")),
    }
}

#[cfg(target_family = "wasm")]
use crate::abi::publish as send;
#[cfg(not(target_family = "wasm"))]
use crate::testing::publish as send;

/// What is known about an event beside its payload, as an argument of a function
/// that is marked `#[on]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusEvent {
    /// What it is about.
    pub subject: String,
    /// Names it, for as long as the host runs. Later events have larger numbers
    /// behind the dash.
    pub id: String,
    /// The service that published it; none when it came from outside.
    pub publisher: Option<String>,
    /// The content type of its payload, if the publisher named one.
    pub content_type: Option<String>,
}

impl FromRequest for BusEvent {
    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        let text = |name| request.header(name).map(str::to_owned);
        Ok(Self {
            subject: request.path().trim_start_matches('/').to_owned(),
            id: text("x-event-id").unwrap_or_default(),
            publisher: text("x-publisher"),
            content_type: text("content-type"),
        })
    }
}
