//! Events by WebSocket: a reader hears them as JSON texts, and may publish.

use super::described::{Operation, Paths, path};
use super::events::{heard, publishing, wanted};
use super::{Admin, Refused};
use crate::bus::{Event, Feed, News, Origin, READER_BOUNDS};
use crate::crew::StopSignal;
use crate::sockets::{Closing, code};
use crate::subject::Subject;
use crate::travel;
use crate::upgrade;
use ::http::StatusCode;
use ::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use ::http::{HeaderMap, HeaderValue};
use axum::extract::{RawQuery, Request, State as AxumState};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, copy, sink};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tracing::debug;

type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

/// How often a reader is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(15);
/// What is read and written at once, about.
const BUFFER_BYTES: usize = 8 << 10;
/// Bytes of a message around its payload, about.
const AROUND_BYTES: usize = 1 << 10;
/// Time in which it must take a message.
const SEND_TIME: Duration = Duration::from_secs(10);
/// Time for a goodbye, which is waited for when the host stops, too.
const GOODBYE_MAX: Duration = Duration::from_secs(5);

/// What a reader sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Publication {
    publish: String,
    #[serde(default)]
    data: Value,
}

/// A reader, and what it hears.
struct Reader {
    admin: Admin,
    feed: Feed,
    headers: HeaderMap,
    stop: StopSignal,
    _place: OwnedSemaphorePermit,
}

/// Tells of events by WebSocket.
pub(super) async fn hear(
    AxumState(admin): AxumState<Admin>,
    RawQuery(query): RawQuery,
    mut request: Request,
) -> Result<Response, Refused> {
    let handshake = upgrade::judge(&request).map_err(|fault| {
        let reply = fault.reply();
        Refused::new(reply.status, reply.name, fault.to_string())
    })?;
    let wanted = wanted(query.as_deref().unwrap_or_default())?;
    let place = admin.watches.take()?;
    let feed = Feed::of_stream(&admin.bus, READER_BOUNDS);
    feed.listen_to(wanted);
    let crew = admin.front.crew.clone();
    // JSON of a payload is longer than the payload.
    let bytes_max = admin.event_bytes_max.saturating_mul(2).saturating_add(AROUND_BYTES);
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(bytes_max))
        .max_frame_size(Some(bytes_max));
    let (upgrading, stop) = (hyper::upgrade::on(&mut request), crew.stop_signal());
    let headers = request.into_parts().0.headers;
    let reader = Reader { admin, feed, headers, stop, _place: place };
    crew.hire("admin events", |_stop| async move {
        match upgrading.await {
            Ok(upgraded) => {
                let (io, role) = (TokioIo::new(upgraded), Role::Server);
                reader.attend(WebSocket::from_raw_socket(io, role, Some(config)).await).await;
            }
            Err(error) => debug!(%error, "reader left before it became a websocket"),
        }
    });
    let headers = [
        (CONNECTION, HeaderValue::from_static("upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_ACCEPT, handshake.accept),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

impl Reader {
    async fn attend(mut self, mut socket: WebSocket) {
        let closing = self.carry(&mut socket).await;
        let goodbye = async {
            let sent = match closing {
                Some(Closing { code, reason }) => {
                    let frame = CloseFrame { code: code.into(), reason: reason.into() };
                    socket.send(Message::Close(Some(frame))).await
                }
                // The answer to its own goodbye is there and has only to be sent.
                None => socket.flush().await,
            };
            let io = socket.get_mut();
            if sent.is_ok() && io.shutdown().await.is_ok() {
                // What is on its way here is taken, or the end overtakes the goodbye.
                let _ = copy(io, &mut sink()).await;
            }
        };
        // Whoever does not take it is cut off.
        let _ = timeout(GOODBYE_MAX, goodbye).await;
    }

    /// Gives how the reader is sent away; none when it left.
    async fn carry(&mut self, socket: &mut WebSocket) -> Option<Closing> {
        let stopping = || Some(Closing::new(code::AWAY, "the host is stopping"));
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Pings that were sent since the reader was last heard of.
        let mut unanswered = 0;
        loop {
            let message = tokio::select! {
                heard = self.feed.next() => {
                    if 0 < self.feed.dropped() {
                        let reason = "too slow for what is published";
                        return Some(Closing::new(code::TRY_LATER, reason));
                    }
                    Message::text(told(&heard.event))
                }
                received = socket.next() => {
                    unanswered = 0;
                    match received? {
                        Ok(Message::Text(text)) => match self.publish(text.as_str()) {
                            Ok(()) => continue,
                            Err(refused) => Message::text(refused),
                        },
                        Ok(Message::Binary(_)) => Message::text(refusal("messages are JSON texts")),
                        Ok(Message::Close(_)) => return None,
                        Err(error) => return Closing::after(&error),
                        Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
                    }
                }
                _ = pings.tick() => {
                    unanswered += 1;
                    if 2 < unanswered {
                        return None;
                    }
                    Message::Ping(Bytes::new())
                }
                () = self.stop.stopped() => return stopping(),
            };
            let sent = tokio::select! {
                sent = timeout(SEND_TIME, socket.send(message)) => sent,
                () = self.stop.stopped() => return stopping(),
            };
            match sent {
                Ok(Ok(())) => (),
                Ok(Err(_)) => return None,
                Err(_) => return Some(Closing::new(code::TRY_LATER, "took nothing for too long")),
            }
        }
    }

    fn publish(&self, text: &str) -> Result<(), String> {
        let Publication { publish, data } = serde_json::from_str(text).map_err(|error| {
            refusal(&format!("want {{\"publish\":SUBJECT,\"data\":…}}: {error}"))
        })?;
        let subject = Subject::parse(&publish).map_err(|error| refusal(&error.to_string()))?;
        let payload = data.to_string();
        let bytes_max = self.admin.event_bytes_max;
        if bytes_max < payload.len() {
            return Err(refusal(&format!("event is over the limit of {bytes_max} bytes")));
        }
        let context = travel::read(&self.headers, &self.admin.ids);
        self.admin.bus.publish(News {
            subject,
            content_type: Some(HeaderValue::from_static("application/json")),
            payload: payload.into(),
            origin: Origin::of_call(&context, None),
        });
        Ok(())
    }
}

fn told(event: &Event) -> String {
    let mut members = event.to_message();
    if let Some(publisher) = &event.news.origin.publisher {
        members.insert("publisher".to_owned(), publisher.as_str().into());
    }
    Value::Object(members).to_string()
}

fn refusal(message: &str) -> String {
    json!({ "error": message, "code": 400, "fault": "bad-message" }).to_string()
}

/// For the description of the API.
pub(super) fn described() -> Paths {
    let summary = "Events as they are published, by WebSocket; takes events to publish";
    let [subjects, group] = heard();
    let hear = Operation::new("hearEventsByWebSocket", summary)
        .takes(subjects)
        .takes(group)
        .status(101, "JSON texts, for as long as the reader stays", Value::Null)
        .refuses(400, "no subject, a bad one, or a bad handshake")
        .refuses(426, "no WebSocket was asked for")
        .refuses(503, "as many watch or hear as may")
        .lasts();
    vec![("/admin/v1/events/ws", path([("get", hear), ("post", publishing("publishOnWs"))]))]
}
