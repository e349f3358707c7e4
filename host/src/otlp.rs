//! Sends spans to a collector: OTLP over HTTP, in Protocol Buffers.
//!
//! Nobody waits for a collector. What it does not take in time is dropped, and
//! counted. <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

mod encode;

use crate::crew::StopSignal;
use crate::fault::chain;
use crate::secret::without_line_break;
use crate::tls;
use crate::traces::{Segment, Traces};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy;
use rustls::ClientConfig;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{debug, warn};

/// Sends what of traces is to be sent.
pub(crate) struct Exporter {
    collector: Collector,
    /// The name of this host.
    node: String,
    traces: Traces,
    segments: mpsc::Receiver<Segment>,
}

/// Who is sent spans, and how.
pub(crate) struct Collector {
    to: Uri,
    headers: HeaderMap,
    client: tls::Client<Full<Bytes>>,
}

/// How a try went.
enum Sent {
    Taken,
    /// Another try may do.
    Later(String),
    Refused(String),
}

/// Requests whose spans are sent at once.
const BATCH_MAX: usize = 512;
/// Time in which more may come to be sent along.
const GATHER: Duration = Duration::from_millis(500);
/// Time for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Time for one try.
const TRY_MAX: Duration = Duration::from_secs(5);
const TRIES_MAX: u32 = 4;
/// Time before the second try; it doubles for each one after it.
const BACKOFF: Duration = Duration::from_millis(500);
/// Time for what is left when the host stops.
const FLUSH_MAX: Duration = Duration::from_millis(400);
/// Of an answer, which is read so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Why spans are given up that there was no more time for.
const UNTAKEN: &str = "the host stops before it took them";

/// When nothing is sent any more by a host that stops now.
fn until_gone() -> Instant {
    Instant::now() + FLUSH_MAX
}

/// Waits for something, and a while for others to be sent along; nothing when no
/// more can come. What it was given when it is dropped is in the batch.
async fn gather<T>(line: &mut mpsc::Receiver<T>, batch: &mut Vec<T>) {
    line.recv_many(batch, BATCH_MAX).await;
    let others = async {
        while (1..BATCH_MAX).contains(&batch.len()) {
            if line.recv_many(batch, BATCH_MAX - batch.len()).await == 0 {
                break;
            }
        }
    };
    // What has come by then is enough.
    let _ = timeout(GATHER, others).await;
}

impl Collector {
    pub(crate) fn new(to: Uri, tls: ClientConfig) -> Self {
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, protobuf)]);
        Self { to, headers, client: tls::client(tls, CONNECT_MAX) }
    }

    /// Whatever it is sent has this header, too, which nobody else is shown.
    pub(crate) fn add_secret(&mut self, name: HeaderName, value: &str) -> Result<(), String> {
        let value = without_line_break(value);
        if value.is_empty() {
            return Err("is empty".to_owned());
        }
        let value = HeaderValue::from_str(value);
        let mut value = value.map_err(|_| "has a character that no header takes".to_owned())?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }

    /// Sends it a body, once.
    async fn attempt(&self, body: Bytes) -> Sent {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.to.clone();
        *request.headers_mut() = self.headers.clone();
        let answered = timeout(TRY_MAX, async {
            let response = self.client.request(request).await?;
            let status = response.status();
            let _ = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok::<_, legacy::Error>(status)
        });
        match answered.await {
            Err(_elapsed) => Sent::Later("it gave no answer in time".to_owned()),
            Ok(Err(error)) => Sent::Later(chain(&error)),
            Ok(Ok(status)) if status.is_success() => Sent::Taken,
            Ok(Ok(
                status @ (StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT),
            )) => Sent::Later(format!("it answered {status}")),
            Ok(Ok(status)) => Sent::Refused(format!("it answered {status}")),
        }
    }
}

