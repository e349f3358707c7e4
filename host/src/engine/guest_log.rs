//! What a guest prints: one log line per line, bounded per second.

use crate::call::RequestId;
use crate::secret::Secrets;
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use tokio::time::{Duration, Instant};
use tracing::{info, warn};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes of a line; what is longer is split.
const LINE_BYTES_MAX: usize = 8 << 10;
/// Bytes a stream takes at once.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// Where the output of one revision goes.
#[derive(Debug)]
pub(crate) struct GuestLog {
    service: String,
    revision: String,
    bytes_per_second: u64,
    /// What is not to be seen in it.
    secrets: Arc<Secrets>,
    budget: Mutex<Budget>,
}

#[derive(Debug)]
struct Budget {
    second: Instant,
    spent: u64,
    dropped: u64,
}

impl GuestLog {
    pub(crate) fn new(
        service: &str,
        revision: &str,
        bytes_per_second: u64,
        secrets: Arc<Secrets>,
    ) -> Self {
        let budget = Budget { second: Instant::now(), spent: 0, dropped: 0 };
        Self {
            service: service.to_owned(),
            revision: revision.to_owned(),
            bytes_per_second,
            secrets,
            budget: Mutex::new(budget),
        }
    }

    /// The revision that its lines bear.
    pub(super) fn revision(&self) -> &str {
        &self.revision
    }

    /// A stream of one instance; `current` is the request its lines belong to.
    pub(crate) fn output(
        self: &Arc<Self>,
        stream: &'static str,
        current: &Arc<CurrentRequest>,
    ) -> Output {
        Output { log: self.clone(), stream, line: Arc::default(), current: current.clone() }
    }

    fn line(&self, stream: &'static str, current: &Current, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches('\r');
        let (service, revision) = (&self.service, &self.revision);
        let Ok(dropped) = self.spend(line.len() as u64 + 1) else { return };
        if 0 < dropped {
            warn!(%service, %revision, bytes = dropped, "guest printed more than its limit, dropped");
        }
        let (request_id, trace_id) = (current.request_id.as_deref(), current.trace_id.as_deref());
        info!(target: "guest", %service, %revision, request_id, trace_id, stream, "{line}");
    }

    /// Takes from this second's budget; gives what earlier seconds dropped.
    fn spend(&self, bytes: u64) -> Result<u64, ()> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if Duration::from_secs(1) <= now - budget.second {
            budget.second = now;
            budget.spent = 0;
        }
        budget.spent += bytes;
        if self.bytes_per_second < budget.spent {
            budget.dropped += bytes;
            return Err(());
        }
        Ok(std::mem::take(&mut budget.dropped))
    }
}

/// One of a guest's output streams. Clones share the line they are in.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    log: Arc<GuestLog>,
    stream: &'static str,
    line: Arc<Mutex<Vec<u8>>>,
    current: Arc<CurrentRequest>,
}

/// The request that an instance began last, none when it has several.
#[derive(Debug, Default)]
pub(crate) struct CurrentRequest(Mutex<Option<RequestId>>);

/// The same for a line: nothing when nobody can tell.
#[derive(Debug, Default)]
struct Current {
    request_id: Option<String>,
    trace_id: Option<String>,
}

impl CurrentRequest {
    pub(crate) fn set(&self, id: Option<RequestId>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = id;
    }

    fn render(&self) -> Current {
        let id = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = id.as_ref();
        Current { request_id: id.map(RequestId::to_string), trace_id: id.map(RequestId::trace_id) }
    }
}

impl Output {
    fn take(&self, mut bytes: &[u8]) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (head, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            line.extend_from_slice(head);
            self.flush_line(&mut line);
        }
        line.extend_from_slice(bytes);
        if LINE_BYTES_MAX < line.len() {
            self.flush_line(&mut line);
        }
    }

    fn flush_line(&self, line: &mut Vec<u8>) {
        let current = self.current.render();
        let text = String::from_utf8_lossy(line);
        // Before it is cut.
        let redacted = self.log.secrets.redact(&text);
        for part in redacted.as_bytes().chunks(LINE_BYTES_MAX) {
            self.log.line(self.stream, &current, part);
        }
        line.clear();
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = bytes.get(..WRITE_BYTES_MAX).unwrap_or(bytes);
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_cut_and_counted() {
        let log = GuestLog::new("calc", "r", 10, Arc::default());
        assert_eq!(log.spend(8), Ok(0));
        assert_eq!(log.spend(8), Err(()));
        assert_eq!(log.spend(8), Err(()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(log.spend(8), Ok(16));
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        let log = Arc::new(GuestLog::new("calc", "r", 1_000, Arc::default()));
        let output = log.output("stdout", &Arc::default());
        output.take(b"one\ntw");
        output.take(b"o");
        assert_eq!(*output.line.lock().unwrap(), b"two");
        output.take(b"\n");
        assert!(output.line.lock().unwrap().is_empty());
    }
}