impl Exporter {
    pub(crate) fn new(
        collector: Collector,
        node: String,
        traces: Traces,
        segments: mpsc::Receiver<Segment>,
    ) -> Self {
        Self { collector, node, traces, segments }
    }

    /// Sends until the host stops, and then what is left.
    pub(crate) async fn run(mut self, mut stop: StopSignal) {
        let (unsent, until) = loop {
            let mut batch = Vec::new();
            tokio::select! {
                () = gather(&mut self.segments, &mut batch) => (),
                () = stop.stopped() => return self.flush(batch, until_gone()).await,
            }
            if batch.is_empty() {
                return;
            }
            let (body, spans) = self.encode(&batch);
            let mut sending = pin!(self.send(body, spans));
            tokio::select! {
                () = &mut sending => continue,
                () = stop.stopped() => (),
            }
            // It may have been taken already, so nobody else sends it again.
            let until = until_gone();
            let sent = timeout_at(until, sending).await;
            break (sent.is_err().then_some(spans), until);
        };
        if let Some(spans) = unsent {
            self.give_up(spans, UNTAKEN);
        }
        self.flush(Vec::new(), until).await;
    }

    /// Sends a batch, or gives it up.
    async fn send(&self, body: Bytes, spans: u64) {
        let (mut backoff, mut tries) = (BACKOFF, 0);
        let refusal = loop {
            tries += 1;
            match self.collector.attempt(body.clone()).await {
                Sent::Taken => return self.traces.note_sending(spans, 0),
                Sent::Later(reason) if tries < TRIES_MAX => {
                    debug!(collector = %self.collector.to, reason, "spans are sent again");
                    sleep(backoff).await;
                    backoff *= 2;
                }
                Sent::Later(reason) | Sent::Refused(reason) => break reason,
            }
        };
        self.give_up(spans, &refusal);
    }

    fn give_up(&self, spans: u64, reason: &str) {
        self.traces.note_sending(0, spans);
        warn!(collector = %self.collector.to, spans, reason, "collector did not take spans");
    }

    /// Sends what is left, once, in the time that there is.
    async fn flush(mut self, mut batch: Vec<Segment>, until: Instant) {
        while let Ok(segment) = self.segments.try_recv() {
            batch.push(segment);
        }
        if batch.is_empty() {
            return;
        }
        let (body, spans) = self.encode(&batch);
        match timeout_at(until, self.collector.attempt(body)).await {
            Ok(Sent::Taken) => self.traces.note_sending(spans, 0),
            Ok(Sent::Later(reason) | Sent::Refused(reason)) => self.give_up(spans, &reason),
            Err(_elapsed) => self.give_up(spans, UNTAKEN),
        }
    }

    fn encode(&self, batch: &[Segment]) -> (Bytes, u64) {
        let spans: Vec<_> = batch
            .iter()
            .flat_map(|segment| {
                let views = self.traces.views(segment);
                views.into_iter().map(|view| (segment.trace(), view))
            })
            .collect();
        let count = spans.len() as u64;
        (encode::request(spans, &self.node), count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_full_or_what_came_in_time() {
        let (sender, mut line) = mpsc::channel(3 * BATCH_MAX);
        for number in 0..2 * BATCH_MAX + 1 {
            sender.try_send(number).unwrap();
        }
        let start = Instant::now();
        for full in 1..=2 {
            let mut batch = Vec::new();
            gather(&mut line, &mut batch).await;
            assert_eq!((batch.len(), start.elapsed()), (BATCH_MAX, Duration::ZERO), "batch {full}");
        }
        let mut batch = Vec::new();
        let more = async {
            sleep(GATHER / 2).await;
            sender.try_send(0).unwrap();
        };
        tokio::join!(gather(&mut line, &mut batch), more);
        assert_eq!((batch.len(), start.elapsed()), (2, GATHER));
        drop(sender);
        batch.clear();
        gather(&mut line, &mut batch).await;
        assert!(batch.is_empty());
    }
}
